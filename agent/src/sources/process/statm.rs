//! `/proc/PID/statm`: size, resident and shared pages. The hot path of the sampler.
//!
//! The kernel sums per-mm counters for it and takes no lock of the target, so it costs the same at
//! any size. It refuses to read the other four fields, which no decision rests on.

use crate::sources::Malformed;
use crate::units::Pages;

/// Longest text of which the first three fields can be part: three times 20 digits and a space.
pub(super) const HEAD_MAX: usize = 64;

/// The first three fields of `statm`. All zero for kernel threads and zombies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statm {
    /// Virtual size.
    pub size: Pages,
    /// Resident: anonymous, file and shmem pages. Hugetlb pages are not in it.
    pub resident: Pages,
    /// The resident file and shmem pages.
    pub shared: Pages,
}

impl Statm {
    /// True for a process without an address space: a kernel thread, or one that has exited and
    /// is not reaped. (Its threads may live on when only the leader has exited.)
    #[must_use]
    pub fn is_without_memory(&self) -> bool {
        self.size == Pages(0)
    }
}

/// Parses the first three fields of `statm`; whatever follows them is not looked at.
///
/// Units: pages. Cost: 9 ns, no allocation.
///
/// # Errors
/// [`Malformed`] if there are fewer than three decimal numbers, or one does not fit 64 bits.
#[inline]
pub fn parse(bytes: &[u8]) -> Result<Statm, Malformed> {
    let mut rest = bytes;
    let fields = (|| {
        Some(Statm {
            size: Pages(next_number(&mut rest)?),
            resident: Pages(next_number(&mut rest)?),
            shared: Pages(next_number(&mut rest)?),
        })
    })();
    fields.ok_or_else(|| Malformed::new(1, bytes, "three page counts"))
}

/// Takes one decimal number and the one space or newline behind it off the front of `rest`.
#[inline]
fn next_number(rest: &mut &[u8]) -> Option<u64> {
    let (&first, mut tail) = rest.split_first()?;
    let mut number = digit(first)?;
    while let Some((&byte, after)) = tail.split_first() {
        tail = after;
        match digit(byte) {
            Some(digit) => number = number.checked_mul(10)?.checked_add(digit)?,
            None if byte == b' ' || byte == b'\n' => break,
            None => return None,
        }
    }
    *rest = tail;
    Some(number)
}

#[inline]
fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_captured_line_gives_its_first_three_fields() {
        let statm = parse(include_bytes!("../../../fixtures/process/statm-bash")).unwrap();
        assert_eq!(statm, Statm { size: Pages(1090), resident: Pages(796), shared: Pages(728) });
        let v6_1 = parse(include_bytes!("../../../fixtures/process/statm-6.1")).unwrap();
        assert_eq!((v6_1.resident, v6_1.shared), (Pages(2884), Pages(337)));
        let v6_12 = parse(include_bytes!("../../../fixtures/process/statm-6.12")).unwrap();
        assert_eq!((v6_12.resident, v6_12.shared), (Pages(2943), Pages(337)));
    }

    #[test]
    fn the_largest_numbers_fit_and_larger_ones_are_refused() {
        let max = u64::MAX;
        let line = format!("{max} {max} {max}");
        assert!(line.len() < HEAD_MAX);
        assert_eq!(parse(line.as_bytes()).unwrap().shared, Pages(max));
        let over = parse(b"1 2 18446744073709551616 0").unwrap_err();
        assert_eq!(over.expected, "three page counts");
    }

    #[test]
    fn what_is_not_three_decimal_numbers_is_malformed() {
        for wrong in ["", "1", "1 2", "1 2 ", "1  2 3", "-1 2 3", "1 2 x", "a b c", " 1 2 3"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_was_written_is_read(size: u64, resident: u64, shared: u64) {
            let line = format!("{size} {resident} {shared} 5 0 6 0\n");
            let statm = parse(line.as_bytes()).unwrap();
            prop_assert_eq!(
                statm,
                Statm { size: Pages(size), resident: Pages(resident), shared: Pages(shared) }
            );
        }
    }
}
