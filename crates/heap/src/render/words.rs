//! Amounts and foreign names as people read them. Pure.

/// Columns of what a verdict rests on.
const EVIDENCE: usize = 80;

/// Replaces what could drive a terminal or deceive its reader: control characters, and those that
/// turn the direction of text or have no width. Source: Unicode 16, Bidi_Control and Cf.
#[must_use]
pub fn harmless(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
            || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
            || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    text.chars().map(|c| if harmful(c) { '\u{fffd}' } else { c }).collect()
}

/// [`harmless`], and no longer than `columns` characters, with … at the cut.
#[must_use]
pub fn fit(text: &str, columns: usize) -> String {
    let text = harmless(text);
    if text.chars().count() <= columns {
        return text;
    }
    let cut: String = text.chars().take(columns.saturating_sub(1)).collect();
    if columns == 0 { cut } else { cut + "…" }
}

/// `1.5 MiB`: three figures at most and the unit.
#[must_use]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value < 100.0);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// [`bytes`] with its sign; nothing changed is `0`.
#[must_use]
pub fn change(n: i64) -> String {
    match n {
        0 => "0".to_owned(),
        1.. => format!("+{}", bytes(n.unsigned_abs())),
        _ => format!("-{}", bytes(n.unsigned_abs())),
    }
}

/// `63,904`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 block`, `2 blocks`.
#[must_use]
pub fn blocks(n: u64) -> String {
    format!("{} block{}", count(n), if n == 1 { "" } else { "s" })
}

/// `a` of `whole` in percent; 0 where there is no whole.
#[must_use]
pub fn percent(a: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * a as f64 / whole as f64 }
}

/// A sum that cannot overflow: documents may be foreign.
#[must_use]
pub fn total(of: impl Iterator<Item = u64>) -> u64 {
    of.fold(0, u64::saturating_add)
}

/// Words of the document's names: `heap_leak` is shown as `heap leak`.
#[must_use]
pub fn plain(name: &str) -> String {
    harmless(name).replace('_', " ")
}

/// What a verdict rests on: a field of the document by [`plain`], and behind it, as it is, the name
/// of a type, root, stack or site of the program.
#[must_use]
pub fn evidence(what: &str) -> String {
    const NAMING: [&str; 5] =
        ["leaks.by_type ", "leaks.by_stack ", "roots ", "largest type ", "largest frames "];
    match NAMING.iter().find_map(|field| Some((field, what.strip_prefix(field)?))) {
        Some((field, name)) => fit(&format!("{}{name}", plain(field)), EVIDENCE),
        None => fit(&plain(what), EVIDENCE),
    }
}

/// A value with its unit; bytes as bytes.
#[must_use]
pub fn amount(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    match unit {
        "By" | "bytes" | "byte" if value < 0.0 => format!("-{}", bytes((-value) as u64)),
        "By" | "bytes" | "byte" => bytes(value as u64),
        "1" | "ratio" => format!("{value:.2}"),
        "" | "count" | "blocks" => number(value),
        "%" | "percent" => format!("{value:.0} %"),
        other => format!("{} {}", number(value), harmless(other)),
    }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", count(value.abs() as u64));
    }
    format!("{value:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(
            [0, 1023, 1024, 1_500_000, 400 << 20].map(bytes).join(" "),
            "0 B 1023 B 1.0 KiB 1.4 MiB 400 MiB"
        );
        assert_eq!([0, -2048, 5].map(change).join(" "), "0 -2.0 KiB +5 B");
        assert_eq!(
            [0, 999, 1000, 63_904, 1_000_000].map(count).join(" "),
            "0 999 1,000 63,904 1,000,000"
        );
        assert_eq!(amount(2048.0, "By"), "2.0 KiB");
        assert_eq!(amount(0.875, "1"), "0.88");
        assert_eq!(amount(f64::NAN, "s"), "unknown");
    }

    #[test]
    fn names_of_the_program_stand_as_they_are_in_evidence() {
        assert_eq!(evidence("leaks.unreachable_bytes"), "leaks.unreachable bytes");
        assert_eq!(evidence("leaks.by_type my::__Some_Type"), "leaks.by type my::__Some_Type");
        assert_eq!(evidence("roots app g_cache_"), "roots app g_cache_");
        assert_eq!(evidence(&"x".repeat(500)).chars().count(), EVIDENCE);
    }

    #[test]
    fn a_foreign_name_can_neither_drive_a_terminal_nor_run_on() {
        assert_eq!(harmless("a\u{1b}[2Jb\n\u{202e}"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!((fit("ab", 4).as_str(), fit("ab", 0).as_str()), ("ab", ""));
    }
}
