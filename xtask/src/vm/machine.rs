//! One emulated machine: booted, watched until it is done, ended when it takes too long.
//!
//! QEMU without KVM, network or disks: what runs is in the initramfs, what it says comes back over
//! two serial lines, each into a file: the kernel's console, and the results ([`super::console`]).

use super::console::is_done;
use crate::interrupt::Flag;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const QEMU: &str = "qemu-system-x86_64";
/// PSI as on a node; the mitigations only cost time, twice emulated.
const KERNEL_LINE: &str = "console=ttyS0 quiet panic=-1 psi=1 mitigations=off";
/// Debian 12's QEMU 7.2 now and then leaves rubbish in the flags after an emulated CMPXCHG16B, with
/// which the kernel's allocator ends in a double fault. Told that there is none, it does without.
const PROCESSOR: &str = "max,cx16=off";
const LOOKED_AT: Duration = Duration::from_millis(200);
/// How long a machine may take to boot and to end.
const AROUND: Duration = Duration::from_secs(90);

/// What is to be booted.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    pub kernel: &'a Path,
    pub initramfs: &'a Path,
    pub ram_mib: u64,
    pub cpus: u32,
    /// All that its plan may take.
    pub within: Duration,
    /// The longest that it may say nothing new: what one command of its plan may take.
    pub silent_within: Duration,
    /// Where its files go.
    pub dir: &'a Path,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What it said on its second serial line.
    pub results: String,
    /// Why it was ended, or that it ended by itself before it was done.
    pub fault: Option<String>,
    pub took: Duration,
}

impl Machine<'_> {
    pub fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    fn results(&self) -> PathBuf {
        self.dir.join("results.log")
    }

    fn command(&self) -> Command {
        let file = |path: PathBuf| format!("file:{}", path.display());
        let mut command = Command::new(QEMU);
        command
            .args(["-M", "pc", "-cpu", PROCESSOR, "-accel", "tcg"])
            .args(["-m", &self.ram_mib.to_string(), "-smp", &self.cpus.to_string()])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args(["-serial", &file(self.console()), "-serial", &file(self.results())])
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(self.initramfs)
            .args(["-append", KERNEL_LINE])
            .stdin(Stdio::null());
        command
    }

    /// Boots it and waits for its end.
    pub fn run(&self, interrupt: &Flag) -> Result<Ended, String> {
        let begun = Instant::now();
        let child = self.command().spawn().map_err(|e| format!("{QEMU}: {e}"))?;
        let mut running = Running(child);
        let (mut heard, mut heard_at) = (0, begun);
        let fault = loop {
            let status = running.0.try_wait().map_err(|e| format!("{QEMU}: {e}"))?;
            let said = said(&self.results());
            if said.len() != heard {
                (heard, heard_at) = (said.len(), Instant::now());
            }
            match status {
                Some(_) if is_done(&said) => break None,
                Some(status) => break Some(format!("ended before it was done ({status})")),
                None if interrupt.is_set() => break Some("interrupted".to_owned()),
                None if begun.elapsed() > self.within + AROUND => {
                    break Some(format!("not done after {:?}", begun.elapsed()));
                }
                None if heard_at.elapsed() > self.silent_within + AROUND => {
                    break Some(format!("silent for {:?}", heard_at.elapsed()));
                }
                None => std::thread::park_timeout(LOOKED_AT),
            }
        };
        drop(running);
        Ok(Ended { results: said(&self.results()), fault, took: begun.elapsed() })
    }
}

fn said(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
