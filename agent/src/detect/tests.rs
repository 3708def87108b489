//! What is measured of known shapes, and what speaks for a leak.

use super::synthetic::Dice;
use super::*;
use crate::clock::Stamp;
use crate::units::Bytes;

const MIB: f64 = 1_048_576.0;

/// A ladder of one reading a second; demand in MiB.
fn ladder(seconds: i64, mut of: impl FnMut(f64) -> f64) -> Ladder {
    let mut ladder = Ladder::starting(Stamp(0));
    for second in 0..seconds {
        ladder.add(Stamp(second * 1000), Bytes((of(second as f64) * MIB) as u64));
    }
    ladder
}

/// The newest 32 cells of one second.
fn newest(seconds: i64, of: impl FnMut(f64) -> f64) -> Option<Rise> {
    Rise::of(&ladder(seconds, of), 0, 32, Track::Low)
}

#[test]
fn a_line_has_the_ratios_of_a_line() {
    let line = newest(34, |t| 100.0 + 3.0 * t).expect("it rises");
    assert!((line.slope - 3.0 * MIB).abs() < 1.0, "{line:?}");
    assert!((line.drift - 8.0_f64.sqrt()).abs() < 0.2, "{line:?}");
    assert!((line.steady - 1.0).abs() < 0.1 && line.given_back == 0.0);
    assert!(line.largest_step < 0.04 && line.past < 0.1);
    assert_eq!(line.new_ground, 1.0);
}

#[test]
fn the_drift_of_m_equal_jumps_is_about_the_root_of_m() {
    for (jumps, drift) in [(2, 1.4), (4, 2.0), (8, 2.8)] {
        let every = f64::from(32 / jumps);
        let found = newest(34, |t| 100.0 + 10.0 * (t / every).floor()).expect("it rises");
        assert!((found.drift - drift).abs() < 0.35, "{jumps}: {found:?}");
    }
}

#[test]
fn the_drift_of_a_random_walk_is_seldom_above_two() {
    let mut dice = Dice::seeded(41);
    let walks = 2_000;
    let above = (0..walks).filter(|_| {
        let mut at = 1_000.0;
        let found = newest(34, |_| {
            at += dice.normal();
            at
        });
        found.is_some_and(|rise| rise.drift > 2.0)
    });
    let share = above.count() as f64 / f64::from(walks);
    assert!(share < 0.05, "{share}");
}

#[test]
fn what_falls_or_stands_still_is_no_rise() {
    assert_eq!(newest(40, |t| 100.0 - t), None);
    assert_eq!(newest(40, |_| 100.0), None);
    assert_eq!(newest(10, |t| 100.0 + t), None, "too few cells");
}

#[test]
fn a_return_to_where_it_was_is_no_new_ground() {
    // High, a dip, and back up.
    let back = newest(400, |t| if t < 300.0 { 200.0 } else { 50.0 + 1.4 * (t - 300.0) });
    assert!(back.expect("it rises").new_ground < 0.0);
    let beyond = newest(400, |t| if t < 300.0 { 40.0 } else { 50.0 + 1.4 * (t - 300.0) });
    assert!(beyond.expect("it rises").new_ground > 0.9);
}

#[test]
fn the_tooth_of_a_saw_is_held_against_the_teeth_before_it() {
    let tooth = newest(60 * 20 - 3, |t| 100.0 + (t % 60.0)).expect("it rises");
    assert!(tooth.beyond < 0.8, "{tooth:?}");
    let first = newest(57, |t| 100.0 + (t % 60.0)).expect("it rises");
    assert!(first.beyond > 100.0, "{first:?}");
}

#[test]
fn a_leak_weighs_more_than_a_burst_a_levelling_off_and_a_short_acquaintance() {
    let leak = newest(634, |t| 100.0 + (t - 600.0).max(0.0)).expect("it rises");
    let ends_in = 3.0 * leak.span;
    let weighs = |rise: Rise, ends_in| evidence::weight(&rise, ends_in);
    let full = weighs(leak, ends_in);
    assert!(full > 2.0, "{full}");
    assert!(weighs(leak, 0.3 * leak.span) < full - 2.0, "a burst");
    assert!(weighs(Rise { steady: 0.3, ..leak }, ends_in) < full - 0.8, "levels off");
    assert!(weighs(Rise { past: 0.5, ..leak }, ends_in) < full - 1.0, "just met");
    assert!(weighs(Rise { new_ground: 0.1, ..leak }, ends_in) < full - 3.0, "was there before");
}

#[test]
fn evidence_far_from_any_limit_takes_hours() {
    let params = Params::default();
    let creeping = |hours: i64| {
        let mut ladder = Ladder::starting(Stamp(0));
        let mut dice = Dice::seeded(42);
        for minute in 0..hours * 60 {
            let mib = 500.0 + 0.02 * minute as f64 + dice.normal();
            ladder.add(Stamp(minute * 60_000), Bytes((mib * MIB) as u64));
        }
        (0..ladder::LEVELS).any(|level| find(&params, &ladder, level, None).is_some())
    };
    assert!(!creeping(4));
    assert!(creeping(24));
}

#[test]
fn noise_alone_is_hardly_ever_evidence() {
    let params = Params::default();
    let mut dice = Dice::seeded(43);
    let mut found = 0;
    for _ in 0..200 {
        let mut ladder = Ladder::starting(Stamp(0));
        for second in 0..3_600 {
            let mib = 200.0 + 8.0 * dice.normal();
            ladder.add(Stamp(second * 1000), Bytes((mib * MIB) as u64));
            for level in ladder.take_closed() {
                found += u32::from(find(&params, &ladder, level, Some(260.0 * MIB)).is_some());
            }
        }
    }
    assert!(found <= 2, "{found} in 200 hours");
}
