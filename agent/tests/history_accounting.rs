//! What the history says it holds is what the process grew by. A binary of its own, because the
//! resident set belongs to the whole process.

use plimsoll::clock::Stamp;
use plimsoll::history::{History, HistoryParams, Split};
use plimsoll::target::{ProcessId, Target};
use plimsoll::units::Bytes;

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("proc is mounted");
    statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).expect("statm is numbers") * 4096
}

#[test]
fn a_full_history_grew_the_process_by_the_bytes_that_it_declares() {
    let before = resident();
    let budget = Bytes::mib(64);
    let mut history = History::new(HistoryParams { ram_budget: budget });
    let mut second = 0i64;
    while history.stats().trimmed_points_total == 0 {
        second += 1;
        for pid in 0..20_000u32 {
            let target = match pid % 10 {
                0 => Target::Cgroup(format!("/kubepods.slice/burstable/pod{pid:040}").into()),
                _ => Target::Process(ProcessId { pid, start_time: 1 }),
            };
            let id = history.open(&target, Stamp(second * 1000));
            let used = Bytes::kib(4 * (u64::from(pid) + second.unsigned_abs() * 7));
            let split = Split { used, anon: used, ..Split::default() };
            history.push(id, Stamp(second * 1000), split);
        }
    }
    let declared = history.stats().bytes;
    let grown = resident() - before;
    assert!(declared <= budget);
    assert!(declared.0.abs_diff(grown) * 100 < declared.0 * 5, "{declared:?} against {grown}");
}
