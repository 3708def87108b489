//! How names, amounts and times are put before people. Pure; foreign text leaves here harmless.

use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, Eta, State};
use ratatui::text::Span;

/// Replaces what could drive a terminal or deceive its reader: control characters, and those that
/// turn the direction of text or have no width. Source: Unicode 16, Bidi_Control and Cf.
pub(super) fn clean(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
            || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().map(|c| if harmful(c) { '\u{fffd}' } else { c }).collect()
}

/// Columns that `text` takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Cleans and cuts to `columns`, with … at the cut; wide characters are never halved.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let text = clean(text);
    if width(&text) <= columns {
        return text;
    }
    let mut cut = String::new();
    for c in text.chars() {
        let mut longer = cut.clone();
        longer.push(c);
        if width(&longer) + 1 > columns {
            break;
        }
        cut = longer;
    }
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// [`fit`], filled up with blanks to exactly `columns`.
pub(super) fn pad(text: &str, columns: usize, right: bool) -> String {
    let text = fit(text, columns);
    let blanks = " ".repeat(columns.saturating_sub(width(&text)));
    if right { blanks + &text } else { text + &blanks }
}

pub(super) fn limit(limit: Limit) -> String {
    limit.bytes().map_or_else(|| "none".into(), |bytes| bytes.to_string())
}

/// `+1.2 MiB/s`; slow ones per hour, so that a leak of 40 KiB/h does not read as nothing.
pub(super) fn rate(rate: BytesPerSec) -> String {
    let per_second = rate.0;
    let (amount, unit) = if per_second.abs() >= 1024.0 || !per_second.is_finite() {
        (per_second, "s")
    } else {
        (per_second * 3600.0, "h")
    };
    if !amount.is_finite() || amount.abs() < 1.0 {
        return "0".into();
    }
    // Above the largest u64 the cast saturates, which is as good as any text for it.
    let bytes = Bytes(amount.abs() as u64);
    format!("{}{bytes}/{unit}", if amount < 0.0 { "-" } else { "+" })
}

/// `45s`, `3m 20s`, `2h 10m`, `3d 4h`: two units at most.
pub(super) fn span(seconds: f64) -> String {
    if !seconds.is_finite() || seconds > 1e9 {
        return "ages".into();
    }
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => two(s / 60, "m", s % 60, "s"),
        3600..86_400 => two(s / 3600, "h", s % 3600 / 60, "m"),
        _ => two(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        return format!("{large}{large_unit}");
    }
    format!("{large}{large_unit} {small}{small_unit}")
}

/// `2h 10m (1h 50m to 3h)`: the median and the interval from p10 to p90.
pub(super) fn eta_with_interval(eta: Option<Eta>) -> String {
    eta.map_or_else(
        || "-".into(),
        |eta| format!("{} ({} to {})", span(eta.p50), span(eta.p10), span(eta.p90)),
    )
}

pub(super) const fn state(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::WarmingUp => "warming up",
        State::LeakSuspected => "leak",
        State::OomPredicted => "oom ahead",
        State::OomImminent => "OOM SOON",
    }
}

pub(super) const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::HeapLeak => "heap leak",
        Cause::RetainedGrowth => "retained growth",
        Cause::Fragmentation => "fragmentation",
        Cause::CacheFill => "cache fill",
        Cause::PageCache => "page cache",
        Cause::Shmem => "shared memory",
        Cause::OffHeap => "off heap",
        Cause::Kernel => "kernel",
        Cause::Threads => "threads",
        Cause::Fds => "fds",
        Cause::RestartLoop => "restart loop",
        Cause::Unknown => "-",
    }
}

/// Sorts by urgency: the worse state first, then the sooner end, then the faster growth.
pub(super) fn urgency(state: State, eta: Option<Eta>, rate: BytesPerSec) -> impl Ord {
    // Finite, non-negative floats of one sign sort like their bits.
    let rank = |x: f64| if x.is_finite() { x.max(0.0).to_bits() } else { u64::MAX };
    let soon = eta.map_or(u64::MAX, |eta| rank(eta.p50));
    (std::cmp::Reverse(state), soon, std::cmp::Reverse(rank(rate.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_cannot_drive_the_terminal() {
        assert_eq!(
            clean("a\u{1b}[2Jb\nc\u{202e}d\u{200b}e"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e"
        );
        assert_eq!(fit("日本語の名前", 5), "日本…");
        assert_eq!(pad("日本", 5, true), " 日本");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn amounts_and_times_read_well() {
        let rates =
            [0.0, 0.5, 300.0, 2.0 * 1_048_576.0, -4096.0, f64::NAN].map(BytesPerSec).map(rate);
        assert_eq!(rates, ["0", "+1.8 KiB/h", "+1.0 MiB/h", "+2.0 MiB/s", "-4.0 KiB/s", "0"]);
        let spans = [0.4, 59.0, 200.0, 7800.0, 86_400.0, 100_000.0, f64::INFINITY].map(span);
        assert_eq!(spans, ["0s", "59s", "3m 20s", "2h 10m", "1d", "1d 3h", "ages"]);
    }

    #[test]
    fn the_worse_state_then_the_sooner_end_then_the_faster_growth_comes_first() {
        let eta = |p50| Some(Eta { p10: 0.0, p50, p90: 1e9 });
        let mut all = [
            (State::LeakSuspected, None, 9.0, "slow"),
            (State::Ok, None, 99.0, "ok"),
            (State::OomPredicted, eta(900.0), 1.0, "later"),
            (State::LeakSuspected, None, 90.0, "fast"),
            (State::OomPredicted, eta(60.0), 1.0, "soon"),
        ];
        all.sort_by_key(|&(state, eta, rate, _)| urgency(state, eta, BytesPerSec(rate)));
        assert_eq!(all.map(|row| row.3), ["soon", "later", "fast", "slow", "ok"]);
    }

    proptest! {
        #[test]
        fn padding_always_gives_the_columns_asked_for(text: String, columns in 0_usize..40) {
            let padded = pad(&text, columns, false);
            prop_assert_eq!(width(&padded), columns);
            prop_assert!(!padded.contains(char::is_control));
        }
    }
}
