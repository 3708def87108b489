//! False alarms against detections: where every rule stands, and what lies beyond them.

use super::{escaped, open};
use crate::bench::{Figures, OWN, Scoreboard};
use std::fmt::Write;

const PANEL: (f64, f64) = (400.0, 260.0);
const ORIGIN: (f64, f64) = (52.0, 40.0);
/// Alarms per day at the left edge, where the logarithm ends: fewer, and none, are drawn there.
const FEWEST: f64 = 0.001;
const MOST: f64 = 10.0;

/// A rule's place, or that of the detector with some caution.
struct Spot<'a> {
    name: &'a str,
    is_own: bool,
    per_day: f64,
    recall: f64,
}

/// The picture: a panel of the recorded traces, where they were scored, and one of the synthetic
/// set. `None` if neither is there.
#[must_use]
pub fn frontier(boards: &[Scoreboard]) -> Option<String> {
    let board = |set: &str| boards.iter().find(|board| board.set == set);
    let mut panels = Vec::new();
    if let Some((healthy, leaks)) = board("alibaba-node-30s").zip(board("inject")) {
        let title = "recorded: alarms on healthy nodes (Alibaba), recall on injected leaks";
        panels.push((title, spots(healthy, leaks)));
    }
    if let Some(synthetic) = board("synthetic") {
        let title = "synthetic: alarms on healthy series, recall on leaks";
        panels.push((title, spots(synthetic, synthetic)));
    }
    if panels.is_empty() {
        return None;
    }
    let width = panels.len() as f64 * (PANEL.0 + ORIGIN.0 + 20.0);
    let height = PANEL.1 + ORIGIN.1 + 46.0;
    let mut svg = open(width, height, "False alarms per day against recall");
    for (nth, (title, spots)) in panels.iter().enumerate() {
        let x = nth as f64 * (PANEL.0 + ORIGIN.0 + 20.0) + ORIGIN.0;
        let _ = write!(svg, "<g transform=\"translate({x} {})\">", ORIGIN.1);
        svg += &panel(title, spots);
        svg += "</g>\n";
    }
    Some(svg + "</svg>\n")
}

fn spots<'a>(healthy: &'a Scoreboard, leaks: &'a Scoreboard) -> Vec<Spot<'a>> {
    let both = healthy.scored.iter().zip(&leaks.scored);
    let spot = |(healthy, leaks): (&'a crate::bench::Scored, &'a crate::bench::Scored)| {
        let Figures { silence, .. } = &healthy.figures;
        let growth = leaks.figures.growth.as_ref()?;
        Some(Spot {
            name: &healthy.contestant,
            is_own: healthy.is_own(),
            per_day: silence.as_ref()?.leaks_per_day(),
            recall: growth.found as f64 / growth.series.max(1) as f64,
        })
    };
    both.filter_map(spot).collect()
}

fn x(per_day: f64) -> f64 {
    let share = (per_day.max(FEWEST) / FEWEST).log10() / (MOST / FEWEST).log10();
    share.min(1.0) * PANEL.0
}

fn panel(title: &str, spots: &[Spot<'_>]) -> String {
    let (width, height) = PANEL;
    let mut svg = format!("<text y=\"-16\" font-size=\"12\">{title}</text>");
    for (per_day, label) in
        [(0.001, "≤0.001"), (0.01, "0.01"), (0.1, "0.1"), (1.0, "1"), (10.0, "≥10")]
    {
        let x = x(per_day);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{x:.0} 0V{height}\"/><text class=\"dim\" x=\"{x:.0}\" \
             y=\"{}\" font-size=\"10\" text-anchor=\"middle\">{label}</text>",
            height + 14.0,
        );
    }
    for tenths in [0_u8, 25, 50, 75, 100] {
        let recall = f64::from(tenths) / 100.0;
        let y = (1.0 - recall) * height;
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M0 {y}H{width}\"/><text class=\"dim\" x=\"-6\" y=\"{}\" \
             font-size=\"10\" text-anchor=\"end\">{recall}</text>",
            y + 3.0,
        );
    }
    let _ = write!(
        svg,
        "<text class=\"dim\" x=\"{}\" y=\"{}\" font-size=\"11\" text-anchor=\"middle\">\
         false leak alarms per day</text><text class=\"dim\" font-size=\"11\" \
         text-anchor=\"middle\" transform=\"translate(-36 {}) rotate(-90)\">recall</text>",
        width / 2.0,
        height + 32.0,
        height / 2.0,
    );
    svg + &own_line(spots) + &dots(spots)
}

/// The detector's own frontier: from its least caution to its greatest.
fn own_line(spots: &[Spot<'_>]) -> String {
    let mut own: Vec<(f64, f64)> = spots.iter().filter(|s| s.is_own).map(place).collect();
    own.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let points: Vec<String> = own.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    format!("<path class=\"line\" d=\"M{}\"/>", points.join("L"))
}

fn place(spot: &Spot<'_>) -> (f64, f64) {
    (x(spot.per_day), (1.0 - spot.recall) * PANEL.1)
}

/// Dots with their names; names that would lie over each other move down.
fn dots(spots: &[Spot<'_>]) -> String {
    let mut svg = String::new();
    let mut labels: Vec<(f64, f64)> = Vec::new();
    let mut sorted: Vec<&Spot<'_>> = spots.iter().collect();
    sorted.sort_by(|a, b| b.recall.total_cmp(&a.recall));
    for spot in sorted {
        let (x, y) = place(spot);
        if spot.is_own && spot.name != OWN {
            let _ = write!(svg, "<circle class=\"own\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>");
            continue;
        }
        let is_right = x > PANEL.0 * 0.6;
        let mut label_y = y + 3.5;
        while labels.iter().any(|l| (l.0 - x).abs() < 130.0 && (l.1 - label_y).abs() < 11.0) {
            label_y += 2.0;
        }
        labels.push((x, label_y));
        let (class, radius) = if spot.is_own { ("own", 6) } else { ("dot", 4) };
        let (label_x, anchor) = if is_right { (x - 8.0, "end") } else { (x + 8.0, "start") };
        let _ = write!(
            svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/><text \
             x=\"{label_x:.1}\" y=\"{label_y:.1}\" font-size=\"10\" text-anchor=\"{anchor}\">{}\
             </text>",
            escaped(spot.name),
        );
    }
    svg
}
