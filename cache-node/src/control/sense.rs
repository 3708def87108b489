//! From readings of the kernel's files to a level and bytes wanted. Pure: it is handed readings.
//!
//! The level follows from what is left below the nearest limit, less what others will have taken
//! before much can be done about it. Waiting for memory (pressure stall information) raises it by
//! one step, but alone it never asks for bytes back: a neighbour that thrashes at a limit of his
//! own stalls too, and giving him ours would not help him.

use super::signal::Level;
use super::{Bytes, MIB};
use plimsoll_pressure::own::text::Psi;
use plimsoll_pressure::own::{Reading, Room};
use std::time::Duration;

/// What others take within this time counts as taken.
const LOOKAHEAD_S: f64 = 0.25;

/// Weight of the newest second in the rate at which room vanishes.
const SMOOTHING_S: f64 = 0.5;

/// Shares of time in which some task waits for memory: with too little room, and with enough.
const STALL_SHORT: f64 = 0.10;
const STALL_ALONE: f64 = 0.40;

/// Stalls are judged over at least this long.
const STALL_WINDOW: Duration = Duration::from_secs(1);

/// Room that is wanted below each level's mark. Units: bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    pub low: Bytes,
    pub medium: Bytes,
    pub critical: Bytes,
}

impl Marks {
    /// Shares of the limit; a bound on both sides, because a program's needs do not grow with the
    /// machine for ever, and the kernel's batches do not shrink with it.
    #[must_use]
    pub fn of(limit_bytes: Bytes) -> Self {
        Self {
            low: (limit_bytes / 10).clamp(6 * MIB, 1024 * MIB),
            medium: (limit_bytes / 16).clamp(4 * MIB, 512 * MIB),
            critical: (limit_bytes / 32).clamp(2 * MIB, 256 * MIB),
        }
    }

    /// What a level is left above: a quarter more than what it is entered below.
    #[must_use]
    pub const fn widened(self) -> Self {
        Self { low: self.low / 4 * 5, medium: self.medium / 4 * 5, critical: self.critical / 4 * 5 }
    }

    const fn level(self, headroom: Bytes) -> Level {
        if headroom < self.critical {
            Level::Critical
        } else if headroom < self.medium {
            Level::Medium
        } else if headroom < self.low {
            Level::Low
        } else {
            Level::None
        }
    }
}

/// What a reading amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sensed {
    /// The level that is entered at once.
    pub enter: Level,
    /// The level that is not left yet.
    pub stay: Level,
    /// Missing for calm. Units: bytes.
    pub reclaim_bytes: Bytes,
    /// Room beyond what is kept free for calm. None: nothing is known of any bound.
    pub spare_bytes: Option<Bytes>,
    /// Room above the mark of `critical`.
    pub last_bytes: Option<Bytes>,
    /// How fast others take room. Units: bytes per second.
    pub taken_per_s: f64,
}

/// What was seen before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sense {
    before: Option<(Duration, Bytes, Bytes)>,
    taken_per_s: f64,
    stall_since: Option<(Duration, Option<Duration>, Option<Duration>)>,
    stall_cgroup: f64,
    stall_node: f64,
}

impl Sense {
    /// Takes in a reading, and what the store itself held then.
    pub fn take(&mut self, now: Duration, reading: &Reading, used_bytes: Bytes) -> Sensed {
        self.watch_stalls(now, reading);
        let Some(tightest) = reading.tightest() else { return Sensed::default() };
        self.watch_others(now, tightest.headroom().0, used_bytes);
        let soon = (self.taken_per_s * LOOKAHEAD_S) as Bytes;
        let rooms =
            [(reading.cgroup, self.stall_cgroup, true), (reading.node, self.stall_node, false)];
        let mut sensed = Sensed { taken_per_s: self.taken_per_s, ..Sensed::default() };
        for (room, stall, is_ours) in rooms {
            let Some(room) = room else { continue };
            let one = judge(room, soon, stall, is_ours);
            sensed.enter = sensed.enter.max(one.enter);
            sensed.stay = sensed.stay.max(one.stay);
            sensed.reclaim_bytes = sensed.reclaim_bytes.max(one.reclaim_bytes);
            sensed.spare_bytes = least(sensed.spare_bytes, one.spare_bytes);
            sensed.last_bytes = least(sensed.last_bytes, one.last_bytes);
        }
        sensed
    }

    fn watch_others(&mut self, now: Duration, headroom: Bytes, used: Bytes) {
        let Some((at, headroom_before, used_before)) = self.before.replace((now, headroom, used))
        else {
            return;
        };
        let passed = now.saturating_sub(at).as_secs_f64();
        if passed <= 0.0 {
            return;
        }
        let lost = headroom_before as f64 - headroom as f64;
        let own = used as f64 - used_before as f64;
        let weight = (passed / SMOOTHING_S).min(1.0);
        let rate = ((lost - own) / passed).max(0.0);
        self.taken_per_s += weight * (rate - self.taken_per_s);
    }

    fn watch_stalls(&mut self, now: Duration, reading: &Reading) {
        let total = |psi: Option<Psi>| psi?.some_total;
        let seen = (now, total(reading.cgroup_psi), total(reading.node_psi));
        let Some((at, cgroup, node)) = self.stall_since else {
            self.stall_since = Some(seen);
            return;
        };
        let passed = now.saturating_sub(at);
        if passed >= STALL_WINDOW {
            let share = |before: Option<Duration>, after: Option<Duration>| {
                let stalled = after.zip(before).map(|(after, before)| after.saturating_sub(before));
                stalled.unwrap_or_default().as_secs_f64() / passed.as_secs_f64()
            };
            self.stall_cgroup = share(cgroup, seen.1);
            self.stall_node = share(node, seen.2);
            self.stall_since = Some(seen);
        }
    }
}

fn judge(room: Room, soon: Bytes, stall: f64, is_ours: bool) -> Sensed {
    let marks = Marks::of(room.limit_bytes.0);
    let wide = marks.widened();
    let left = room.headroom().0.saturating_sub(soon);
    let raised = |level: Level| {
        let is_short = level > Level::None && stall > STALL_SHORT;
        let is_stuck = level == Level::None && is_ours && stall > STALL_ALONE;
        if is_short || is_stuck { level.raised() } else { level }
    };
    Sensed {
        enter: raised(marks.level(left)),
        stay: raised(wide.level(left)),
        reclaim_bytes: wide.low.saturating_sub(left),
        spare_bytes: Some(left.saturating_sub(wide.low)),
        last_bytes: Some(left.saturating_sub(marks.critical)),
        taken_per_s: 0.0,
    }
}

fn least(a: Option<Bytes>, b: Option<Bytes>) -> Option<Bytes> {
    [a, b].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cgroup(limit_mib: Bytes, held_mib: Bytes) -> Reading {
        let bytes = plimsoll_pressure::Bytes::mib;
        let room = Room { limit_bytes: bytes(limit_mib), held_bytes: bytes(held_mib) };
        Reading { cgroup: Some(room), ..Reading::default() }
    }

    #[test]
    fn the_level_follows_from_what_is_left() {
        let level = |held| Sense::default().take(Duration::ZERO, &cgroup(320, held), 0).enter;
        assert_eq!(level(200), Level::None);
        assert_eq!(level(289), Level::Low);
        assert_eq!(level(301), Level::Medium);
        assert_eq!(level(311), Level::Critical);
        assert_eq!(level(400), Level::Critical);
    }

    #[test]
    fn a_level_is_left_later_than_it_is_entered() {
        let sensed = Sense::default().take(Duration::ZERO, &cgroup(320, 285), 0);
        assert_eq!((sensed.enter, sensed.stay), (Level::None, Level::Low));
    }

    #[test]
    fn what_others_take_counts_before_it_is_gone_and_own_growth_does_not() {
        let mut sense = Sense::default();
        let second = Duration::from_secs(1);
        sense.take(Duration::ZERO, &cgroup(320, 100), 0);
        let own = sense.take(second, &cgroup(320, 200), 100 * MIB);
        assert!(own.taken_per_s < 1.0 && own.enter == Level::None, "{own:?}");
        let others = sense.take(2 * second, &cgroup(320, 281), 100 * MIB);
        assert!(others.taken_per_s > 70.0 * MIB as f64, "{others:?}");
        assert_eq!(others.enter, Level::Medium, "39 MiB are left, and 20 of them soon taken");
    }

    #[test]
    fn stalls_raise_the_level_by_one_and_the_nodes_only_with_a_want_of_room() {
        let stalled = |reading: Reading, s: u64| {
            let psi = Psi { some_total: Some(Duration::from_secs(s)), ..Psi::default() };
            Reading { cgroup_psi: Some(psi), node_psi: Some(psi), ..reading }
        };
        let after = |reading: Reading| {
            let mut sense = Sense::default();
            sense.take(Duration::ZERO, &stalled(reading, 0), 0);
            sense.take(Duration::from_secs(2), &stalled(reading, 1), 0)
        };
        assert_eq!(after(cgroup(320, 289)).enter, Level::Medium);
        let alone = after(cgroup(320, 100));
        assert_eq!((alone.enter, alone.reclaim_bytes), (Level::Low, 0));
        let node = Reading { node: cgroup(320, 100).cgroup, ..Reading::default() };
        assert_eq!(after(node).enter, Level::None, "somebody else waits, and there is room");
    }

    #[test]
    fn nothing_known_is_no_pressure() {
        let sensed = Sense::default().take(Duration::ZERO, &Reading::default(), 5);
        assert_eq!(sensed, Sensed::default());
    }
}
