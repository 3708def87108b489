//! What the queues of notices do not show: the bounds on memory and on one entry.

use super::*;

const KIND: Kind = Kind {
    ending: "thing",
    magic: "thing-1",
    entries_max: 100,
    entry_bytes_max: 500,
    held_bytes_max: 1000,
};

fn limits() -> Limits {
    Limits { bytes_max: 1 << 20, age_max: Duration::from_secs(60) }
}

#[test]
fn without_a_disk_the_bound_on_memory_holds_and_the_newest_stay() {
    let mut spool = Spool::open(KIND, None, limits());
    for n in 0..20_u8 {
        spool.push(&[n; 200], 0);
        assert!(spool.bytes() <= 1000);
    }
    let dropped = spool.take_dropped().len();
    assert_eq!(dropped + spool.len(), 20);
    let (_, oldest) = spool.first(0).unwrap();
    assert_eq!(usize::from(oldest[0]), dropped);
}

#[test]
fn on_disk_more_is_kept_than_memory_may_hold_and_bytes_come_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(KIND, Some(dir.path().to_owned()), limits());
    for n in 0..20_u8 {
        assert!(spool.push(&[n, b'\n', 0xff, 0], 7));
    }
    let mut again = Spool::open(KIND, Some(dir.path().to_owned()), limits());
    for n in 0..20_u8 {
        let (seq, body) = again.first(8).unwrap();
        assert_eq!(body, [n, b'\n', 0xff, 0]);
        again.remove(seq, None);
    }
    assert!(again.is_empty() && again.take_dropped().is_empty());
}

#[test]
fn an_entry_that_is_too_long_is_dropped_alone() {
    let mut spool = Spool::open(KIND, None, limits());
    spool.push(b"short", 0);
    spool.push(&[0; 600], 0);
    assert_eq!((spool.len(), spool.take_dropped()), (1, vec![Dropped::Full]));
}
