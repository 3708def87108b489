//! What the agent does to others: the latency of a target's own `mmap`, with the agent reading
//! PSS and without.

use crate::Outcome;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A process that holds `gib` GiB of touched 4 KiB pages and times its own mmap on request.
#[derive(Debug)]
pub struct Target {
    child: Child,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

/// Latencies of mmap + munmap of one page.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    pub p50: Duration,
    pub p999: Duration,
    pub max: Duration,
}

impl Target {
    pub fn start(gib: u32) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = super::flock::mortal(own);
        command.args(["bench-program", "stall", &gib.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut target = Self { child, answers: BufReader::new(stdout).lines() };
        target.answer()?;
        Ok(target)
    }

    /// Lets it map and unmap for `seconds` and returns what it saw.
    pub fn measure(&mut self, seconds: u64) -> Result<Latency, String> {
        let stdin = self.child.stdin.as_mut().ok_or("no stdin")?;
        writeln!(stdin, "{seconds}").map_err(|e| e.to_string())?;
        let line = self.answer()?;
        let ns: Vec<u64> = line.split(' ').filter_map(|n| n.parse().ok()).collect();
        match ns.as_slice() {
            &[p50, p999, max] => Ok(Latency {
                p50: Duration::from_nanos(p50),
                p999: Duration::from_nanos(p999),
                max: Duration::from_nanos(max),
            }),
            _ => Err(format!("the target said '{line}'")),
        }
    }

    fn answer(&mut self) -> Result<String, String> {
        self.answers.next().ok_or("the target ended")?.map_err(|e| e.to_string())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The target itself.
pub fn program(gib: &str) -> Outcome {
    let gib: usize = gib.parse().map_err(|_| format!("not a number of GiB: {gib}"))?;
    let mut held = vec![0_u8; gib << 30];
    for page in held.chunks_mut(4096) {
        page[0] = 1;
    }
    println!("ready");
    for line in std::io::stdin().lines() {
        let seconds: u64 = line.map_err(|e| e.to_string())?.trim().parse().unwrap_or(1);
        let latency = time_mmap(Duration::from_secs(seconds))?;
        println!(
            "{} {} {}",
            latency.p50.as_nanos(),
            latency.p999.as_nanos(),
            latency.max.as_nanos()
        );
    }
    drop(held);
    Ok(())
}

fn time_mmap(span: Duration) -> Result<Latency, String> {
    let until = Instant::now() + span;
    let mut taken: Vec<u64> = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        map_and_unmap().map_err(|e| e.to_string())?;
        taken.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        // 2,000 a second: enough for a p99.9, without keeping a core busy.
        std::thread::park_timeout(Duration::from_micros(400));
    }
    taken.sort_unstable();
    let at = |share: f64| {
        let index = ((taken.len() as f64 * share) as usize).min(taken.len().saturating_sub(1));
        Duration::from_nanos(taken.get(index).copied().unwrap_or(0))
    };
    Ok(Latency { p50: at(0.5), p999: at(0.999), max: at(1.0) })
}

#[expect(unsafe_code, reason = "mmap is what is measured")]
fn map_and_unmap() -> rustix::io::Result<()> {
    let flags = MapFlags::PRIVATE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice aliases nothing.
    let page = unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, ProtFlags::READ, flags)? };
    // SAFETY: `page` is the mapping just made, of this length, and nothing refers to it.
    unsafe { munmap(page, 4096) }
}
