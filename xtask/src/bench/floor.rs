//! The floor: bare preads on kept descriptors, and nothing else.

use super::cost::median;
use plimsoll_bpf::{Edge, Tasks};
use rustix::io::pread;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// One pread of `statm` for each process.
pub fn statm_pass(pids: &[u32], passes: usize) -> Result<Duration, String> {
    let paths: Vec<PathBuf> = pids.iter().map(|pid| format!("/proc/{pid}/statm").into()).collect();
    pass(&paths, passes)
}

/// One pass of BPF's task iterator over all tasks of the node.
pub fn task_iterator_pass(passes: usize) -> Result<Duration, String> {
    let edge = Edge::open().map_err(|e| e.to_string())?;
    let mut tasks = Tasks::open(&edge).map_err(|e| e.to_string())?;
    drop(edge);
    let mut taken = Vec::new();
    for _ in 0..passes {
        let begun = Instant::now();
        let before = thread_cpu();
        let mut pages = 0;
        tasks.pass(|record| pages += record.rss_pages()).map_err(|e| e.to_string())?;
        std::hint::black_box(pages);
        taken.push((thread_cpu() - before).as_secs_f64());
        std::thread::park_timeout(Duration::from_secs(1).saturating_sub(begun.elapsed()));
    }
    Ok(Duration::from_secs_f64(median(taken)))
}

/// CPU time of one pread of each file, the median of `passes` that begin a second apart, as a
/// sampler's do: a tight loop would find every kernel structure in the cache.
pub fn pass(paths: &[PathBuf], passes: usize) -> Result<Duration, String> {
    let open = |path: &PathBuf| File::open(path).map_err(|e| format!("{}: {e}", path.display()));
    let files: Vec<File> = paths.iter().map(open).collect::<Result<_, _>>()?;
    let mut taken = Vec::new();
    for _ in 0..passes {
        let begun = Instant::now();
        let before = thread_cpu();
        let mut buffer = [0_u8; 8192];
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
