//! The two forms that cgroup files have: `key value` lines and a lone value. Pure.

use crate::sources::Malformed;
use crate::units::{Bytes, Limit};
use std::collections::BTreeMap;

/// The kernel's "no limit" on v1 is the largest whole number of pages below 2^63, so it depends
/// on the page size; on kernels before 4.0 it was 2^64 − 1. No machine has a page above 1 MiB nor
/// memory near this.
const V1_NO_LIMIT_MIN: u64 = i64::MAX as u64 - (1 << 20);

/// Kernels know about six events; more than this is not the kernel.
const EVENTS_MAX: usize = 64;

/// `key value` lines of a flat keyed file, with their numbers. The value is not parsed yet, so
/// that lines nobody wants cost only the search for their end.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

/// One line of a flat keyed file.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) key: &'a [u8],
    value: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, number: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let (line, rest) = self.rest.split_at(line_end(self.rest));
        self.rest = rest.get(1..).unwrap_or_default();
        let space = line.iter().position(|&b| b == b' ').unwrap_or(line.len());
        let (key, value) = line.split_at(space);
        Some(Line { key, value: value.get(1..).unwrap_or_default(), number: self.number })
    }
}

/// The index of the first newline, or the length. Looks at eight bytes at a time, because most
/// lines of `memory.stat` are only passed over: v1's file takes 0.46 µs, byte by byte 0.63 µs.
#[inline]
fn line_end(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (words, _) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        // A byte is zero here where it was a newline; the lowest high bit that is left marks the
        // first of them (Mycroft's test; only bits above the first can be wrong).
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'\n'));
        let zero = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zero != 0 {
            return i * 8 + zero.trailing_zeros() as usize / 8;
        }
    }
    let tail = words.len() * 8;
    tail + bytes[tail..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - tail)
}

impl Line<'_> {
    /// # Errors
    /// [`Malformed`] if the value is not decimal.
    #[inline]
    pub(super) fn bytes(&self) -> Result<Option<Bytes>, Malformed> {
        self.number().map(|n| Some(Bytes(n)))
    }

    fn number(&self) -> Result<u64, Malformed> {
        decimal(self.value)
            .ok_or_else(|| Malformed::new(self.number, self.value, "a decimal number"))
    }
}

/// Parses an unsigned decimal; None for anything else, overflow included.
#[inline]
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, &b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Parses a file that holds one number and a newline, such as `memory.current`.
///
/// # Errors
/// [`Malformed`] if it holds anything else.
#[inline]
pub fn parse_number(bytes: &[u8]) -> Result<u64, Malformed> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    decimal(text).ok_or_else(|| Malformed::new(1, text, "a decimal number"))
}

/// Parses a limit of either version: v2's `max` and v1's `PAGE_COUNTER_MAX` are [`Limit::Max`].
///
/// # Errors
/// [`Malformed`] if it is neither `max` nor decimal.
pub fn parse_limit(bytes: &[u8]) -> Result<Limit, Malformed> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if text == b"max" {
        return Ok(Limit::Max);
    }
    match decimal(text) {
        Some(n) if n >= V1_NO_LIMIT_MIN => Ok(Limit::Max),
        Some(n) => Ok(Limit::At(Bytes(n))),
        None => Err(Malformed::new(1, text, "a number of bytes or 'max'")),
    }
}

/// Parses v2's `memory.events` or v1's `memory.oom_control`. Keys are the kernel's.
///
/// Shape: at most 64 keys; later ones are dropped. Units: counts since the cgroup was made, which
/// never fall; on v1 `under_oom` and `oom_kill_disable` are 0 or 1.
///
/// # Errors
/// [`Malformed`] if a key is not text or a value not decimal.
pub fn parse_events(bytes: &[u8]) -> Result<BTreeMap<String, u64>, Malformed> {
    let mut events = BTreeMap::new();
    for line in Lines::of(bytes).take(EVENTS_MAX) {
        let key = std::str::from_utf8(line.key)
            .map_err(|_| Malformed::new(line.number, line.key, "the name of an event"))?;
        events.insert(key.to_owned(), line.number()?);
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_limit_is_max_on_both_versions_and_at_every_page_size() {
        for unlimited in
            ["max\n", "9223372036854771712\n", "9223372036854710272\n", "18446744073709551615\n"]
        {
            assert_eq!(parse_limit(unlimited.as_bytes()), Ok(Limit::Max), "{unlimited}");
        }
        assert_eq!(parse_limit(b"33554432\n"), Ok(Limit::At(Bytes::mib(32))));
        assert_eq!(parse_limit(b"0\n"), Ok(Limit::At(Bytes::ZERO)));
        assert_eq!(
            parse_limit(b"-1\n").unwrap_err().to_string(),
            "line 1: cannot read '-1' as a number of bytes or 'max'"
        );
    }

    #[test]
    fn a_number_that_overflows_or_trails_text_is_malformed() {
        assert_eq!(parse_number(b"18446744073709551615\n"), Ok(u64::MAX));
        for wrong in ["", "\n", "18446744073709551616", "1 ", "1\n\n", "0x10", "٣"] {
            assert!(parse_number(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn events_keep_the_kernels_names_and_say_which_line_is_wrong() {
        let v2 = include_bytes!("../../../fixtures/cgroup/v2-6.12-pod/memory.events");
        let v2: Vec<_> = parse_events(v2).unwrap().into_iter().collect();
        let named = |(name, count): (&str, u64)| (name.to_owned(), count);
        assert_eq!(
            v2,
            [
                ("high", 269),
                ("low", 0),
                ("max", 38),
                ("oom", 1),
                ("oom_group_kill", 0),
                ("oom_kill", 1)
            ]
            .map(named)
        );
        assert_eq!(parse_events(b"low 0\nhigh x\n").unwrap_err().line, 2);
        assert_eq!(parse_events(b"low\n").unwrap_err().text, "");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_lines_lose_no_key(bytes: Vec<u8>) {
            let _ = (parse_number(&bytes), parse_limit(&bytes), parse_events(&bytes));
            let lines = bytes.split_inclusive(|&b| b == b'\n').count();
            prop_assert_eq!(Lines::of(&bytes).count(), lines);
        }

        #[test]
        fn the_end_of_a_line_is_its_first_newline(bytes in "[a\n\u{8b}\u{0}]{0,40}") {
            let naive = bytes.bytes().position(|b| b == b'\n').unwrap_or(bytes.len());
            prop_assert_eq!(line_end(bytes.as_bytes()), naive);
        }

        #[test]
        fn a_printed_number_is_read_back(n: u64) {
            prop_assert_eq!(parse_number(format!("{n}\n").as_bytes()), Ok(n));
        }
    }
}
