//! Starting and ending programs. Each dies with the driver, however that ends.
//!
//! A program is started through this very one (`plimsoll-loop start`), which enters the cgroup,
//! asks the kernel to be killed with its parent, and becomes the program: so it never allocates
//! outside. Programs are started from the driver's main thread only, for that is whose end counts.

use crate::Fault;
use crate::arena::Arena;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// The hidden command that becomes another program.
pub const START: &str = "start";
const OUTSIDE: &str = "-";

/// A running program. Dropped, it is killed and reaped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`, in `arena` if one is given; what it says goes to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        program: &Path,
        args: &[&OsStr],
        env: &[(&str, &OsStr)],
        arena: Option<&Arena>,
        log: &Path,
    ) -> Result<Self, Fault> {
        let said = |e: std::io::Error| format!("{}: {e}", program.display());
        let own = std::env::current_exe().map_err(said)?;
        let out = File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
        let mut command = Command::new(own);
        command.arg(START).arg(arena.map_or(OsStr::new(OUTSIDE), |a| a.dir().as_os_str()));
        command.arg(program).args(args).envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(out.try_clone().map_err(said)?).stderr(out);
        // Ctrl-C is for the driver, which then ends the others in its own order.
        command.process_group(0);
        Ok(Self { child: command.spawn().map_err(said)?, log: log.to_owned() })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Whether somebody killed it with SIGKILL, as the kernel does.
    #[must_use]
    pub fn was_killed(&mut self) -> bool {
        self.ended().is_some_and(|status| status.signal() == Some(Signal::KILL.as_raw()))
    }

    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // Fails only if it has ended already.
            let _ = kill_process(pid, signal);
        }
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Resident size. Units: bytes.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        resident(self.pid())
    }
}

/// Resident size of a process; None: there is none. Units: bytes.
#[must_use]
pub fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `start DIR PROGRAM ARGS…`: enters the cgroup, or none for `-`, and becomes the program.
///
/// # Errors
/// Why it could not.
pub fn become_program(words: &[OsString]) -> Fault {
    let [dir, program, args @ ..] = words else { return "start: too few words".to_owned() };
    if let Err(e) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return e.to_string();
    }
    if dir != OUTSIDE
        && let Err(e) = fs::write(Path::new(dir).join("cgroup.procs"), "0")
    {
        return format!("{}: {e}", dir.display());
    }
    let error = Command::new(program).args(args).exec();
    format!("{}: {error}", program.display())
}

/// A directory for the files of one run. Dropped, it is removed.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// # Errors
    /// When it cannot be made.
    pub fn make(name: &str) -> Result<Self, Fault> {
        let name = format!("plimsoll-loop-{}-{name}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        Ok(Self(dir))
    }

    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is only litter.
        let _ = fs::remove_dir_all(&self.0);
    }
}
