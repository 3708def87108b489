//! One contestant's figures on one set, in a few lines.

use super::{forecast, of, share};
use crate::bench::{Figures, Scoreboard, Scored};
use crate::score::{Growth, Total, wilson};
use std::fmt::Write;

/// The figures of one contestant on one set; with `verbose`, the names of what went wrong.
#[must_use]
pub fn recorded(board: &Scoreboard, scored: &Scored, verbose: bool) -> String {
    let Figures { silence, growth, drift } = &scored.figures;
    let rate = board.rows as f64 / scored.took_s.max(1e-9) / 1e6;
    let mut text = format!(
        "{} on {}: {} series, {} rows, {:.2} s, {rate:.2} million rows/s\n",
        scored.contestant, board.set, board.series, board.rows, scored.took_s,
    );
    let mut names: Vec<(&str, &[String])> = Vec::new();
    if let Some(silence) = silence {
        let _ = writeln!(
            text,
            "  leak episodes {} ({:.4} a day, {} of {} series), OOM episodes {} ({:.4} a day)",
            silence.leak_episodes,
            silence.leaks_per_day(),
            silence.series_with_leak,
            silence.series,
            silence.oom_episodes,
            silence.ooms_per_day(),
        );
        names.push(("false alarm", &silence.hit));
    }
    if let Some(drift) = drift {
        let first: Vec<String> = drift.first_h.iter().map(|h| format!("{h:.1}")).collect();
        let found = of(drift.found, drift.runs);
        let _ = writeln!(text, "  drifts found {found}, first after {} h", first.join(", "));
        names.push(("missed", &drift.missed));
    }
    if let Some(growth) = growth {
        text += &grown(growth);
        names.push(("missed", &growth.missed));
        names.push(("raised before its onset", &growth.early_names));
    }
    if let (Some(silence), Some(growth)) = (silence, growth) {
        let total = Total::of(silence, growth);
        let raised = total.found + total.false_alarms;
        let _ = writeln!(
            text,
            "  precision {:.3} {}, recall {:.3} {}, F1 {:.3}",
            total.precision(),
            interval(total.found, raised),
            total.recall(),
            interval(total.found, total.leaks),
            total.f1(),
        );
    }
    if verbose {
        for (what, names) in names {
            for name in names {
                let _ = writeln!(text, "  - {what}: {name}");
            }
        }
    }
    text
}

fn grown(growth: &Growth) -> String {
    let shape = |(shape, (hits, all)): (&String, &(usize, usize))| format!("{shape} {hits}/{all}");
    let shapes: Vec<String> = growth.by_shape.iter().map(shape).collect();
    let mut text = format!(
        "  found {} {}, early {}, delay {}, warned 5 min ahead {}, 1 h ahead {}\n  {}\n",
        of(growth.found, growth.series),
        interval(growth.found, growth.series),
        growth.early,
        share(growth.delay_median),
        of(growth.warned_5min.0, growth.warned_5min.1),
        of(growth.warned_1h.0, growth.warned_1h.1),
        shapes.join(", "),
    );
    text += "  forecasts that stand · error · coverage:";
    for at in &growth.forecasts {
        let _ = write!(text, "  at {:.0} % {}", at.share * 100.0, forecast(at));
    }
    text + "\n"
}

/// `[0.91, 0.97]`, 95 %.
fn interval(hits: usize, trials: usize) -> String {
    wilson(hits, trials).map_or_else(String::new, |i| format!("[{:.3}, {:.3}]", i.low, i.high))
}
