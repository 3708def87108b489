//! Values as people write them: durations, sizes and ratios, read and written without loss.
//!
//! Refuses bare numbers for durations and sizes: `10` says neither seconds nor minutes.

use crate::units::Bytes;
use std::time::Duration;

/// Microseconds in each unit of time that can be written; the ones a duration is shown in last.
const TIMES: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Bytes in each unit of size that can be written; only the binary ones are shown.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

/// Reads `10s`, `100ms`, `1h30m`; None if it is anything else.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut micros: u64 = 0;
    while !rest.is_empty() {
        let (amount, unit, after) = number_and_unit(rest)?;
        let factor = TIMES.iter().find(|(name, _)| *name == unit)?.1;
        micros = micros.checked_add(amount.checked_mul(factor)?)?;
        rest = after;
    }
    (!text.trim().is_empty()).then(|| Duration::from_micros(micros))
}

/// Writes a duration in the largest unit up to hours that holds it exactly.
pub(super) fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let fits = |&&(_, factor): &&(&str, u64)| micros > 0 && micros.is_multiple_of(factor.into());
    match TIMES[1..].iter().find(fits) {
        Some((unit, factor)) => format!("{}{unit}", micros / u128::from(*factor)),
        None => "0s".into(),
    }
}

/// Reads `16MiB`, `64 KiB`, `500MB`; None if it is anything else.
pub(super) fn size(text: &str) -> Option<Bytes> {
    let (amount, unit, after) = number_and_unit(text.trim())?;
    let factor = SIZES.iter().find(|(name, _)| *name == unit)?.1;
    after.is_empty().then_some(Bytes(amount.checked_mul(factor)?))
}

/// Writes a size in the largest binary unit that holds it exactly.
pub(super) fn show_size(size: Bytes) -> String {
    let fits = |&&(_, factor): &&(&str, u64)| size.0 > 0 && size.0.is_multiple_of(factor);
    match SIZES[..5].iter().find(fits) {
        Some((unit, factor)) => format!("{}{unit}", size.0 / factor),
        None => "0B".into(),
    }
}

/// Reads `2%` or `0.02`; None if it is anything else or not finite.
pub(super) fn ratio(text: &str) -> Option<f64> {
    let text = text.trim();
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    value.is_finite().then_some(value)
}

/// Splits `10 MiB…` into the number, the letters after it, and what follows.
fn number_and_unit(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let amount = text[..digits].parse().ok()?;
    let rest = text[digits..].trim_start_matches(' ');
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    Some((amount, &rest[..letters], rest[letters..].trim_start_matches(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_with_their_units_and_refused_without() {
        for (text, millis) in
            [("10s", 10_000), ("100ms", 100), ("1h30m", 5_400_000), ("2d", 172_800_000)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", "10", "s", "-1s", "1.5s", "10 parsecs", "10s5", "99999999999999d", "１s"]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!(show_duration(Duration::from_secs(4 * 3600)), "4h");
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(show_duration(Duration::ZERO), "0s");
    }

    #[test]
    fn sizes_and_ratios_are_read_with_their_units() {
        assert_eq!(size("16MiB"), Some(Bytes::mib(16)));
        assert_eq!(size("500 MB"), Some(Bytes(500_000_000)));
        for wrong in ["", "16", "MiB", "1.5GiB", "-1B", "16MiB3", "99999999999TiB", "1mib"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
        assert_eq!(show_size(Bytes::mib(1536)), "1536MiB");
        assert_eq!((ratio("2%"), ratio("0.02")), (Some(0.02), Some(0.02)));
        assert_eq!((ratio("inf"), ratio("%"), ratio("2 percent")), (None, None, None));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(micros in 0..u64::MAX, bytes: u64) {
            let time = Duration::from_micros(micros);
            prop_assert_eq!(duration(&show_duration(time)), Some(time));
            prop_assert_eq!(size(&show_size(Bytes(bytes))), Some(Bytes(bytes)));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = (duration(&text), size(&text), ratio(&text));
        }
    }
}
