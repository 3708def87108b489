//! What a pause must not do, and whom it must refuse.

use std::io::BufRead;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plimsoll_heap::freeze::frozen;
use plimsoll_heap::reach::{self, Limits, TABLE_BYTES_MAX};
use plimsoll_heap::take::{Options, take};
use plimsoll_heap::target::Opened;
use plimsoll_heap::{Refusal, Target};

use crate::workshop::{Running, compiled, eventually, started, state};

const LONG: Duration = Duration::from_secs(20);
const LIMITS: Limits = Limits { pause_max: LONG, table_bytes_max: TABLE_BYTES_MAX };

/// The letters of all threads' states.
fn states(pid: u32) -> Vec<char> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return vec![] };
    let of = |tid: String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    };
    tasks.filter_map(|task| of(task.ok()?.file_name().into_string().ok()?)).collect()
}

#[track_caller]
fn goes_on(pid: u32) {
    eventually("the target goes on", || {
        let states = states(pid);
        !states.is_empty() && states.iter().all(|state| !"tT".contains(*state))
    });
}

#[track_caller]
fn target(running: &Running) -> Target {
    running.opened().target()
}

#[test]
fn every_thread_stands_still_and_goes_on_after() {
    let Some(running) = started("lost.c", &[], &["churn", "8"]) else { return };
    let (threads, pause) = frozen(target(&running), LONG, |frozen| {
        assert!(frozen.hold.holds());
        assert!(states(running.pid()).iter().all(|state| *state == 't'));
        frozen.threads.clone()
    })
    .unwrap();
    assert_eq!(threads.len(), 9);
    assert!(threads.iter().all(|thread| thread.complete && thread.stack_pointer.is_some()));
    assert!(!pause.cut_short && pause.length < LONG);
    goes_on(running.pid());
}

#[test]
fn threads_born_meanwhile_are_stopped_too() {
    let Some(running) = started("awkward.c", &[], &["births"]) else { return };
    for _ in 0..30 {
        let states = frozen(target(&running), LONG, |_| states(running.pid())).unwrap().0;
        assert!(states.iter().all(|state| "tZX".contains(*state)), "{states:?}");
    }
    goes_on(running.pid());
}

#[test]
fn work_that_takes_too_long_does_not_prolong_the_pause() {
    let Some(running) = started("lost.c", &[], &["plain", "10"]) else { return };
    let limit = Duration::from_millis(100);
    let ((), pause) = frozen(target(&running), limit, |frozen| {
        eventually("the limit", || !frozen.hold.holds());
        goes_on(running.pid());
    })
    .unwrap();
    assert!(pause.cut_short);
}

#[test]
fn work_that_panics_lets_the_target_go() {
    let Some(running) = started("lost.c", &[], &["plain", "10"]) else { return };
    let panicked = std::panic::catch_unwind(|| {
        frozen(target(&running), LONG, |_| panic!("on purpose")).map(|((), _)| ())
    });
    assert!(panicked.is_err());
    goes_on(running.pid());
}

#[test]
fn a_walk_that_would_take_too_long_is_refused_before_it_stops_anybody() {
    let Some(running) = started("lost.c", &[], &["plain", "10"]) else { return };
    let limits = Limits { pause_max: Duration::from_millis(1), ..LIMITS };
    let refused = reach::walk(&running.opened(), limits);
    assert!(matches!(refused, Err(Refusal::PauseTooLong { max_ms: 1, .. })), "{refused:?}");
}

#[test]
fn a_table_that_would_grow_too_large_is_given_up_and_said() {
    let Some(running) = started("lost.c", &[], &["plain", "20000"]) else { return };
    let walked = reach::walk(&running.opened(), Limits { table_bytes_max: 1 << 16, ..LIMITS });
    let walked = walked.unwrap();
    assert!(walked.leaks.is_none() && !walked.complete);
    assert!(
        walked.notes.iter().any(|note| note.contains("do not") || note.contains("more blocks"))
    );
    goes_on(running.pid());
}

#[test]
fn a_target_that_was_stopped_stays_stopped_and_can_be_continued() {
    let Some(running) = started("lost.c", &[], &["plain", "20000"]) else { return };
    let pid = Pid::from_raw(running.pid().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    eventually("it stops", || running.state() == 'T');
    let walked = reach::walk(&running.opened(), LIMITS).unwrap();
    assert!(walked.leaks.unwrap().unreachable_count.abs_diff(20_000) <= 20);
    eventually("it is stopped as before", || running.state() == 'T');
    kill(pid, Signal::SIGCONT).unwrap();
    goes_on(running.pid());
}

#[test]
fn a_target_that_somebody_traces_is_refused_and_named() {
    let Some(running) = started("lost.c", &[], &["plain", "10"]) else { return };
    let pid = Pid::from_raw(running.pid().cast_signed());
    let opened = running.opened();
    // A tracer is a thread: this one is not the one that will try.
    ptrace::seize(pid, ptrace::Options::empty()).unwrap();
    let refused = frozen(opened.target(), LONG, |_| ());
    let own = std::process::id();
    assert!(matches!(refused, Err(Refusal::Traced { .. })), "{refused:?} {own}");
    let refused = reach::walk(&running.opened(), LIMITS);
    assert!(matches!(refused, Err(Refusal::Traced { .. })), "{refused:?}");
    assert!(!"tT".contains(running.state()));
}

#[test]
fn signals_on_their_way_are_neither_lost_nor_doubled() {
    let Some(mut running) = started("awkward.c", &[], &["signals"]) else { return };
    let opened = running.opened();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let output = &mut running.output;
        scope.spawn(move || {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            tell.send(line).unwrap();
        });
        let began = Instant::now();
        let mut pauses = 0;
        let line = loop {
            frozen(opened.target(), LONG, |_| ()).unwrap();
            pauses += 1;
            if let Ok(line) = told.recv_timeout(Duration::from_micros(200)) {
                break line;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{pauses} pauses");
        };
        assert_eq!(line, "counted 20000\n", "{pauses} pauses");
    });
}

#[test]
fn a_target_under_seccomp_is_walked() {
    let Some(running) = started("awkward.c", &[], &["seccomp"]) else { return };
    reach::walk(&running.opened(), LIMITS).unwrap();
    goes_on(running.pid());
}

#[test]
fn a_target_in_a_container_is_walked_from_outside() {
    let Some((_dir, program)) = compiled("lost.c", &[]) else { return };
    let mut unshare = Command::new("unshare");
    // It goes with the one that started it.
    unshare.args(["--user", "--map-root-user", "--pid", "--mount-proc", "--kill-child"]);
    unshare.arg(&program).args(["plain", "20000"]).stdout(Stdio::piped());
    let mut outer = unshare.spawn().unwrap();
    let mut said = String::new();
    let mut output = std::io::BufReader::new(outer.stdout.take().unwrap());
    output.read_line(&mut said).unwrap();
    let outer_pid = outer.id();
    let inside = std::fs::read_to_string(format!("/proc/{outer_pid}/task/{outer_pid}/children"));
    let inside = inside.ok().and_then(|pids| pids.split_whitespace().next()?.parse().ok());
    let walked = inside.map(|pid| Opened::open(pid).and_then(|at| reach::walk(&at, LIMITS)));
    outer.kill().unwrap();
    outer.wait().unwrap();
    let Some(walked) = walked else {
        println!("skipped: no namespaces here: '{said}'");
        return;
    };
    assert_eq!(walked.unwrap().leaks.unwrap().unreachable_count, 20_000);
}

#[test]
fn a_parent_in_vfork_does_not_hold_up_the_pause_and_is_told_of() {
    let Some(running) = started("awkward.c", &[], &["vfork"]) else { return };
    eventually("it waits", || running.state() == 'D');
    let walked = reach::walk(&running.opened(), LIMITS).unwrap();
    assert!(walked.notes.iter().any(|note| note.contains("waited in the kernel")));
    assert!(walked.pause < Duration::from_secs(2), "{:?}", walked.pause);
    let others = || states(running.pid()).iter().all(|state| *state != 't');
    eventually("the other thread goes on", others);
}

#[test]
fn zombies_those_gone_and_oneself_are_refused() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    eventually("it ends", || state(pid) == 'Z');
    let target = Target { pid, start_time: start_time(pid) };
    let refused = frozen(target, LONG, |_| ());
    assert!(matches!(refused, Err(Refusal::Zombie { .. })), "{refused:?}");
    child.wait().unwrap();
    assert!(matches!(frozen(target, LONG, |_| ()), Err(Refusal::Gone { .. })));
    let own = std::process::id();
    let recycled = Target { pid: own, start_time: 1 };
    assert!(matches!(frozen(recycled, LONG, |_| ()), Err(Refusal::Gone { .. })));
    let own = Target { pid: own, start_time: start_time(own) };
    assert!(matches!(frozen(own, LONG, |_| ()), Err(Refusal::Denied { .. })));
}

#[test]
fn a_target_that_ends_meanwhile_is_refused_or_walked_and_never_waited_for() {
    for _ in 0..20 {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        eventually("it runs", || state(child.id()) == 'S');
        let opened = Opened::open(child.id()).unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let began = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| kill(pid, Signal::SIGKILL).unwrap());
            let _ = reach::walk(&opened, LIMITS);
        });
        assert!(began.elapsed() < LONG);
        child.wait().unwrap();
    }
}

#[test]
fn a_32_bit_target_gets_its_split_and_no_walk() {
    // An ELF file of one segment: `pause()` for ever.
    let code = [0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7];
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2, 0, 3, 0, 1, 0, 0, 0]);
    for word in [0x0804_8054_u32, 52, 0, 0] {
        file.extend(word.to_le_bytes());
    }
    for half in [52_u16, 32, 1, 40, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    for word in [1_u32, 0, 0x0804_8000, 0x0804_8000, 0x5d, 0x5d, 5, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("narrow");
    std::fs::write(&path, file).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    let mut child = match Command::new(&path).spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: no 32-bit programs here: {error}");
            return;
        }
    };
    eventually("it waits", || "SZ".contains(state(child.id())));
    let ran = state(child.id()) == 'S';
    let refused = ran.then(|| {
        let opened = Opened::open(child.id()).unwrap();
        let options = Options { level: 1, ..Options::default() };
        let report = take(&opened, &options, &mut |_| ()).unwrap();
        let split = report.rss.is_some_and(|rss| rss.total_bytes > 0) && report.allocator.is_none();
        let told = report.method.notes.iter().any(|note| note.contains("32-bit"));
        assert!(split && told && !report.method.complete, "{:?}", report.method);
        (reach::walk(&opened, LIMITS).is_err(), frozen(opened.target(), LONG, |_| ()).is_err())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    match refused {
        Some(refused) => assert_eq!(refused, (true, true)),
        None => println!("skipped: 32-bit programs do not run here"),
    }
}

fn start_time(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    let fields = stat.rsplit(") ").next().expect("a state").split(' ');
    fields.map(str::to_owned).nth(19).and_then(|field| field.parse().ok()).expect("a start time")
}

const HOLD: &str = "PLIMSOLL_TEST_HOLD";

/// Runs [`the_second_process`] for `pid` in a process of its own.
fn second_process(pid: u32, user: Option<u32>) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--exact", "hazards::the_second_process", "--nocapture", "--test-threads", "1"]);
    command.env(HOLD, pid.to_string()).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command.spawn().expect("it runs a second time")
}

/// Not a test of its own: what the tests below start as another process. Holds the process named
/// in its environment for a minute, or says why it cannot.
#[test]
fn the_second_process() {
    let Some(pid) = std::env::var(HOLD).ok().and_then(|pid| pid.parse().ok()) else { return };
    let target = Target { pid, start_time: start_time(pid) };
    let held = frozen(target, Duration::from_secs(60), |frozen| {
        println!("\nheld {}", frozen.threads.len());
        let (_never, wait) = mpsc::channel::<()>();
        let _ = wait.recv_timeout(Duration::from_secs(60));
    });
    if let Err(refusal) = held {
        println!("\nrefused {refusal}");
    }
}

/// What the second process says first.
fn answer(child: &mut Child) -> String {
    let output = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
    let mut lines = output.lines().map_while(Result::ok);
    lines.find(|line| line.starts_with("held") || line.starts_with("refused")).unwrap_or_default()
}

#[test]
fn killing_the_process_that_holds_the_target_lets_it_go() {
    let Some(running) = started("lost.c", &[], &["churn", "8"]) else { return };
    let mut holder = second_process(running.pid(), None);
    let said = answer(&mut holder);
    let all_held = states(running.pid()).iter().all(|state| *state == 't');
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(said, "held 9");
    assert!(all_held);
    goes_on(running.pid());
}

#[test]
fn another_users_process_is_refused_without_the_right_to_trace_it() {
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let Some(running) = started("lost.c", &[], &["plain", "10"]) else { return };
    let mut other = second_process(running.pid(), Some(NOBODY));
    let said = answer(&mut other);
    let _ = other.kill();
    other.wait().unwrap();
    assert!(said.starts_with("refused") && said.contains("may not be read"), "{said}");
    goes_on(running.pid());
}
