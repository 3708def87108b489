//! Forecasts of growth whose end is known.

use super::*;
use crate::detect::synthetic::Dice;

const MIB: f64 = 1_048_576.0;

/// 32 cells of a minute each; demand in MiB by minute.
fn ahead(reach_mib: f64, of: impl FnMut(f64) -> f64) -> Option<Forecast> {
    let mut of = of;
    let cells: Vec<Cell> = (0..32)
        .map(|i| {
            let value = (of(f64::from(i) + 0.5) * MIB) as f32;
            Cell { index: i, low: value, middle: value, high: value, readings: 60 }
        })
        .collect();
    let course = Course { cells: &cells, width: 60.0, now: 32.0 * 60.0, reach: reach_mib * MIB };
    forecast(&course, &mut Scratch::default())
}

#[test]
fn a_line_is_followed_to_the_limit_from_where_it_set_in() {
    let found = ahead(500.0, |t| 100.0 + 10.0 * (t - 12.0).max(0.0)).expect("it rises");
    // 100 + 10 · (t − 12) is 500 at minute 52.
    assert!((found.eta.p50 - 20.0 * 60.0).abs() < 60.0, "{found:?}");
    assert!(found.eta.p10 < 20.0 * 60.0 && 20.0 * 60.0 < found.eta.p90);
    assert!((found.onset - 12.0 * 60.0).abs() <= 60.0, "{found:?}");
    assert!((found.rate - 10.0 * MIB / 60.0).abs() < 0.1 * MIB / 60.0, "{found:?}");
}

#[test]
fn growth_that_gains_ends_sooner_than_its_line() {
    let gaining = ahead(1000.0, |t| 100.0 + 0.5 * t * t).expect("it rises");
    // 100 + t²/2 is 1000 at minute 42.4; the line of the last minutes would take 12.2 more.
    assert!((gaining.eta.p50 - 10.4 * 60.0).abs() < 90.0, "{gaining:?}");
}

#[test]
fn four_intervals_in_five_hold_the_end() {
    let mut dice = Dice::seeded(11);
    let (mut held, mut width) = (0, 0.0);
    for _ in 0..300 {
        let onset = 20.0 * dice.uniform();
        let found = ahead(500.0, |t| 100.0 + 10.0 * (t - onset).max(0.0) + 10.0 * dice.normal());
        let eta = found.expect("it rises").eta;
        let end = (onset + 40.0 - 32.0) * 60.0;
        held += u32::from((eta.p10..=eta.p90).contains(&end));
        width += (eta.p90 - eta.p10) / end;
    }
    // Recorded noise is not independent, so for noise that is the intervals are wide.
    assert!(held >= 240, "{held} of 300");
    assert!(width / 300.0 < 1.2, "{}", width / 300.0);
}

#[test]
fn what_does_not_rise_has_no_forecast_and_what_is_there_is_now() {
    assert_eq!(ahead(500.0, |t| 300.0 - t), None);
    let there = ahead(100.0, |t| 100.0 + t).expect("it rises");
    assert!(there.eta.p50 <= 60.0, "{there:?}");
}

#[test]
fn peaks_reach_the_limit_before_the_middle_does() {
    let flat_topped = ahead(500.0, |t| 100.0 + 10.0 * t).expect("it rises").eta.p50;
    let mut cells = Vec::new();
    for i in 0..32 {
        let value = ((100.0 + 10.0 * (f64::from(i) + 0.5)) * MIB) as f32;
        // 50 MiB of peaks, and 5 by which it rises in half a cell.
        let high = value + (55.0 * MIB) as f32;
        cells.push(Cell { index: i, low: value, middle: value, high, readings: 60 });
    }
    let course = Course { cells: &cells, width: 60.0, now: 1920.0, reach: 500.0 * MIB };
    let peaked = forecast(&course, &mut Scratch::default()).expect("it rises").eta.p50;
    assert!((flat_topped - peaked - 300.0).abs() < 60.0, "{flat_topped} {peaked}");
}
