//! The log under kill -9, torn tails, flipped bits, reboots, a second agent and a full disk.

use super::super::tests::{mib, process, split};
use super::*;
use crate::history::{Bucket, Point, SeriesId, Tier};
use crate::target::Target;
use proptest::prelude::*;
use std::fs;
use std::io::Cursor;

const MINUTE: i64 = 60_000;

fn params(dir: &Path) -> JournalParams {
    JournalParams { dir: dir.to_owned(), disk_budget: Bytes::mib(8), history: mib(1) }
}

/// One clock for all, so that the wall clock does not move between two calls.
fn clock() -> Clock {
    static CLOCK: std::sync::OnceLock<Clock> = std::sync::OnceLock::new();
    *CLOCK.get_or_init(Clock::start)
}

fn boot(id: &str) -> Boot<'_> {
    Boot::new(id, clock())
}

fn load(dir: &Path, now: i64) -> (Journal, Loaded) {
    Journal::load(&params(dir), boot("boot-a"), Stamp(now)).unwrap()
}

fn flush(journal: &mut Journal, history: &mut History, now: i64) {
    while journal.flush(history, Stamp(now), clock()) {
        settle(journal);
    }
}

/// Waits until the writer has nothing left to do.
fn settle(journal: &Journal) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while journal.progress.waiting.load(std::sync::atomic::Ordering::Acquire) > 0 {
        assert!(std::time::Instant::now() < deadline, "the writer is stuck");
        std::thread::yield_now();
    }
}

type Shown = (Vec<Point>, Vec<Bucket>, Vec<Bucket>);

fn shown(history: &History, id: SeriesId) -> Shown {
    let window = history.window(id);
    (
        window.points().collect(),
        window.buckets(Tier::Minute).collect(),
        window.buckets(Tier::Hour).collect(),
    )
}

fn shown_of(history: &mut History, target: &Target) -> Shown {
    let id = history.open(target, Stamp(0));
    shown(history, id)
}

/// The only log of a directory.
fn log_of(dir: &Path) -> PathBuf {
    let logs = files::logs(dir).unwrap();
    assert_eq!(logs.len(), 1);
    logs[0].1.clone()
}

/// Three targets read for some time and flushed every ten seconds; one of them sleeps, one ends.
fn record(dir: &Path, seconds: i64) -> History {
    let (mut journal, Loaded { mut history, .. }) = load(dir, 0);
    let busy = history.open(&process(1), Stamp(0));
    let idle = history.open(&Target::Node, Stamp(0));
    let ended = history.open(&process(3), Stamp(0));
    for second in 0..=seconds {
        let at = Stamp(second * 1000);
        history.push(busy, at, split(1000 + second.unsigned_abs() % 37 * 3));
        history.push(idle, at, split(77));
        if second < seconds / 2 {
            history.push(ended, at, split(second.unsigned_abs()));
        } else if second == seconds / 2 {
            history.close(ended, at);
        }
        if second % 10 == 0 {
            flush(&mut journal, &mut history, at.0);
            settle(&journal);
        }
    }
    history
}

#[test]
fn after_kill_dash_nine_the_history_is_what_it_was_at_the_last_flush() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = record(dir.path(), 2 * 3600 + 30);
    let (_journal, Loaded { mut history, notes, bytes_dropped, .. }) =
        load(dir.path(), 2 * 3_600_000 + 40_000);
    assert_eq!((notes, bytes_dropped), (Vec::<String>::new(), 0));
    for target in [process(1), Target::Node] {
        let (points, minutes, hours) = shown_of(&mut history, &target);
        let (points_before, minutes_before, hours_before) = shown_of(&mut before, &target);
        assert_eq!(points, points_before);
        assert_eq!((minutes.len(), hours.len()), (120, 2));
        assert_eq!((minutes, hours), (minutes_before, hours_before));
    }
    let id = history.find(&process(3)).unwrap();
    let ended: Vec<_> = history.iter().filter(|(other, ..)| *other == id).collect();
    assert_eq!(ended[0].2, Some(Stamp((3600 + 15) * 1000)));
    assert_eq!(shown(&history, id), shown(&before, before.find(&process(3)).unwrap()));
}

#[test]
fn a_process_that_outlived_the_agent_continues_its_run_and_a_long_pause_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), 600);
    let (_journal, Loaded { mut history, .. }) = load(dir.path(), 605_000);
    let idle = history.open(&Target::Node, Stamp(605_000));
    history.push(idle, Stamp(606_000), split(77));
    let points: Vec<Point> = history.window(idle).points().collect();
    assert_eq!(points.len(), 1);
    assert_eq!((points[0].at, points[0].until), (Stamp(0), Stamp(606_000)));
    let busy = history.open(&process(1), Stamp(605_000));
    let count = history.window(busy).points().count();
    history.push(busy, Stamp(5_000_000), history.window(busy).last().unwrap().split);
    assert_eq!(history.window(busy).points().count(), count + 1);
}

#[test]
fn after_a_reboot_times_go_through_wall_time_and_old_processes_are_others() {
    let dir = tempfile::tempdir().unwrap();
    let before = record(dir.path(), 7200);
    let wall = clock().unix_ms(Stamp(0));
    // Rebooted three hours (of the old boot clock) after its start: now is minute one.
    let boot = Boot { id: "boot-b", wall_minus_boot_ms: wall + 180 * MINUTE };
    let (_journal, Loaded { mut history, notes, .. }) =
        Journal::load(&params(dir.path()), boot, Stamp(MINUTE)).unwrap();
    assert_eq!(notes, Vec::<String>::new());
    let id = history.open(&Target::Node, Stamp(MINUTE));
    let point = history.window(id).last().unwrap();
    assert_eq!((point.at, point.until), (Stamp(-180 * MINUTE), Stamp(-60 * MINUTE)));
    assert_eq!(history.window(id).buckets(Tier::Hour).count(), 2);
    let old = history.find(&process(1)).unwrap();
    let kept = history.window(old).points().count();
    assert_eq!(kept, before.window(before.find(&process(1)).unwrap()).points().count());
    let new = history.open(&process(1), Stamp(MINUTE));
    assert_ne!(new, old);
    assert_eq!(history.window(new).last(), None);
}

#[test]
fn a_file_cut_at_any_byte_keeps_every_frame_before_the_cut() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), 60);
    let bytes = fs::read(log_of(dir.path())).unwrap();
    let read = |bytes: &[u8]| {
        read_log(&mut Cursor::new(bytes), &mib(1), boot("boot-a")).unwrap().map_err(drop)
    };
    let whole = read(&bytes).unwrap();
    assert!(whole.frames > 7);
    let (mut frames, mut cuts_with_frames) = (0, 0);
    for len in 0..bytes.len() {
        let Ok(cut) = read(&bytes[..len]) else {
            assert!(len < 40, "no log at {len} bytes");
            continue;
        };
        assert!(cut.frames >= frames && cut.frames <= whole.frames);
        frames = cut.frames;
        cuts_with_frames += u64::from(cut.frames > 0);
        if let Some(id) = cut.history.find(&Target::Node) {
            assert_eq!(cut.history.window(id).last().map(|point| point.at), Some(Stamp(0)));
        }
    }
    assert_eq!(frames, whole.frames - 1);
    assert!(cuts_with_frames > 100);
}

#[test]
fn a_torn_tail_is_dropped_and_noted_and_what_is_no_log_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), 60);
    let path = log_of(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"plmf\xff\xff\xff\xff torn");
    fs::write(&path, &bytes).unwrap();
    for (number, foreign) in [(90, &b"not ours"[..]), (91, b"plimsoll\x02\0\0\0 from the future")] {
        fs::write(dir.path().join(format!("history-{number:010}.log")), foreign).unwrap();
    }
    fs::write(dir.path().join("history-0000000092.tmp"), b"unfinished").unwrap();
    let (journal, loaded) = load(dir.path(), 70_000);
    assert_eq!(loaded.bytes_dropped, 13);
    assert_eq!(loaded.notes.len(), 3);
    assert!(loaded.notes[0].contains("version 2 is not known here"), "{}", loaded.notes[0]);
    assert!(loaded.notes[1].contains("not a history of plimsoll"), "{}", loaded.notes[1]);
    assert!(loaded.notes[2].contains("the last 13 bytes"), "{}", loaded.notes[2]);
    assert_eq!(loaded.history.stats().series, 3);
    drop(journal);
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["history-0000000092.log", "history.damaged", "lock"]);
}

#[test]
fn a_second_agent_in_the_same_directory_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let first = load(dir.path(), 0);
    let second = Journal::load(&params(dir.path()), boot("boot-a"), Stamp(0)).unwrap_err();
    assert!(second.to_string().contains("another plimsoll agent"), "{second}");
    drop(first);
    load(dir.path(), 0);
}

#[test]
fn files_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("a/state");
    load(&state, 0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!((mode(&log_of(&state)), mode(&state.join("lock"))), (0o600, 0o600));
}

#[test]
fn a_sleeping_process_costs_no_bytes_and_a_full_file_gives_way_to_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let params = JournalParams { disk_budget: Bytes::kib(256), ..params(dir.path()) };
    let (mut journal, Loaded { mut history, .. }) =
        Journal::load(&params, boot("boot-a"), Stamp(0)).unwrap();
    let ids: Vec<_> = (0..500).map(|pid| history.open(&process(pid), Stamp(0))).collect();
    for tick in 0..400i64 {
        let at = Stamp(tick * 10_000);
        for (i, &id) in ids.iter().enumerate() {
            let busy = if i % 25 == 0 { tick.unsigned_abs() } else { 0 };
            history.push(id, at, split(100 + busy));
        }
        flush(&mut journal, &mut history, at.0);
        // The queue is short on purpose; wait for the writer as the flush interval would.
        settle(&journal);
    }
    assert_eq!((journal.health(), journal.flush_failures()), (None, 0));
    assert!(journal.progress.appended.load(Relaxed) <= 80 << 10);
    drop(journal);
    let path = log_of(dir.path());
    assert!(path.to_str().unwrap() > dir.path().join("history-0000000003").to_str().unwrap());
    let (_journal, Loaded { history: mut again, .. }) =
        Journal::load(&params, boot("boot-a"), Stamp(4_000_000)).unwrap();
    for pid in [0, 1, 25, 499] {
        assert_eq!(shown_of(&mut again, &process(pid)), shown_of(&mut history, &process(pid)));
    }
}

/// A file system of 64 KiB, unmounted in any case.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(dir.path());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(dir))
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_the_agent_goes_on_and_recovers_when_there_is_room() {
    let Some(tiny) = Tiny::mount() else {
        eprintln!("skipped: mounting a tmpfs needs root");
        return;
    };
    let dir = tiny.0.path().join("state");
    let (mut journal, Loaded { mut history, .. }) = load(&dir, 0);
    let ballast = tiny.0.path().join("ballast");
    let _ = fs::write(&ballast, vec![1; 60 << 10]);
    let id = history.open(&process(1), Stamp(0));
    let mut at = 0;
    while journal.health().is_none() {
        at += 1000;
        assert!(at < 100_000_000, "64 KiB never fill");
        history.push(id, Stamp(at), split(at.unsigned_abs() % 999));
        if at % 10_000 == 0 {
            flush(&mut journal, &mut history, at);
            settle(&journal);
        }
    }
    let health = journal.health().unwrap();
    assert!(health.contains("No space left on device") && health.contains("since 20"), "{health}");
    let failures = journal.flush_failures();
    assert!(failures > 0);
    fs::remove_file(&ballast).unwrap();
    for _ in 0..5 {
        at += 10_000;
        history.push(id, Stamp(at), split(at.unsigned_abs() % 999));
        flush(&mut journal, &mut history, at);
        settle(&journal);
    }
    assert_eq!((journal.health(), journal.flush_failures()), (None, failures));
    drop(journal);
    let (journal, Loaded { history: mut again, .. }) = load(&dir, at);
    assert_eq!(shown_of(&mut again, &process(1)), shown(&history, id));
    drop(journal);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_never_panic_and_never_break_the_budget(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..4)
    ) {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), 30);
        let mut bytes = fs::read(log_of(dir.path())).unwrap();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Ok(loaded) = read_log(&mut Cursor::new(&bytes), &mib(1), boot("boot-a")).unwrap() {
            prop_assert!(loaded.history.stats().bytes <= Bytes::mib(1));
        }
    }

    #[test]
    fn records_that_make_no_sense_but_have_a_good_checksum_never_panic(
        payload: Vec<u8>, kib in 0..300u64, reboot: bool,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)
    ) {
        let mut history = History::new(mib(1));
        let id = history.open(&process(1), Stamp(0));
        for second in 0..200i64 {
            history.push(id, Stamp(second * 1000), split(second.unsigned_abs()));
        }
        let mut good = framed_records(Stamp(200_000), 5, |records| {
            history.encode_changes(records, 0, 1);
        });
        for (at, byte) in flips {
            let at = at.index(good.len());
            good[at] = byte;
        }
        let mut bytes = frame::FILE_HEAD.to_vec();
        bytes.extend(framed(frame::BOOT, if reboot { b"boot-x" } else { b"boot-a" }));
        bytes.extend(framed(frame::RECORDS, &good[frame::HEAD_BYTES + 1..]));
        bytes.extend(framed(frame::RECORDS, &payload));
        let budget = HistoryParams { ram_budget: Bytes::kib(kib) };
        let loaded = read_log(&mut Cursor::new(&bytes), &budget, boot("boot-a")).unwrap().unwrap();
        prop_assert!(loaded.history.stats().bytes <= Bytes::kib(kib));
        for (id, ..) in loaded.history.iter() {
            shown(&loaded.history, id);
        }
    }
}
