//! Passing by those who stayed as they were: one look at all processes in place of a reading of
//! each.
//!
//! The look is BPF's task iterator. It is made only in a round in which so many are due that it
//! costs less than their readings would, by what the looks before it cost; in the ordinary cadence,
//! where quiet processes are spread over a minute, that is never. What it shows is compared with
//! what it showed at the last full reading, never taken for a figure, and every process is read in
//! full once in [`CONFIRMED_WITHIN`], for the counters lack what each CPU has not yet added up.

use super::thread::thread_cpu;
use crate::clock::Stamp;
use crate::sources::bpf::{Screen, TaskRecord};
use std::time::Duration;

/// A process that seems unchanged is read in full after this long all the same.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(30);
/// Fewer are read one by one, whatever it costs.
const DUE_MIN: usize = 64;
/// What one reading costs through a kept descriptor, and without one.
const KEPT: Duration = Duration::from_nanos(750);
const OPENED: Duration = Duration::from_nanos(2_900);
/// After a look that cost more than it saved, none is made for so long.
const DISCOURAGED_FOR: Duration = Duration::from_secs(300);

/// What was seen of one process at its last full reading.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    record: TaskRecord,
    at: Stamp,
}

#[derive(Debug, Default)]
pub struct Screening {
    stage: Stage,
    /// By the index of the process.
    seen: Vec<Seen>,
    /// A look was made in this round.
    is_fresh: bool,
    /// What the last look cost.
    cost: Duration,
    not_before: Option<Stamp>,
    /// Readings that a look made needless, and looks.
    pub passed_by: u64,
    pub looks: u64,
}

#[derive(Debug, Default)]
enum Stage {
    /// Nothing is loaded before it is worth it.
    #[default]
    Closed,
    Open(Box<Screen>),
    /// Switched off, or refused: it is not asked for again.
    Shut,
}

impl Screening {
    #[must_use]
    pub fn new(is_wanted: bool) -> Self {
        let stage = if is_wanted { Stage::Closed } else { Stage::Shut };
        Self { stage, ..Self::default() }
    }

    /// Begins a round in which `due` processes are to be read, the share `kept` of them through a
    /// kept descriptor. Makes a look if that is cheaper; says why if it cannot be had, once.
    pub fn begin(&mut self, due: usize, kept: f64, room: usize, now: Stamp) -> Option<String> {
        self.is_fresh = false;
        if due < DUE_MIN || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let each = KEPT.mul_f64(kept) + OPENED.mul_f64(1.0 - kept);
        let saved = each.saturating_mul(u32::try_from(due).unwrap_or(u32::MAX));
        if self.cost >= saved {
            self.not_before = Some(now.plus(DISCOURAGED_FOR));
            self.cost = Duration::ZERO;
            return None;
        }
        if matches!(self.stage, Stage::Closed) {
            match Screen::open() {
                Ok(screen) => self.stage = Stage::Open(Box::new(screen)),
                Err(why) => {
                    self.stage = Stage::Shut;
                    return Some(why);
                }
            }
        }
        let Stage::Open(screen) = &mut self.stage else { return None };
        let before = thread_cpu();
        self.is_fresh = screen.look(room).is_ok();
        self.cost = thread_cpu().saturating_sub(before);
        self.looks += 1;
        None
    }

    /// Whether the process at `index` is as it was at its last full reading, which is not long ago.
    pub fn is_unchanged(&mut self, index: u32, now: Stamp) -> bool {
        let Stage::Open(screen) = &self.stage else { return false };
        let Some(seen) = self.seen.get(index as usize).filter(|_| self.is_fresh) else {
            return false;
        };
        let is_young = now.since(seen.at) < CONFIRMED_WITHIN;
        let same = is_young && screen.find(seen.record.pid) == Some(&seen.record);
        self.passed_by += u64::from(same);
        same
    }

    /// The process `pid` at `index` was read in full just now, and nothing was left to do. What the
    /// look saw of it is older than that reading, so a change between the two is seen at the next.
    pub fn remember(&mut self, index: u32, pid: u32, now: Stamp) {
        let Stage::Open(screen) = &self.stage else { return };
        let Some(record) = screen.find(pid).filter(|_| self.is_fresh) else { return };
        let index = index as usize;
        if self.seen.len() <= index {
            self.seen.resize(index + 1, Seen::default());
        }
        // Those that are first read together are not all to be confirmed in the same round.
        let is_new = self.seen[index].record.pid != pid;
        let spread = if is_new { index as u64 % CONFIRMED_WITHIN.as_secs() } else { 0 };
        let at = now.minus(Duration::from_secs(spread));
        self.seen[index] = Seen { record: *record, at };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::process::statm;

    #[test]
    fn a_look_is_made_only_where_readings_would_cost_more() {
        let mut screening = Screening::new(true);
        assert_eq!(screening.begin(DUE_MIN - 1, 1.0, 100, Stamp(0)), None);
        assert!(matches!(screening.stage, Stage::Closed), "nothing is loaded without need");
        screening.cost = Duration::from_millis(3);
        assert_eq!(screening.begin(1_000, 1.0, 100, Stamp(0)), None);
        assert_eq!(screening.begin(100_000, 1.0, 100, Stamp(1_000)), None, "discouraged");
        assert_eq!(screening.looks, 0);
        assert!(matches!(screening.stage, Stage::Closed));
    }

    #[test]
    fn what_is_switched_off_is_never_loaded() {
        let mut screening = Screening::new(false);
        assert_eq!(screening.begin(100_000, 0.0, 100, Stamp(0)), None);
        assert!(matches!(screening.stage, Stage::Shut) && !screening.is_unchanged(0, Stamp(0)));
    }

    #[test]
    fn a_process_that_keeps_still_is_passed_by_until_it_is_time_to_confirm() {
        let mut screening = Screening::new(true);
        if let Some(why) = screening.begin(100_000, 0.0, 100_000, Stamp(0)) {
            eprintln!("skipped: {why}");
            return;
        }
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = sleeper.id();
        let resident = |pid: u32| {
            let text = std::fs::read(format!("/proc/{pid}/statm")).unwrap();
            statm::parse(&text).unwrap().resident
        };
        // Until it has become what it is.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let mut now = Stamp(1_000);
        let passed = loop {
            screening.cost = Duration::ZERO;
            assert_eq!(screening.begin(100_000, 0.0, 100_000, now), None);
            if screening.is_unchanged(0, now) {
                break true;
            }
            let before = resident(pid);
            screening.remember(0, pid, now);
            assert!(std::time::Instant::now() < deadline, "it changes still: {before:?}");
            now = now.plus(Duration::from_millis(100));
            std::thread::park_timeout(Duration::from_millis(20));
        };
        assert!(passed && screening.passed_by == 1);
        assert!(!screening.is_unchanged(1, now), "never seen");
        assert!(!screening.is_unchanged(0, now.plus(CONFIRMED_WITHIN)), "to be confirmed");
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        screening.cost = Duration::ZERO;
        assert_eq!(screening.begin(100_000, 0.0, 100_000, now), None);
        assert!(!screening.is_unchanged(0, now), "it is gone");
    }
}
