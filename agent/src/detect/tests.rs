//! Traces with known truth, and those that must stay silent.

use super::synthetic::Dice;
use super::*;

/// One cell a second, with these floors.
fn cells(floors: &[f64]) -> Vec<Cell> {
    let n = floors.len() as f64;
    let cell = |(i, &floor): (usize, &f64)| Cell {
        t: i as f64 - n,
        floor,
        level: floor,
        anon: floor,
        ..Cell::default()
    };
    floors.iter().enumerate().map(cell).collect()
}

fn trend(floors: impl Iterator<Item = f64>) -> Option<Trend> {
    let mib: Vec<f64> = floors.map(|f| f * 1_048_576.0).collect();
    Trend::of(&Params::default(), &cells(&mib), &mut Vec::new())
}

const MIB: f64 = 1_048_576.0;

#[test]
fn the_line_through_exact_readings_is_exact() {
    let found = trend((0..24).map(|i| 100.0 + 3.0 * f64::from(i))).expect("a line");
    assert_eq!(found.slope, 3.0 * MIB);
    assert_eq!((found.slope_low, found.slope_high), (3.0 * MIB, 3.0 * MIB));
    assert_eq!((found.tau, found.noise, found.steady), (1.0, 0.0, 1.0));
    // S = 276, variance 24·23·53/18: Kendall's table.
    assert!((found.z - 275.0 / (24.0_f64 * 23.0 * 53.0 / 18.0).sqrt()).abs() < 1e-9);
}

#[test]
fn wild_cells_hardly_move_the_slope() {
    let mut dice = Dice::seeded(1);
    let found = trend((0..24).map(|i| {
        let wild = if i % 6 == 3 { 60.0 * dice.uniform() } else { 0.0 };
        100.0 + 3.0 * f64::from(i) + wild
    }))
    .expect("a line");
    assert!((found.slope / MIB - 3.0).abs() < 0.3, "{found:?}");
}

#[test]
fn the_interval_of_the_slope_covers_the_truth_four_times_in_five() {
    let mut dice = Dice::seeded(2);
    let mut inside = 0;
    for _ in 0..400 {
        let found = trend((0..24).map(|i| 100.0 + 3.0 * f64::from(i) + 4.0 * dice.normal()));
        let found = found.expect("growth far above the noise");
        inside += u32::from((found.slope_low..=found.slope_high).contains(&(3.0 * MIB)));
    }
    assert!((290..=350).contains(&inside), "{inside} of 400");
}

#[test]
fn noise_alone_is_hardly_ever_a_trend() {
    let mut dice = Dice::seeded(3);
    let found = (0..2000).filter(|_| trend((0..24).map(|_| 100.0 + 5.0 * dice.normal())).is_some());
    assert!(found.count() <= 2);
}

#[test]
fn one_jump_is_a_step_and_four_are_stairs() {
    assert_eq!(trend((0..24).map(|i| if i < 12 { 100.0 } else { 180.0 })), None);
    assert_eq!(trend((0..24).map(|i| if i < 6 { 100.0 } else { 180.0 })), None);
    let stairs = trend((0..24).map(|i| 100.0 + 20.0 * f64::from(i / 5))).expect("stairs");
    assert!((stairs.slope / MIB - 4.0).abs() < 0.4, "{stairs:?}");
}

#[test]
fn growth_that_levels_off_is_no_trend() {
    let saturating =
        |x: f64| trend((0..24).map(|i| 500.0 * (1.0 - (-x * f64::from(i) / 24.0).exp())));
    assert_eq!(saturating(3.0), None);
    let early = saturating(0.5).expect("almost straight");
    assert!((0.75..0.95).contains(&early.steady), "{}", early.steady);
}

#[test]
fn growth_that_was_given_back_is_no_trend() {
    assert_eq!(
        trend((0..24).map(|i| 100.0 + 10.0 * f64::from(if i < 16 { i } else { 32 - i }))),
        None
    );
}

#[test]
fn a_short_stretch_or_a_tiny_growth_is_no_trend() {
    assert_eq!(trend((0..9).map(f64::from)), None);
    assert_eq!(trend((0..24).map(|i| 100.0 + 0.01 * f64::from(i))), None);
}
