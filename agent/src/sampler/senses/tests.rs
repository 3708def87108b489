//! The senses on a real kernel, where there is one to be had.

use super::*;
use crate::units::Bytes;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// A real memory cgroup of v1 with a limit, or the reason why there is none.
struct Cage(PathBuf);

impl Cage {
    fn make(limit: Bytes) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup/memory");
        let dir = root.join(format!("plimsoll-senses-{}", std::process::id()));
        let made = std::fs::create_dir(&dir)
            .and_then(|()| std::fs::write(dir.join("memory.limit_in_bytes"), limit.0.to_string()));
        if let Err(why) = made {
            assert!(std::env::var_os("CI").is_none(), "CI needs a v1 memory hierarchy: {why}");
            eprintln!("skipped: {}: {why}", dir.display());
            return None;
        }
        Some(Self(dir))
    }

    fn path(&self) -> Arc<str> {
        format!("/{}", self.0.file_name().unwrap().to_str().unwrap()).into()
    }

    fn usage(&self) -> u64 {
        let text = std::fs::read_to_string(self.0.join("memory.usage_in_bytes")).unwrap();
        text.trim().parse().unwrap()
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        while std::fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            std::thread::yield_now();
        }
    }
}

struct Burst(Child);

impl Burst {
    /// Takes about so much at once.
    fn of(mib: u64, cage: &Cage) -> Self {
        let script = "echo 0 >\"$1/cgroup.procs\" || exit 9\n\
                      held=$(head -c \"$2\" /dev/zero | tr '\\0' x); read wait";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(&cage.0).arg(Bytes::mib(mib).0.to_string());
        Self(command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn senses() -> (Senses, Receiver<Message>) {
    let (to, messages) = sync_channel(MESSAGES_MAX);
    let roots = Roots::default();
    let layout = Layout::detect(&roots).ok().map(Arc::new);
    (Senses::start(roots, layout, Clock::start(), to).unwrap(), messages)
}

/// The next message that is wanted, within so long.
fn next<T>(
    messages: &Receiver<Message>,
    within: Duration,
    wanted: impl Fn(Message) -> Option<T>,
) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(found) = wanted(messages.recv_timeout(left).ok()?) {
            return Some(found);
        }
    }
}

fn report(message: Message) -> Option<Report> {
    if let Message::Report(report) = message { Some(report) } else { None }
}

#[test]
fn a_burst_into_a_real_cgroup_is_sensed_within_100_ms_of_its_crossing() {
    let limit = Bytes::mib(200);
    let Some(cage) = Cage::make(limit) else { return };
    let (mut senses, messages) = senses();
    senses.plan(vec![Wanted { path: cage.path(), limit, trigger: true }]);
    let listening = next(&messages, Duration::from_secs(5), |message| {
        report(message).filter(|report| report.cgroups == 1)
    });
    assert!(listening.is_some_and(|report| report.descriptors >= 3));
    let burst = Burst::of(60, &cage);
    let deadline = Instant::now() + Duration::from_secs(10);
    while cage.usage() < limit.0 / 2 {
        assert!(Instant::now() < deadline, "the burst does not come: {}", cage.usage());
        std::thread::yield_now();
    }
    let sensed = next(&messages, Duration::from_millis(100), |message| match message {
        Message::Sensed(Sensed::Cgroup { path, .. }) if path == cage.path() => Some(()),
        _ => None,
    });
    assert!(sensed.is_some(), "no word within 100 ms of half of the limit");
    drop(burst);
}

#[test]
fn a_cgroup_that_ends_is_let_go_and_the_rest_is_listened_to_on() {
    let limit = Bytes::mib(200);
    let Some(cage) = Cage::make(limit) else { return };
    let (mut senses, messages) = senses();
    senses.plan(vec![Wanted { path: cage.path(), limit, trigger: true }]);
    let soon = Duration::from_secs(5);
    let count = |wanted: usize| {
        next(&messages, soon, |m| report(m).filter(|report| report.cgroups == wanted))
    };
    assert!(count(1).is_some());
    drop(cage);
    assert!(count(0).is_some());
}

#[test]
fn a_kernel_without_pressure_is_reported_in_one_line_and_done_without() {
    let (to, messages) = sync_channel(MESSAGES_MAX);
    let nowhere = tempfile::tempdir().unwrap();
    let roots = Roots { proc: nowhere.path().into(), sys: nowhere.path().into() };
    let senses = Senses::start(roots, None, Clock::start(), to).unwrap();
    let report = next(&messages, Duration::from_secs(5), report).unwrap();
    assert_eq!(report.node, None);
    assert!(report.refused.is_some_and(|why| why.contains("pressure/memory")));
    drop(senses);
    assert!(messages.recv().is_err(), "the thread has ended");
}
