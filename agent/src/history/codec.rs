//! How runs are written as bytes, in blocks and on disk: varints and deltas to the run before.
//!
//! A run is written in two halves, because its end is only known when the next one begins:
//! `start = [gap] mask deltas…`, then `span`. `gap` is the time from the end of the run before,
//! `span` the time from start to end. `mask` has bit i for each value that differs from the run
//! before and bit 7 where the run before does *not* hold until this one begins (a gap in the data).
//! Reads foreign bytes from disk, so every read can say None; nothing here panics.

/// Values that held from `at` to `until`. Units: milliseconds on the boot clock; 4 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run<const N: usize> {
    pub at: i64,
    pub until: i64,
    pub values: [u32; N],
    /// The run before held until `at`: there is no gap in the data between them.
    pub joined: bool,
}

/// Stamps are clamped to ±285,000 years, so that sums and differences of two never overflow.
pub(super) const STAMP_MAX: i64 = 1 << 53;

const PARTED: u8 = 0x80;
const MINUTE_MS: u64 = 60_000;

/// A few bytes under construction, on the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scrap {
    bytes: [u8; 64],
    len: usize,
}

impl Scrap {
    /// A span takes at most this; a start at most 36 more: mask 1, seven values of 5.
    pub(super) const SPAN_MAX: usize = 10;

    pub(super) const fn new() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn byte(&mut self, byte: u8) {
        // 64 holds the longest span and start together (56); a longer one cannot be asked for.
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.byte(value.to_le_bytes()[0]);
    }

    /// A length of time; whole minutes take one byte up to an hour.
    pub(super) fn span(&mut self, ms: i64) {
        let ms = u64::try_from(ms).unwrap_or(0);
        let whole = ms > 0 && ms.is_multiple_of(MINUTE_MS);
        self.varint(if whole { (ms / MINUTE_MS) << 1 | 1 } else { ms << 1 });
    }

    /// Mask and deltas of `values` against those of the run before.
    pub(super) fn values<const N: usize>(
        &mut self,
        before: &[u32; N],
        values: &[u32; N],
        joined: bool,
    ) {
        let mask_at = self.len;
        self.byte(if joined { 0 } else { PARTED });
        for (i, (&old, &new)) in before.iter().zip(values).enumerate() {
            if old != new {
                self.bytes[mask_at] |= 1 << i;
                self.varint(zigzag(i64::from(new) - i64::from(old)));
            }
        }
    }
}

/// Reads what [`Scrap`] wrote. `None` means the bytes end early or make no sense.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        self.varint().map(unzigzag)
    }

    pub(super) fn span(&mut self) -> Option<i64> {
        let coded = self.varint()?;
        let unit = if coded & 1 == 1 { MINUTE_MS } else { 1 };
        let ms = i64::try_from((coded >> 1).checked_mul(unit)?).ok()?;
        (ms <= 2 * STAMP_MAX).then_some(ms)
    }

    /// Values and whether they are joined to the run before.
    pub(super) fn values<const N: usize>(&mut self, before: &[u32; N]) -> Option<([u32; N], bool)> {
        let mask = self.byte()?;
        let mut values = *before;
        for (i, value) in values.iter_mut().enumerate() {
            if mask & (1 << i) != 0 {
                let delta = self.signed()?;
                *value = u32::try_from(i64::from(*value).checked_add(delta)?).ok()?;
            }
        }
        Some((values, mask & PARTED == 0))
    }
}

pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn spans_and_values_come_back(
            ms in 0..2 * STAMP_MAX, before: [u32; 7], values: [u32; 7], joined: bool
        ) {
            let mut scrap = Scrap::new();
            scrap.span(ms);
            scrap.values(&before, &values, joined);
            prop_assert!(scrap.as_bytes().len() <= Scrap::SPAN_MAX + 36);
            let mut reader = Reader::new(scrap.as_bytes());
            prop_assert_eq!(reader.span(), Some(ms));
            prop_assert_eq!(reader.values(&before), Some((values, joined)));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, before: [u32; 7]) {
            let mut reader = Reader::new(&bytes);
            while reader.span().is_some() && reader.values(&before).is_some() {}
            while reader.signed().is_some() {}
        }
    }

    #[test]
    fn a_minute_that_follows_a_minute_with_one_changed_value_takes_four_bytes() {
        let mut scrap = Scrap::new();
        scrap.span(60_000);
        scrap.span(0);
        scrap.values(&[5, 5], &[5, 9], true);
        assert_eq!(scrap.as_bytes(), [3, 0, 0b10, 8]);
    }
}
