//! Quantities of Kubernetes (`128Mi`, `0.5G`, `1e9`) as bytes. Pure.
//!
//! Source: Kubernetes API, resource.Quantity.

use crate::units::Bytes;

/// Factors in thousandths, so that `m` is one too.
const SUFFIXES: [(&str, u128); 14] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("", 1000),
];
const DIGITS_MAX: usize = 18;

/// None if it is no quantity, negative, or more than can be counted.
#[must_use]
pub(super) fn bytes(text: &str) -> Option<Bytes> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        Some((_, factor)) => *factor,
        None => {
            let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            1000_u128.checked_mul(10_u128.checked_pow(exponent)?)?
        }
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || digits.len() > DIGITS_MAX || part.contains('.') {
        return None;
    }
    let divisor = 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let thousandths = digits.parse::<u128>().ok()?.checked_mul(factor)? / divisor;
    u64::try_from(thousandths.div_ceil(1000)).ok().map(Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_a_quantity_is_read() {
        for (text, wanted) in [
            ("0", 0),
            ("134217728", 134_217_728),
            ("128Mi", 128 << 20),
            ("0.5Gi", 512 << 20),
            (".5k", 500),
            ("1e3", 1000),
            ("12E2", 1200),
            ("1500m", 2),
            ("2G", 2_000_000_000),
            ("1.5", 2),
            ("+1Ki", 1024),
        ] {
            assert_eq!(bytes(text), Some(Bytes(wanted)), "{text}");
        }
        for wrong in ["", ".", "-1", "1.2.3", "1mi", "Mi", "1 Mi", "1e", "1e99", "99E", "é"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, number in "[0-9.]{0,24}[a-zA-Z0-9+-]{0,4}") {
            let _ = (bytes(&text), bytes(&number));
        }
    }
}
