//! The policy as a table, and what holds of it whatever is read.

use super::*;
use proptest::prelude::*;

const PARAMS: Params = Params { shares: [0.10, 0.05, 0.025], deadline: Duration::from_secs(2) };
const CALM: Held = Held { level: Level::None, held: Duration::from_secs(60) };

/// A container of 1000 MiB with so much left and shrinking by so much a second.
fn strain(left_mib: u64, slope_mib: f64) -> Strain {
    Strain {
        limit: Bytes::mib(1000),
        headroom: Bytes::mib(left_mib),
        slope: slope_mib * 1024.0 * 1024.0,
        ..Strain::default()
    }
}

fn mib(bytes: Bytes) -> u64 {
    bytes.0 >> 20
}

#[test]
fn level_want_and_deadline_follow_headroom_and_slope() {
    // MiB left, MiB/s, then what is said: level, MiB, milliseconds.
    let table = [
        (600, 0.0, Level::None, 0, 0),
        (101, 0.0, Level::None, 0, 0),
        (100, 0.0, Level::Low, 6, 8000),
        (50, 0.0, Level::Medium, 37, 4000),
        (25, 0.0, Level::Critical, 100, 2000),
        (0, 0.0, Level::Critical, 125, 2000),
        // The pace alone: 16 s is low, but there is room for more than what is to come.
        (400, 25.0, Level::Low, 0, 8000),
        (250, 50.0, Level::Medium, 12, 2500),
        (180, 100.0, Level::Critical, 245, 900),
        (10, 100.0, Level::Critical, 415, 200),
    ];
    for (left, slope, level, want, deadline_ms) in table {
        let demand = judge(&PARAMS, &strain(left, slope), CALM);
        let said = (demand.level, mib(demand.want), demand.deadline.as_millis());
        assert_eq!(said, (level, want, deadline_ms), "{left} MiB left, {slope} MiB/s");
    }
}

#[test]
fn a_forecast_raises_the_level_long_before_the_headroom_does() {
    let level = |p10, p50| {
        let eta = Some(Eta { p10, p50, p90: p50 * 2.0 });
        judge(&PARAMS, &Strain { eta, ..strain(600, 0.0) }, CALM).level
    };
    assert_eq!(level(3600.0, 7200.0), Level::None);
    assert_eq!(level(299.0, 500.0), Level::Low);
    assert_eq!(level(59.0, 120.0), Level::Medium);
    assert_eq!(level(5.0, 9.0), Level::Critical);
}

#[test]
fn stalls_count_near_the_limit_only_and_then_ask_for_some_room() {
    let stalled = |left, some, full| {
        let strain = Strain { psi_some: Some(some), psi_full: Some(full), ..strain(left, 0.0) };
        let demand = judge(&PARAMS, &strain, CALM);
        (demand.level, mib(demand.want))
    };
    assert_eq!(stalled(600, 90.0, 80.0), (Level::None, 0));
    assert_eq!(stalled(200, 12.0, 0.0), (Level::Low, 0));
    assert_eq!(stalled(200, 30.0, 6.0), (Level::Medium, 12));
    assert_eq!(stalled(200, 60.0, 25.0), (Level::Critical, 25));
}

#[test]
fn a_level_rises_at_once_and_falls_late_and_by_a_margin() {
    let after = |left, level, held_ms| {
        let before = Held { level, held: Duration::from_millis(held_ms) };
        judge(&PARAMS, &strain(left, 0.0), before).level
    };
    assert_eq!(after(25, Level::Low, 0), Level::Critical);
    assert_eq!(after(500, Level::Critical, 2_999), Level::Critical);
    assert_eq!(after(500, Level::Critical, 3_000), Level::None);
    assert_eq!(after(55, Level::Medium, 9_000), Level::Medium, "within the margin");
    assert_eq!(after(63, Level::Medium, 9_000), Level::Low);
    assert_eq!(after(120, Level::Low, 9_000), Level::Low);
    assert_eq!(after(126, Level::Low, 9_000), Level::None);
}

#[test]
fn on_a_large_machine_a_few_gib_are_room_enough() {
    let large =
        Strain { limit: Bytes::mib(1 << 20), headroom: Bytes::mib(3000), ..Strain::default() };
    assert_eq!(judge(&PARAMS, &large, CALM).level, Level::None);
    let less = Strain { headroom: Bytes::mib(2000), ..large };
    assert_eq!(judge(&PARAMS, &less, CALM).level, Level::Low);
}

fn any_strain() -> impl Strategy<Value = Strain> {
    let eta = proptest::option::of((0.0..1e6_f64, 1.0..4.0_f64));
    let psi = || proptest::option::of(0.0..100.0_f64);
    (0..1_u64 << 45, 0..1_u64 << 45, 0.0..1e10_f64, eta, psi(), psi()).prop_map(
        |(limit, headroom, slope, eta, psi_some, psi_full)| Strain {
            limit: Bytes(limit),
            headroom: Bytes(headroom.min(limit)),
            slope,
            eta: eta.map(|(p10, by)| Eta { p10, p50: p10 * by, p90: p10 * by * by }),
            psi_some,
            psi_full,
        },
    )
}

fn any_held() -> impl Strategy<Value = Held> {
    let levels = [Level::None, Level::Low, Level::Medium, Level::Critical];
    (0..4_usize, 0..10_000_u64)
        .prop_map(move |(i, ms)| Held { level: levels[i], held: Duration::from_millis(ms) })
}

proptest! {
    #[test]
    fn less_headroom_never_asks_for_less(strain in any_strain(), held in any_held(), left: u64) {
        let less = Strain { headroom: Bytes(left % (strain.headroom.0 + 1)), ..strain };
        let (more, less) = (judge(&PARAMS, &strain, held), judge(&PARAMS, &less, held));
        prop_assert!(less.level >= more.level, "{less:?} {more:?}");
        prop_assert!(less.want >= more.want, "{less:?} {more:?}");
    }

    #[test]
    fn nothing_is_wanted_at_level_none_and_deadlines_are_bounded(
        strain in any_strain(), held in any_held()
    ) {
        let demand = judge(&PARAMS, &strain, held);
        if demand.level == Level::None {
            prop_assert_eq!((demand.want, demand.deadline), (Bytes::ZERO, Duration::ZERO));
        } else {
            prop_assert!(demand.deadline >= DEADLINE_MIN);
            prop_assert!(demand.deadline <= PARAMS.deadline * 4);
        }
    }

    #[test]
    fn a_held_level_does_not_flap_where_nothing_changes(
        strain in any_strain(), held in any_held()
    ) {
        let once = judge(&PARAMS, &strain, held).level;
        let again = Held { level: once, held: Duration::from_secs(9) };
        let twice = judge(&PARAMS, &strain, again).level;
        prop_assert!(twice <= once);
        let settled = Held { level: twice, held: Duration::from_secs(9) };
        prop_assert_eq!(judge(&PARAMS, &strain, settled).level, twice);
    }
}
