//! The policy in a made-up world: one cgroup, a cache that fills, a neighbour that does as he
//! likes.

use super::*;
use crate::control::ladder::Ladder;
use crate::control::sense::{Marks, Sense};
use plimsoll_pressure::own::{Reading, Room};
use proptest::prelude::*;

const TICK: Duration = Duration::from_millis(20);

struct World {
    now: Duration,
    limit: Bytes,
    neighbour: Bytes,
    used: Bytes,
    sense: Sense,
    ladder: Ladder,
    policy: Policy,
    plan: Plan,
    /// Times at which the level rose from calm.
    alarms: usize,
    returned: Bytes,
}

impl World {
    fn new(limit: Bytes, asked: Bytes) -> Self {
        let policy = Policy::new(asked);
        let plan = Plan { limit_bytes: 0, target_bytes: 0, admission: Admission::All };
        let (sense, ladder) = (Sense::default(), Ladder::default());
        let now = Duration::ZERO;
        Self {
            now,
            limit,
            neighbour: 10 * MIB,
            used: 0,
            sense,
            ladder,
            policy,
            plan,
            alarms: 0,
            returned: 0,
        }
    }

    fn held(&self) -> Bytes {
        self.used + self.neighbour
    }

    /// One reading, one decision; then sets come in at `rate` until the next.
    fn tick(&mut self, rate: Bytes) {
        let bytes = plimsoll_pressure::Bytes;
        let room = Room { limit_bytes: bytes(self.limit), held_bytes: bytes(self.held()) };
        let reading = Reading { cgroup: Some(room), ..Reading::default() };
        let sensed = self.sense.take(self.now, &reading, self.used);
        let word = self.policy.word(self.now);
        let before = self.ladder.level();
        let level = self.ladder.step(self.now, sensed.enter.max(word), sensed.stay.max(word));
        self.alarms += usize::from(before == Level::None && level > Level::None);
        self.plan = self.policy.plan(self.now, level, &sensed, self.used);
        // At most so much goes back in one step.
        let back = self.used.saturating_sub(self.plan.target_bytes).min(64 * MIB);
        self.used -= back;
        self.returned += back;
        self.policy.acknowledge(back);
        let comes = if self.plan.admission == Admission::Nobody { 0 } else { rate / 50 };
        let room = self.plan.limit_bytes.saturating_sub(self.used);
        self.used += comes.min(room);
        self.now += TICK;
    }

    fn run(&mut self, seconds: u64, rate: Bytes) {
        for _ in 0..seconds * 50 {
            self.tick(rate);
        }
    }
}

#[test]
fn a_cache_that_fills_stays_out_of_pressure_and_keeps_what_was_asked() {
    let mut world = World::new(256 * MIB, 188 * MIB);
    world.run(60, 4096 * MIB);
    assert_eq!((world.used, world.alarms), (188 * MIB, 0));
}

#[test]
fn no_rate_of_sets_outruns_the_readings() {
    let mut world = World::new(256 * MIB, 250 * MIB);
    for _ in 0..3000 {
        world.tick(1 << 40);
        assert!(world.held() < world.limit, "{} MiB", world.held() / MIB);
    }
}

#[test]
fn a_leaking_neighbour_is_given_way_and_the_floor_holds_until_it_cannot() {
    let mut world = World::new(256 * MIB, 188 * MIB);
    world.run(20, 1024 * MIB);
    let floor = 188 * MIB / FLOOR_SHARE;
    for _ in 0..500 {
        world.neighbour += 20 * MIB / 50;
        world.tick(100 * MIB);
        assert!(world.held() < world.limit, "{} MiB", world.held() / MIB);
        assert!(world.neighbour > 190 * MIB || world.used >= floor, "{}", world.used);
    }
    assert!(world.returned > 150 * MIB, "{}", world.returned);
}

#[test]
fn a_short_burst_costs_no_more_than_it_took() {
    let mut world = World::new(1024 * MIB, 800 * MIB);
    world.run(20, 4096 * MIB);
    world.neighbour += 100 * MIB;
    world.run(3, 0);
    let missing = 800 * MIB + 110 * MIB + Marks::of(1024 * MIB).widened().low - 1024 * MIB;
    assert!(world.returned <= missing + MIB, "{} of {missing}", world.returned);
}

#[test]
fn when_the_neighbour_leaves_it_grows_back_slowly_and_without_a_second_alarm() {
    let mut world = World::new(512 * MIB, 400 * MIB);
    world.run(20, 1024 * MIB);
    world.neighbour += 200 * MIB;
    world.run(30, 1024 * MIB);
    let low = world.used;
    assert!(low < 300 * MIB, "{low}");
    let alarms = world.alarms;
    world.neighbour -= 200 * MIB;
    world.run(4, 1024 * MIB);
    assert!(world.used < low + 4 * 20 * MIB, "{} MiB after 4 s", world.used / MIB);
    world.run(120, 1024 * MIB);
    assert_eq!((world.used, world.alarms), (400 * MIB, alarms));
}

#[test]
fn room_that_is_only_half_free_again_is_taken_without_swinging() {
    let mut world = World::new(512 * MIB, 400 * MIB);
    world.run(20, 1024 * MIB);
    world.neighbour += 200 * MIB;
    world.run(30, 1024 * MIB);
    let alarms = world.alarms;
    world.neighbour -= 100 * MIB;
    world.run(600, 1024 * MIB);
    assert!(world.used > 310 * MIB, "{} MiB", world.used / MIB);
    assert!(world.alarms <= alarms + 1, "{} alarms", world.alarms);
}

#[test]
fn the_operators_wish_is_met_in_both_directions() {
    let mut world = World::new(4096 * MIB, 2048 * MIB);
    world.run(20, 4096 * MIB);
    world.policy.ask(1024 * MIB);
    world.run(1, 0);
    assert_eq!(world.used, 1024 * MIB);
    world.policy.ask(1536 * MIB);
    world.run(2, 4096 * MIB);
    assert_eq!(world.used, 1536 * MIB);
}

#[test]
fn an_outside_word_is_owed_once_however_long_it_stands() {
    let mut world = World::new(4096 * MIB, 2048 * MIB);
    world.run(20, 4096 * MIB);
    let deadline = Duration::from_secs(5);
    let reclaim_bytes = 300 * MIB;
    let signal = Signal { level: Level::Medium, reclaim_bytes, deadline, ..Signal::default() };
    world.policy.hear(world.now, signal);
    world.run(4, 0);
    assert_eq!(world.returned, 300 * MIB);
    assert_eq!(world.plan.admission, Admission::Known);
    world.run(12, 0);
    assert_eq!(world.plan.admission, Admission::All, "silence is the end of it");
}

#[test]
fn under_lasting_want_the_floor_sinks_but_not_to_nothing() {
    let mut world = World::new(256 * MIB, 188 * MIB);
    world.run(20, 1024 * MIB);
    world.neighbour = 250 * MIB;
    world.run(1, 0);
    assert_eq!(world.used, 188 * MIB / FLOOR_SHARE);
    world.run(60, 0);
    assert!((MIB..5 * MIB).contains(&world.used), "{}", world.used);
}

proptest! {
    #[test]
    fn never_above_what_was_asked_and_never_below_the_last_floor(
        steps in prop::collection::vec((0_u64..300, 0_u64..2000, 8_u64..250), 1..40),
    ) {
        let mut world = World::new(256 * MIB, 188 * MIB);
        for (neighbour, rate, asked) in steps {
            world.neighbour = neighbour * MIB;
            world.policy.ask(asked * MIB);
            for _ in 0..100 {
                world.tick(rate * MIB);
                prop_assert!(world.plan.limit_bytes <= asked * MIB);
                prop_assert!(world.plan.target_bytes >= FLOOR_BYTES_LAST);
            }
            prop_assert!(world.used <= asked * MIB);
        }
    }
}
