//! A contact sheet: one example of each family.

use super::open;
use crate::families::FAMILIES;
use crate::noise::Level;
use crate::scenario::{Scenario, scenario};
use crate::series::Series;
use std::fmt::Write;

const COLUMNS: usize = 6;
const CELL: (f64, f64) = (160.0, 100.0);
const BOX: (f64, f64) = (148.0, 68.0);
/// Points of a curve: each the lowest and the highest of its stretch.
const STRETCHES: usize = 74;

/// The picture. Curve: memory used, from 0 to the limit; second curve: the part that tells the
/// cause, where there is one; dashed: the onset of a leak.
#[must_use]
pub fn gallery() -> String {
    let rows = FAMILIES.len().div_ceil(COLUMNS);
    let (width, height) = (COLUMNS as f64 * CELL.0, rows as f64 * CELL.1);
    let mut svg = open(width, height, "One example of each family of scenarios");
    for (nth, family) in FAMILIES.iter().enumerate() {
        let cadence = family.cadences[family.cadences.len() / 2];
        // The seed that is to show the background before the onset.
        let examples = (0..8).map(|seed| scenario(family, cadence, Level::Mid, seed));
        let shows = |s: &Scenario| s.truth.leak.as_ref().is_none_or(|leak| leak.onset_s > 0.0);
        let Some(example) = examples.into_iter().find(shows) else { continue };
        let (x, y) = ((nth % COLUMNS) as f64 * CELL.0 + 6.0, (nth / COLUMNS) as f64 * CELL.1);
        let kind = if family.leaks { "leaks" } else { "healthy" };
        let _ = write!(
            svg,
            "<g transform=\"translate({x} {y})\"><text y=\"14\" font-size=\"10\">{} \
             <tspan class=\"dim\">{kind}, {}</tspan></text><g transform=\"translate(0 20)\">",
            family.name,
            cadence.name(),
        );
        svg += &curves(&example);
        svg += "</g></g>\n";
    }
    svg + "</svg>\n"
}

fn curves(Scenario { series, truth, .. }: &Scenario) -> String {
    let limit = series.limit[0];
    let highest = series.used.iter().copied().fold(0.0, f64::max);
    // What stays far below its limit would be a flat line.
    let top = if highest < 0.3 * limit { 1.2 * highest } else { limit };
    let mut svg = format!("<path class=\"axis\" d=\"M0 0V{}H{}\"/>", BOX.1, BOX.0);
    if let Some(leak) = &truth.leak {
        let x = leak.onset_s / series.span_s() * BOX.0;
        let _ = write!(svg, "<path class=\"mark\" d=\"M{x:.1} 0V{}\"/>", BOX.1);
    }
    svg += &curve("line", series, &series.used, top);
    let telling = [&series.parts.heap_in_use, &series.parts.shmem, &series.parts.anon];
    if let Some(part) = telling.into_iter().find(|part| part.iter().any(|value| *value > 0.0)) {
        svg += &curve("part", series, part, top);
    }
    svg
}

fn curve(class: &str, series: &Series, values: &[f64], top: f64) -> String {
    let (first_s, _) = series.ends();
    let mut path = String::new();
    let mut points: Vec<(usize, f64, f64)> = Vec::new();
    for (&t, &value) in series.time_s.iter().zip(values) {
        let nth = ((t - first_s) / series.span_s() * (STRETCHES - 1) as f64) as usize;
        match points.last_mut().filter(|last| last.0 == nth) {
            Some((_, low, high)) => (*low, *high) = (low.min(value), high.max(value)),
            None => points.push((nth, value, value)),
        }
    }
    let y = |value: f64| (1.0 - value / top) * BOX.1;
    for (nth, low, high) in points {
        let x = nth as f64 / (STRETCHES - 1) as f64 * BOX.0;
        let begin = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{begin}{x:.0} {:.1}", y(low));
        if y(low) - y(high) > 0.6 {
            let _ = write!(path, "V{:.1}", y(high));
        }
    }
    format!("<path class=\"{class}\" d=\"{path}\"/>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_every_family_and_is_small() {
        let svg = gallery();
        for family in FAMILIES {
            assert!(svg.contains(&format!(">{} <", family.name)), "{} is not there", family.name);
        }
        assert!(svg.len() < 150_000, "{} bytes", svg.len());
    }
}
