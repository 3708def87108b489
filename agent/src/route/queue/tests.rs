//! The queue over restarts, damage and limits.

use super::*;
use crate::route::notice::ToldAlert;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn limits(bytes_max: u64) -> Limits {
    Limits { bytes_max, age_max: DAY }
}

fn notice(id: &str) -> Notice {
    Notice { id: id.into(), alerts: vec![ToldAlert::default()], ..Notice::default() }
}

/// Everything in the queue, in order, taken out.
fn drained(queue: &mut Queue, now_ms: i64) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some((seq, notice)) = queue.first(now_ms) {
        ids.push(notice.id);
        queue.remove(seq, None);
    }
    ids
}

#[test]
fn what_was_queued_comes_out_in_order_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Queue::open(Some(dir.path().join("q")), limits(1 << 20));
    let mut queue = open();
    for id in ["a", "b", "c"] {
        assert!(queue.push(&notice(id), 0));
    }
    let (seq, first) = queue.first(1).unwrap();
    assert_eq!(first.id, "a");
    queue.remove(seq, None);
    drop(queue);
    // Left by a write that a kill cut short.
    std::fs::write(dir.path().join("q/00000000000000000009.notice.tmp"), b"half").unwrap();
    let mut queue = open();
    assert_eq!(queue.len(), 2);
    queue.push(&notice("d"), 2);
    assert_eq!(drained(&mut queue, 3), ["b", "c", "d"]);
    assert_eq!((queue.bytes(), std::fs::read_dir(dir.path().join("q")).unwrap().count()), (0, 0));
}

#[test]
fn the_oldest_gives_way_to_the_newest_and_is_counted() {
    for dir in [None, Some(tempfile::tempdir().unwrap())] {
        let at = dir.as_ref().map(|dir| dir.path().to_owned());
        let mut queue = Queue::open(at, limits(2_000));
        for n in 0..20 {
            queue.push(&notice(&n.to_string()), 0);
            assert!(queue.bytes() <= 2_000);
        }
        let dropped = queue.take_dropped();
        assert!(!dropped.is_empty() && dropped.iter().all(|why| *why == Dropped::Full));
        let left = drained(&mut queue, 1);
        assert_eq!(dropped.len() + left.len(), 20);
        assert_eq!(left.last().map(String::as_str), Some("19"));
    }
}

#[test]
fn what_waits_too_long_is_dropped_and_counted_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let at = || Some(dir.path().to_owned());
    let mut queue = Queue::open(at(), limits(1 << 20));
    queue.push(&notice("old"), 0);
    queue.push(&notice("new"), 50_000_000);
    let mut queue = Queue::open(at(), limits(1 << 20));
    assert_eq!(queue.first(86_400_000).unwrap().1.id, "old");
    assert_eq!(queue.first(86_400_001).unwrap().1.id, "new");
    assert_eq!(queue.take_dropped(), [Dropped::Age]);
}

#[test]
fn a_damaged_notice_is_passed_over_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = Queue::open(Some(dir.path().to_owned()), limits(1 << 20));
    for id in ["a", "b", "c"] {
        queue.push(&notice(id), 0);
    }
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    names.sort();
    // Still JSON, and still a notice: only the checksum tells.
    let text = std::fs::read_to_string(&names[0]).unwrap();
    std::fs::write(&names[0], text.replace("\"id\":\"a\"", "\"id\":\"x\"")).unwrap();
    std::fs::write(&names[1], b"").unwrap();
    assert_eq!(drained(&mut queue, 1), ["c"]);
    assert_eq!(queue.take_dropped(), [Dropped::Damaged, Dropped::Damaged]);
}

#[test]
fn where_the_disk_cannot_be_written_notices_are_held_in_memory_and_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"no directory").unwrap();
    let mut queue = Queue::open(Some(file.join("q")), limits(1 << 20));
    assert!(queue.trouble().is_some_and(|why| why.contains("file/q")));
    queue.push(&notice("a"), 0);
    assert_eq!(drained(&mut queue, 0), ["a"]);
}

#[test]
fn a_notice_that_was_dropped_on_its_way_takes_no_other_with_it() {
    let mut queue = Queue::open(None, limits(1 << 20));
    queue.push(&notice("a"), 0);
    let (seq, _) = queue.first(0).unwrap();
    queue.push(&notice("b"), 0);
    queue.remove(seq, None);
    queue.remove(seq, None);
    assert_eq!(drained(&mut queue, 0), ["b"]);
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let text = |crc: &str| format!("{} {crc} 5\n{{}}", KIND.magic).into_bytes();
    assert!(decode(&text("00000000")).is_none());
    for wrong in [&b""[..], b"\n", b"plimsoll-notice-1 zz 5\n", b"\xff\xfe\n", b"a b c d\n{}"] {
        assert!(decode(wrong).is_none());
    }
}
