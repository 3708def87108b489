//! What a window must not do to the process that is watched.

use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plimsoll_heap::memory::{Live, Memory};
use plimsoll_heap::target::Opened;

use crate::programs::{Running, started, started_strict};

const WATCH: &str = "PLIMSOLL_TEST_WATCH";
const LONG: Duration = Duration::from_secs(60);

/// Bytes of the C library's code that are not those of its file: traps.
fn traps(pid: u32) -> usize {
    let opened = Opened::open(pid).expect("the program runs");
    let live = Live::new(opened.target());
    let maps = String::from_utf8(opened.text("maps").expect("maps")).expect("text");
    let line = maps.lines().find(|line| line.contains("r-xp") && line.contains("libc.so"));
    let fields: Vec<&str> = line.expect("a libc").split_ascii_whitespace().collect();
    let number = |word: &str| u64::from_str_radix(word, 16).expect("a number");
    let (start, end) = fields[0].split_once('-').expect("a range");
    let (start, end) = (number(start), number(end));
    let (mut there, mut kept) = (vec![0; (end - start) as usize], vec![0; (end - start) as usize]);
    assert_eq!(live.read(start, &mut there), there.len());
    let file = std::fs::File::open(fields[5]).expect("the file of libc");
    let read = file.read_at(&mut kept, number(fields[2])).expect("it can be read");
    there.iter().zip(&kept[..read]).filter(|(there, kept)| there != kept).count()
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn works_on(running: &mut Running) {
    let before = running.made_after(1);
    assert!(running.made_after(4) > before);
}

/// Not a test of its own: what those below start as another process.
#[test]
fn the_second_process() {
    let Some(pid) = std::env::var(WATCH).ok().and_then(|pid| pid.parse().ok()) else { return };
    let opened = Opened::open(pid).expect("the program runs");
    let mut window = plimsoll_heap::probes::Window::open(&opened).expect("a window");
    window.watch(LONG, &mut |_| {}).expect("the window is watched");
}

fn second_process(pid: u32) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--exact", "harm::the_second_process", "--test-threads", "1"]);
    command.env(WATCH, pid.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it runs a second time")
}

#[test]
fn after_a_report_no_trap_is_left_and_the_program_works_on() {
    let Some(mut running) = started("leaky.c", &[], &["50000", "100"]) else { return };
    let report = running.report(Duration::from_secs(1));
    assert_eq!(report.method.level, 2, "{:?}", report.method.notes);
    assert_eq!(traps(running.pid()), 0);
    works_on(&mut running);
}

#[test]
fn a_window_that_is_dropped_or_whose_process_is_killed_leaves_no_trap() {
    let Some(mut running) = started("leaky.c", &[], &["50000", "100", "4"]) else { return };
    let opened = Opened::open(running.pid()).unwrap();
    let window = plimsoll_heap::probes::Window::open(&opened).unwrap();
    assert!(traps(running.pid()) >= 6, "{}", traps(running.pid()));
    drop(window);
    eventually("no trap", || traps(running.pid()) == 0);

    let mut watcher = second_process(running.pid());
    eventually("traps", || traps(running.pid()) >= 6 || watcher.try_wait().unwrap().is_some());
    running.made_after(2);
    let still_watches = watcher.try_wait().unwrap().is_none();
    watcher.kill().unwrap();
    watcher.wait().unwrap();
    assert!(still_watches);
    eventually("no trap", || traps(running.pid()) == 0);
    works_on(&mut running);
}

#[test]
fn a_target_whose_filter_knows_no_calls_of_probes_survives() {
    let Some(mut running) = started_strict("leaky.c", &["50000", "100"]) else { return };
    let report = running.report(Duration::from_secs(1));
    // Level 1, and why, on kernels where it would not.
    let said = report.method.notes.iter().any(|note| note.contains("seccomp"));
    assert!(report.method.level == 2 || said, "{:?}", report.method.notes);
    works_on(&mut running);
}

#[test]
fn a_target_that_ends_in_the_window_ends_it() {
    let Some(mut running) = started("leaky.c", &[], &["50000", "100"]) else { return };
    let opened = Opened::open(running.pid()).unwrap();
    let mut window = plimsoll_heap::probes::Window::open(&opened).unwrap();
    let begun = Instant::now();
    let mut told = 0;
    window
        .watch(LONG, &mut |_| {
            told += 1;
            running.kill();
        })
        .unwrap();
    assert!(begun.elapsed() < LONG / 4 && told > 0);
    assert!(opened.check().is_err());
    assert!(window.close(&[]).by_stack.is_empty());
}
