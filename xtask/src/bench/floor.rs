//! The floor: one pread of `statm` on a kept descriptor for each process, and nothing else.

use super::cost::median;
use rustix::io::pread;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::time::{Duration, Instant};

/// CPU time of one pass over all of them, the median of `passes` that begin a second apart, as a
/// sampler's do: a tight loop would find every kernel structure in the cache.
pub fn statm_pass(pids: &[u32], passes: usize) -> Result<Duration, String> {
    let open = |pid: &u32| File::open(format!("/proc/{pid}/statm")).map_err(|e| e.to_string());
    let files: Vec<File> = pids.iter().map(open).collect::<Result<_, _>>()?;
    let mut taken = Vec::new();
    for _ in 0..passes {
        let begun = Instant::now();
        let before = thread_cpu();
        let mut buffer = [0_u8; 128];
        for file in &files {
            pread(file, &mut buffer, 0).map_err(|e| e.to_string())?;
        }
        taken.push((thread_cpu() - before).as_secs_f64());
        std::thread::park_timeout(Duration::from_secs(1).saturating_sub(begun.elapsed()));
    }
    Ok(Duration::from_secs_f64(median(taken)))
}

fn thread_cpu() -> Duration {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
}
