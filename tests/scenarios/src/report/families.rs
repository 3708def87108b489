//! What became of each family of the synthetic set: the table to tune by.

use super::{forecast, of, share};
use crate::bench::Scored;
use crate::score::Growth;
use std::fmt::Write;

/// Markdown: one table of the leaks and one of the healthy; with `verbose`, the names of the series
/// that went wrong.
#[must_use]
pub fn families(scored: &Scored, verbose: bool) -> String {
    let mut text = String::from(
        "| leaks | found | early | delay | rate off | stands · error · coverage at 25 % | 50 % \
         | 75 % | warned 5 min | 1 h | cause said |\n",
    );
    text += &"|---".repeat(11);
    text += "|\n";
    let mut wrong = String::new();
    for (family, figures) in &scored.families {
        let Some(growth) = &figures.growth else { continue };
        let Growth { series, found, early, warned_5min, warned_1h, .. } = growth;
        let forecasts: Vec<String> = growth.forecasts.iter().map(forecast).collect();
        let _ = writeln!(
            text,
            "| {family} | {found}/{series} | {early} | {} | {} | {} | {} | {} | {} |",
            share(growth.delay_median),
            share(growth.rate_error_median),
            forecasts.join(" | "),
            of(warned_5min.0, warned_5min.1),
            of(warned_1h.0, warned_1h.1),
            causes(growth),
        );
        list(&mut wrong, "missed", &growth.missed);
        list(&mut wrong, "raised before its onset", &growth.early_names);
    }
    text += "\n| healthy | series with a leak alarm | with an OOM alarm | leak episodes | per day \
             | OOM episodes |\n|---|---|---|---|---|---|\n";
    for (family, figures) in &scored.families {
        let Some(silence) = &figures.silence else { continue };
        let _ = writeln!(
            text,
            "| {family} | {}/{} | {} | {} | {:.3} | {} |",
            silence.series_with_leak,
            silence.series,
            silence.series_with_oom,
            silence.leak_episodes,
            silence.leaks_per_day(),
            silence.oom_episodes,
        );
        list(&mut wrong, "false alarm", &silence.hit);
    }
    if verbose && !wrong.is_empty() {
        let _ = write!(text, "\nWhat went wrong:\n\n{wrong}");
    }
    text
}

/// The causes said most often, with how often.
fn causes(growth: &Growth) -> String {
    let mut causes: Vec<(&String, &usize)> = growth.causes.iter().collect();
    causes.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let most = causes.iter().take(2);
    most.map(|(cause, n)| format!("{cause} {n}")).collect::<Vec<_>>().join(", ")
}

fn list(text: &mut String, what: &str, names: &[String]) {
    for name in names {
        let _ = writeln!(text, "- {what}: {name}");
    }
}
