//! The thread that reads, decides and acts, and the handle through which others speak to it.

use super::ladder::Ladder;
use super::policy::{FLOOR_BYTES_MIN, Plan, Policy};
use super::sense::{Sense, Sensed};
use super::signal::{Level, Signal};
use super::{Budget, Bytes};
use crate::clock::Clock;
use crate::store::{Admission, Store};
use parking_lot::{Condvar, Mutex};
use plimsoll_pressure::own::Own;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two readings while all is calm, and while it is not.
const CALM: Duration = Duration::from_millis(100);
const TENSE: Duration = Duration::from_millis(20);

/// Segments given back between two readings: about 10 ms.
const SEGMENTS_PER_STEP: usize = 64;

/// Pieces of housekeeping between two readings.
const PIECES_PER_STEP: usize = 16;

/// Why a wished limit was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitRefused {
    #[error("below {FLOOR_BYTES_MIN} bytes nothing can be held")]
    TooSmall,
    #[error("more than the {most_bytes} bytes that were reserved at the start")]
    TooLarge { most_bytes: Bytes },
}

/// What the control knows and has done. Counters never fall.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    pub level: Level,
    /// The operator's wish.
    pub asked_bytes: Bytes,
    /// What the store may hold now.
    pub limit_bytes: Bytes,
    pub floor_bytes: Bytes,
    /// Counted against the limit: segments, index, ghosts, buffers.
    pub used_bytes: Bytes,
    /// The nearest bound above the process, and what is left below it. None: no bound is known.
    pub bound_bytes: Option<Bytes>,
    pub headroom_bytes: Option<Bytes>,
    /// Returned to the kernel at this control's word.
    pub given_back_total: Bytes,
    /// Returned since the level last was `none`.
    pub given_back_now: Bytes,
    pub level_changes_total: u64,
    pub readings_total: u64,
    /// The node agent is heard now; without it the own readings alone count.
    pub agent_speaks: bool,
}

#[derive(Debug, Default)]
struct Shared {
    wish: Option<Bytes>,
    signal: Option<Signal>,
    figures: Figures,
    stops: bool,
}

#[derive(Debug, Default)]
struct Desk {
    shared: Mutex<Shared>,
    called: Condvar,
}

/// The handle. Dropped, its thread ends.
#[derive(Debug)]
pub struct Control {
    desk: Arc<Desk>,
    reserve_bytes: Bytes,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread. `budget` is what the store was made with.
///
/// # Errors
/// The thread cannot be started.
pub fn start(
    store: Arc<Store>,
    clock: Arc<Clock>,
    own: Own,
    budget: &Budget,
) -> std::io::Result<Control> {
    let desk = Arc::new(Desk::default());
    let mut worker = Worker {
        store,
        clock,
        own,
        started: Instant::now(),
        sense: Sense::default(),
        ladder: Ladder::default(),
        policy: Policy::new(budget.limit_bytes),
        told: None,
        given_total: 0,
    };
    desk.shared.lock().figures.asked_bytes = budget.limit_bytes;
    desk.shared.lock().figures.limit_bytes = budget.limit_bytes;
    let kept = Arc::clone(&desk);
    let thread = std::thread::Builder::new().name("control".into());
    let thread = thread.spawn(move || worker.run(&kept))?;
    Ok(Control { desk, reserve_bytes: budget.reserve_bytes, thread: Some(thread) })
}

impl Control {
    /// `cache_memlimit`: takes the wish and returns; growing and shrinking follow at once.
    ///
    /// # Errors
    /// A limit that cannot be kept.
    pub fn ask_limit(&self, bytes: Bytes) -> Result<(), LimitRefused> {
        if bytes < FLOOR_BYTES_MIN {
            return Err(LimitRefused::TooSmall);
        }
        if bytes > self.reserve_bytes {
            return Err(LimitRefused::TooLarge { most_bytes: self.reserve_bytes });
        }
        let mut shared = self.desk.shared.lock();
        shared.wish = Some(bytes);
        shared.figures.asked_bytes = bytes;
        self.desk.called.notify_one();
        Ok(())
    }

    /// Another source of pressure speaks. To be called when its word changes: what it wants
    /// replaces what it wanted before.
    pub fn signal(&self, signal: Signal) {
        self.desk.shared.lock().signal = Some(signal);
        self.desk.called.notify_one();
    }

    /// Whether the node agent is heard, for people.
    pub fn agent_speaks(&self, speaks: bool) {
        self.desk.shared.lock().figures.agent_speaks = speaks;
    }

    #[must_use]
    pub fn figures(&self) -> Figures {
        self.desk.shared.lock().figures
    }

    #[must_use]
    pub fn level(&self) -> Level {
        self.figures().level
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.desk.shared.lock().stops = true;
        self.desk.called.notify_one();
        if let Some(thread) = self.thread.take() {
            // It ends by itself; that it panicked was told when it did.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Worker {
    store: Arc<Store>,
    clock: Arc<Clock>,
    own: Own,
    started: Instant,
    sense: Sense,
    ladder: Ladder,
    policy: Policy,
    /// What the store was told last.
    told: Option<(Bytes, Admission)>,
    given_total: Bytes,
}

/// What one round of giving back came to.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    bytes: Bytes,
    /// There is more to give at once.
    more: bool,
}

impl Worker {
    fn run(&mut self, desk: &Desk) {
        loop {
            let (wish, signal) = {
                let mut shared = desk.shared.lock();
                if shared.stops {
                    return;
                }
                (shared.wish.take(), shared.signal.take())
            };
            let wait = self.round(desk, wish, signal);
            if !wait.is_zero() {
                let mut shared = desk.shared.lock();
                if !shared.stops && shared.wish.is_none() && shared.signal.is_none() {
                    desk.called.wait_for(&mut shared, wait);
                }
            }
        }
    }

    /// One reading and what follows from it. Returns how long to wait before the next.
    fn round(&mut self, desk: &Desk, wish: Option<Bytes>, signal: Option<Signal>) -> Duration {
        let now = self.started.elapsed();
        if let Some(bytes) = wish {
            tracing::info!(bytes, "limit asked for");
            self.policy.ask(bytes);
        }
        if let Some(signal) = signal {
            self.policy.hear(now, signal.at(self.given_total));
        }
        let reading = self.own.read();
        let used = self.store.used_bytes();
        let sensed = self.sense.take(now, &reading, used);
        let word = self.policy.word(now);
        let before = self.ladder.level();
        let level = self.ladder.step(now, sensed.enter.max(word), sensed.stay.max(word));
        let plan = self.policy.plan(now, level, &sensed, used);
        self.tell(&plan);
        let given = self.give_back(plan.target_bytes);
        self.policy.acknowledge(given.bytes);
        self.given_total += given.bytes;
        // To merge segments takes one first. Where there is none left, whoever touches new memory
        // calls the kernel's killer, and calls it again while its victim is still going away.
        let has_more_to_tidy = !given.more && level < Level::Critical && self.tidy();

        let mut shared = desk.shared.lock();
        let figures = &mut shared.figures;
        let tightest = reading.tightest();
        figures.level = level;
        figures.limit_bytes = plan.limit_bytes;
        figures.floor_bytes = self.policy.floor_bytes();
        figures.used_bytes = self.store.used_bytes();
        figures.bound_bytes = tightest.map(|room| room.limit_bytes.0);
        figures.headroom_bytes = tightest.map(|room| room.headroom().0);
        figures.given_back_total = self.given_total;
        let went_up_from_calm = before == Level::None && level != Level::None;
        figures.given_back_now = if went_up_from_calm { 0 } else { figures.given_back_now };
        figures.given_back_now += given.bytes;
        figures.level_changes_total += u64::from(level != before);
        figures.readings_total += 1;
        let figures = *figures;
        drop(shared);
        if level != before {
            announce(before, &figures, &sensed);
        }
        if given.more {
            Duration::ZERO
        } else if level > Level::None || is_near(&sensed) || has_more_to_tidy {
            TENSE
        } else {
            CALM
        }
    }

    fn tell(&mut self, plan: &Plan) {
        let word = (plan.limit_bytes, plan.admission);
        if self.told.replace(word) != Some(word) {
            self.store.set_limit(plan.limit_bytes);
            self.store.admit(plan.admission);
        }
    }

    /// Whole segments, until no more than the target is held.
    fn give_back(&self, target: Bytes) -> Given {
        let mut given = Given::default();
        for _ in 0..SEGMENTS_PER_STEP {
            if self.store.used_bytes() <= target {
                return given;
            }
            match self.store.give_back() {
                Some(bytes) => given.bytes += bytes,
                None => return given,
            }
        }
        given.more = self.store.used_bytes() > target;
        given
    }

    /// What has expired goes, what is sparse is merged. Returns whether there is more to do.
    fn tidy(&self) -> bool {
        let now = self.clock.now();
        (0..PIECES_PER_STEP).all(|_| self.store.maintain(now))
    }
}

/// Whether so little is left that the next reading should come soon.
fn is_near(sensed: &Sensed) -> bool {
    sensed.stay > Level::None
        || sensed.spare_bytes.is_some_and(|spare| (spare as f64) < sensed.taken_per_s)
}

fn announce(before: Level, figures: &Figures, sensed: &Sensed) {
    let (from, to) = (before.name(), figures.level.name());
    let headroom_bytes = figures.headroom_bytes.unwrap_or(0);
    let (limit_bytes, used_bytes) = (figures.limit_bytes, figures.used_bytes);
    let given_back_bytes = figures.given_back_now;
    let taken_per_s = sensed.taken_per_s as Bytes;
    if figures.level > before {
        tracing::warn!(
            from,
            to,
            headroom_bytes,
            taken_per_s,
            limit_bytes,
            used_bytes,
            "memory is short"
        );
    } else {
        tracing::info!(
            from,
            to,
            headroom_bytes,
            given_back_bytes,
            limit_bytes,
            used_bytes,
            "memory is less short"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::MIB;
    use crate::store::Params;

    fn control(limit_mib: Bytes, reserve_mib: Bytes) -> (Control, Arc<Store>) {
        let (limit_bytes, reserve_bytes) = (limit_mib * MIB, reserve_mib * MIB);
        let params =
            Params { limit_bytes, reserve_bytes, item_bytes_max: MIB, partitions: 2, evicts: true };
        let store = Arc::new(Store::new(params).unwrap());
        let budget = Budget { limit_bytes, reserve_bytes, cgroup_bytes: None, clamped_from: None };
        let clock = Arc::new(Clock::start());
        let control = start(Arc::clone(&store), clock, Own::find(), &budget).unwrap();
        (control, store)
    }

    #[test]
    fn a_wish_is_answered_at_once_and_reaches_the_store() {
        let (control, store) = control(64, 256);
        assert_eq!(control.ask_limit(100 * MIB), Ok(()));
        assert_eq!(control.figures().asked_bytes, 100 * MIB);
        let deadline = Instant::now() + Duration::from_secs(10);
        while store.totals().limit_bytes != 100 * MIB {
            assert!(Instant::now() < deadline, "{:?}", control.figures());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let (control, _store) = control(64, 256);
        assert_eq!(control.ask_limit(MIB), Err(LimitRefused::TooSmall));
        let most_bytes = 256 * MIB;
        let refused = Err(LimitRefused::TooLarge { most_bytes });
        assert_eq!(control.ask_limit(257 * MIB), refused);
        assert_eq!(control.figures().asked_bytes, 64 * MIB);
    }

    #[test]
    fn an_outside_word_is_heard() {
        let (control, _store) = control(64, 256);
        let deadline = Duration::from_secs(9);
        control.signal(Signal { level: Level::Critical, deadline, ..Signal::default() });
        let deadline = Instant::now() + Duration::from_secs(10);
        while control.level() != Level::Critical {
            assert!(Instant::now() < deadline, "{:?}", control.figures());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}
