//! A timing wheel: which targets are due, in constant time for each.
//!
//! One turn is longer than the longest interval, so that an entry is never met a turn too early.
//! Moving a target forward leaves its old entry behind; [`Wheel::take_due`]'s caller knows the
//! entry to be stale because the target's own due tick no longer matches.

use crate::clock::Stamp;
use std::time::Duration;

/// Length of a tick. Units: milliseconds. Also the shortest interval there is.
pub const TICK_MS: u32 = 100;
/// Ticks in a turn: 204.8 s.
const SLOTS: u32 = 2048;
/// Emptied buffers that are kept.
const SPARE_MAX: usize = 8;
/// The longest delay that fits a turn.
pub const DELAY_MAX: Duration = Duration::from_millis(((SLOTS - 2) * TICK_MS) as u64);

/// A point on the wheel's own timeline: ticks since the wheel began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub u32);

impl Tick {
    /// The tick that `at` falls in, on a wheel that began at `epoch`.
    #[must_use]
    pub fn at(epoch: Stamp, at: Stamp) -> Self {
        let ticks = at.0.saturating_sub(epoch.0).max(0) / i64::from(TICK_MS);
        Self(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// The tick at which is due what waits for `delay` from this one on.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay.min(DELAY_MAX).as_millis() as u32 / TICK_MS))
    }
}

/// What is scheduled: an index into one of the sampler's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Process(u32),
    Cgroup(u32),
    Workload(u32),
}

#[derive(Debug)]
pub struct Wheel {
    epoch: Stamp,
    /// Everything before this tick was taken.
    next: Tick,
    slots: Vec<Vec<(Tick, Due)>>,
    /// Buffers of slots that were emptied, for the next ones to fill: left in place, each of the
    /// slots would in time hold room for the largest crowd that ever met in it.
    spare: Vec<Vec<(Tick, Due)>>,
}

impl Wheel {
    #[must_use]
    pub fn new(epoch: Stamp) -> Self {
        Self { epoch, next: Tick(0), slots: vec![Vec::new(); SLOTS as usize], spare: Vec::new() }
    }

    #[must_use]
    pub fn tick_at(&self, at: Stamp) -> Tick {
        Tick::at(self.epoch, at)
    }

    /// From the tick of `now` to the next one that is a whole number of intervals and `phase` after
    /// the wheel began. Counted in ticks: a reading that comes a moment after its tick would else
    /// be due a tick before the next one, and again with it.
    #[must_use]
    pub fn until_next(&self, now: Stamp, interval: Duration, phase: Duration) -> Duration {
        let tick_ms = u128::from(TICK_MS);
        let interval_ticks = (interval.as_millis() / tick_ms).max(1);
        let phase_ticks = phase.as_millis() / tick_ms % interval_ticks;
        let tick = u128::from(self.tick_at(now).0);
        let past_ticks = (tick + interval_ticks - phase_ticks) % interval_ticks;
        let ahead = (interval_ticks - past_ticks) * tick_ms;
        Duration::from_millis(u64::try_from(ahead).unwrap_or(u64::MAX))
    }

    /// Schedules `what` for `delay` after `now` and returns the tick at which it will be due.
    pub fn add(&mut self, what: Due, now: Stamp, delay: Duration) -> Tick {
        let tick = self.tick_at(now).after(delay).max(self.next);
        let slot = &mut self.slots[(tick.0 % SLOTS) as usize];
        if slot.capacity() == 0 {
            *slot = self.spare.pop().unwrap_or_default();
        }
        slot.push((tick, what));
        tick
    }

    /// Appends to `out` all that is due at `now`, oldest first.
    pub fn take_due(&mut self, now: Stamp, out: &mut Vec<(Tick, Due)>) {
        let until = self.tick_at(now);
        // After a suspend of the machine one turn holds all there is.
        let from = self.next.0.max(until.0.saturating_sub(SLOTS - 1));
        for tick in from..=until.0 {
            let mut slot = std::mem::take(&mut self.slots[(tick % SLOTS) as usize]);
            out.append(&mut slot);
            if slot.capacity() > 0 && self.spare.len() < SPARE_MAX {
                self.spare.push(slot);
            }
        }
        self.next = Tick(until.0.max(self.next.0.saturating_sub(1)) + 1);
    }

    /// How long until the next entry, at most `most`.
    #[must_use]
    pub fn idle_for(&self, now: Stamp, most: Duration) -> Duration {
        let most_ticks = most.as_millis() as u32 / TICK_MS;
        let ahead = (0..most_ticks)
            .find(|i| !self.slots[((self.next.0 + i) % SLOTS) as usize].is_empty())
            .unwrap_or(most_ticks);
        let at = i64::from(self.next.0 + ahead) * i64::from(TICK_MS);
        Stamp(self.epoch.0 + at).since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_at(wheel: &mut Wheel, ms: i64) -> Vec<Due> {
        let mut out = Vec::new();
        wheel.take_due(Stamp(ms), &mut out);
        out.into_iter().map(|(_, due)| due).collect()
    }

    #[test]
    fn each_entry_comes_due_once_and_not_before_its_time() {
        let mut wheel = Wheel::new(Stamp(1_000));
        wheel.add(Due::Process(1), Stamp(1_000), Duration::from_millis(300));
        wheel.add(Due::Cgroup(2), Stamp(1_000), Duration::from_secs(60));
        assert_eq!(due_at(&mut wheel, 1_299), []);
        assert_eq!(due_at(&mut wheel, 1_300), [Due::Process(1)]);
        assert_eq!(due_at(&mut wheel, 60_999), []);
        assert_eq!(due_at(&mut wheel, 61_000), [Due::Cgroup(2)]);
        assert_eq!(due_at(&mut wheel, 400_000), []);
    }

    #[test]
    fn a_crowd_that_comes_every_second_does_not_leave_its_room_in_every_slot() {
        let mut wheel = Wheel::new(Stamp(0));
        for second in 0..1_000 {
            for i in 0..100 {
                wheel.add(Due::Process(i), Stamp(second * 1000), Duration::from_secs(1));
            }
            assert_eq!(due_at(&mut wheel, second * 1000 + 1000).len(), 100);
        }
        let room: usize = wheel.slots.iter().chain(&wheel.spare).map(Vec::capacity).sum();
        assert!(room <= 128 * (1 + SPARE_MAX), "{room} entries");
    }

    #[test]
    fn nothing_is_lost_when_the_machine_slept_for_many_turns() {
        let mut wheel = Wheel::new(Stamp(0));
        for i in 0..1_000 {
            wheel.add(Due::Process(i), Stamp(0), Duration::from_millis(u64::from(i) * 150));
        }
        assert_eq!(due_at(&mut wheel, 10_000_000).len(), 1_000);
    }

    #[test]
    fn an_entry_added_for_a_tick_already_taken_is_due_at_the_next() {
        let mut wheel = Wheel::new(Stamp(0));
        assert_eq!(due_at(&mut wheel, 500), []);
        wheel.add(Due::Workload(7), Stamp(450), Duration::ZERO);
        assert_eq!(due_at(&mut wheel, 600), [Due::Workload(7)]);
    }

    #[test]
    fn multiples_of_an_interval_are_the_same_ticks_for_all() {
        let mut wheel = Wheel::new(Stamp(1_050));
        let mut due = |at: i64, phase_ms| {
            let (at, phase) = (Stamp(at), Duration::from_millis(phase_ms));
            let delay = wheel.until_next(at, Duration::from_secs(1), phase);
            wheel.add(Due::Process(1), at, delay)
        };
        for at in [1_050, 1_051, 1_149, 1_500, 2_049] {
            assert_eq!(due(at, 0), Tick(10), "from {at}");
        }
        for (at, tick) in [(1_050, 3), (1_349, 3), (1_350, 13), (2_049, 13)] {
            assert_eq!(due(at, 10_300), Tick(tick), "from {at}");
        }
    }

    #[test]
    fn the_wheel_says_how_long_it_may_sleep() {
        let mut wheel = Wheel::new(Stamp(0));
        wheel.add(Due::Process(1), Stamp(0), Duration::from_millis(300));
        assert_eq!(wheel.idle_for(Stamp(0), Duration::from_secs(1)), Duration::from_millis(300));
        assert_eq!(
            wheel.idle_for(Stamp(0), Duration::from_millis(200)),
            Duration::from_millis(200)
        );
    }
}
