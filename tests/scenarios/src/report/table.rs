//! The one table: goals, the detector and every naive rule, a column each.

use super::share;
use crate::bench::{Figures, OWN, Scoreboard, Scored};
use crate::score::{At, Growth, Silence, Total, wilson};
use std::fmt::Write;

/// A line of the table: on which set, what, the goal, and how it is read off the figures.
struct Row {
    set: &'static str,
    what: &'static str,
    goal: &'static str,
    read: fn(&Figures) -> Option<String>,
}

const ROWS: &[Row] = &[
    row("synthetic", "precision", "≥0.97", |f| {
        total(f).map(|t| with_interval(t.found, t.found + t.false_alarms))
    }),
    row("synthetic", "recall", "≥0.95", |f| total(f).map(|t| with_interval(t.found, t.leaks))),
    row("synthetic", "F1", "", |f| total(f).map(|t| format!("{:.3}", t.f1()))),
    row("synthetic", "healthy series with a leak alarm", "", |f| {
        silence(f, |s| format!("{}/{}", s.series_with_leak, s.series))
    }),
    row("synthetic", "healthy series with an OOM alarm", "", |f| {
        silence(f, |s| format!("{}/{}", s.series_with_oom, s.series))
    }),
    row("synthetic", "raised before the onset", "", early),
    row("synthetic", "delay, share of life", "", delay),
    row("synthetic", "stands at half of life", "", |f| at(f, 1, stands)),
    row("synthetic", "its error", "", |f| at(f, 1, |at| share(at.error_median))),
    row("synthetic", "its coverage", "", |f| at(f, 1, coverage)),
    row("synthetic", "error at three quarters", "", |f| at(f, 2, |at| share(at.error_median))),
    row("synthetic", "ends warned of 5 min ahead", "", |f| growth(f, |g| warned(g.warned_5min))),
    row("synthetic", "1 h ahead", "", |f| growth(f, |g| warned(g.warned_1h))),
    row("inject", "recall", "≥0.95", recall),
    row("inject", "raised before the onset", "≤2", early),
    row("inject", "delay, share of life", "≤0.25", delay),
    row("inject", "stands at half of life", "≥0.80", |f| at(f, 1, stands)),
    row("inject", "its error", "≤0.10", |f| at(f, 1, |at| share(at.error_median))),
    row("inject", "its coverage", "0.75–0.85", |f| at(f, 1, coverage)),
    row("inject", "error at three quarters", "≤0.10", |f| at(f, 2, |at| share(at.error_median))),
    row("injected-ours", "recall", "", recall),
    row("injected-ours", "raised before the onset", "", early),
    row("injected-ours", "delay, share of life", "", delay),
    row("injected-ours", "stands at half of life", "", |f| at(f, 1, stands)),
    row("injected-ours", "its error", "", |f| at(f, 1, |at| share(at.error_median))),
    row("injected-ours", "its coverage", "", |f| at(f, 1, coverage)),
    row("ageing-node-60s", "drifts found", "all", |f| {
        f.drift.as_ref().map(|d| format!("{}/{}", d.found, d.runs))
    }),
    row("ageing-node-60s", "last one found after, h", "≤24", |f| {
        f.drift.as_ref().map(|d| d.first_h.last().map_or("–".to_owned(), |h| format!("{h:.0}")))
    }),
    row("alibaba-node-30s", "leak alarms per node-day", "≤0.02", leaks_per_day),
    row("alibaba-node-30s", "OOM alarms per node-day", "≤0.01", ooms_per_day),
    row("bitbrains-vm-5m", "leak alarms per VM-day", "≤0.005", leaks_per_day),
    row("bitbrains-vm-5m", "OOM alarms per VM-day", "≤0.001", ooms_per_day),
    row("exathlon-jvmheap-1s", "leak episodes", "0", leak_episodes),
    row("sockshop-svc-1s", "leak episodes", "0", leak_episodes),
];

const fn row(
    set: &'static str,
    what: &'static str,
    goal: &'static str,
    read: fn(&Figures) -> Option<String>,
) -> Row {
    Row { set, what, goal, read }
}

/// What others publish, on their own data: measured neither here nor on anything one can have.
pub const PUBLISHED: &str = "\
| published | precision | recall | F1 | on |
|---|---|---|---|---|
| RESIN (Azure, OSDI 2022) | 0.85 | 0.91 | 0.88 | its private fleet |
| Precog with max-filter | 1.00 | 0.75 | 0.857 | 60 private VMs |
| linear backward regression; with change points | – | – | 0.568; 0.625 | the same |

Nobody publishes the error of a time to OOM.
";

/// Markdown: the detector as it comes beside every rule and what others publish. Sets that were not
/// scored have no lines.
#[must_use]
pub fn table(boards: &[Scoreboard]) -> String {
    table_of(boards, |scored| !scored.is_own() || scored.contestant == OWN) + "\n" + PUBLISHED
}

/// Markdown: the detector with each caution that it was run with.
#[must_use]
pub fn cautions(boards: &[Scoreboard]) -> String {
    table_of(boards, Scored::is_own)
}

fn table_of(boards: &[Scoreboard], shown: impl Fn(&Scored) -> bool) -> String {
    let Some(first) = boards.first() else { return String::new() };
    let columns = first.scored.iter().filter(|scored| shown(scored));
    let contestants: Vec<&str> = columns.map(|s| s.contestant.as_str()).collect();
    let mut text = format!("| set | figure | goal | {} |\n", contestants.join(" | "));
    text += &"|---".repeat(contestants.len() + 3);
    text += "|\n";
    let mut before = "";
    for row in ROWS {
        let Some(board) = boards.iter().find(|board| board.set == row.set) else { continue };
        let cell = |scored: &Scored| (row.read)(&scored.figures).unwrap_or_else(|| "–".to_owned());
        let cells: Vec<String> = board.scored.iter().filter(|s| shown(s)).map(cell).collect();
        let set = if row.set == before { "" } else { row.set };
        let _ = writeln!(text, "| {set} | {} | {} | {} |", row.what, row.goal, cells.join(" | "));
        before = row.set;
    }
    text
}

fn silence(figures: &Figures, show: impl Fn(&Silence) -> String) -> Option<String> {
    figures.silence.as_ref().map(show)
}

fn growth(figures: &Figures, show: impl Fn(&Growth) -> String) -> Option<String> {
    figures.growth.as_ref().map(show)
}

fn total(figures: &Figures) -> Option<Total> {
    Some(Total::of(figures.silence.as_ref()?, figures.growth.as_ref()?))
}

fn at(figures: &Figures, nth: usize, show: impl Fn(&At) -> String) -> Option<String> {
    figures.growth.as_ref()?.forecasts.get(nth).map(show)
}

fn early(figures: &Figures) -> Option<String> {
    growth(figures, |growth| format!("{}/{}", growth.early, growth.series))
}

fn delay(figures: &Figures) -> Option<String> {
    growth(figures, |growth| share(growth.delay_median))
}

fn recall(figures: &Figures) -> Option<String> {
    growth(figures, |growth| with_interval(growth.found, growth.series))
}

fn leaks_per_day(figures: &Figures) -> Option<String> {
    silence(figures, |silence| format!("{:.4}", silence.leaks_per_day()))
}

fn ooms_per_day(figures: &Figures) -> Option<String> {
    silence(figures, |silence| format!("{:.4}", silence.ooms_per_day()))
}

fn leak_episodes(figures: &Figures) -> Option<String> {
    silence(figures, |silence| silence.leak_episodes.to_string())
}

fn stands(at: &At) -> String {
    share((at.asked > 0).then(|| at.standing as f64 / at.asked as f64))
}

fn coverage(at: &At) -> String {
    share((at.standing > 0).then(|| at.inside as f64 / at.standing as f64))
}

fn warned((hits, all): (usize, usize)) -> String {
    share((all > 0).then(|| hits as f64 / all as f64))
}

/// `0.97 (0.95–0.98)`.
fn with_interval(hits: usize, trials: usize) -> String {
    wilson(hits, trials).map_or_else(
        || "–".to_owned(),
        |i| format!("{:.2} ({:.2}–{:.2})", hits as f64 / trials as f64, i.low, i.high),
    )
}
