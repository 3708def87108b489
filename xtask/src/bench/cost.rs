//! What a process costs, read from outside.

use std::fs;
use std::time::Duration;

/// CPU time of all live threads of a process. Units: nanosecond resolution.
/// Source: first field of `/proc/PID/task/TID/schedstat`.
pub fn cpu(pid: u32) -> Option<Duration> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        total += text.split(' ').next()?.trim().parse::<u64>().unwrap_or(0);
    }
    Some(Duration::from_nanos(total))
}

/// Resident set size. Units: bytes.
pub fn rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
