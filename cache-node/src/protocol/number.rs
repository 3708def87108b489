//! Numbers as clients write them, read the way C's `strtol` family reads them.
//!
//! That is what memcached does, and clients have come to rely on its edges: blanks and a sign
//! may stand before, anything after a blank is not looked at, what does not fit in 32 bits loses
//! its upper half. Source: C11, 7.22.1.4; memcached's answers.

/// The longest number that a plain loop cannot overflow. Units: digits.
const PLAIN_DIGITS_MAX: usize = 19;

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// Sign and magnitude; None: no number, or none that fits in 64 bits.
fn read(text: &[u8]) -> Option<(bool, u64)> {
    let start = text.iter().position(|&byte| !is_blank(byte))?;
    let (minus, digits) = match text[start] {
        b'-' => (true, &text[start + 1..]),
        b'+' => (false, &text[start + 1..]),
        _ => (false, &text[start..]),
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ends = digits.get(count).is_none_or(|&byte| is_blank(byte) || byte == 0);
    if count == 0 || !ends {
        return None;
    }
    let append =
        |so_far: u64, digit: &u8| so_far.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    let magnitude = digits[..count].iter().try_fold(0_u64, append)?;
    Some((minus, magnitude))
}

/// A number that is digits only; None also where [`read`] would find one.
pub(super) fn plain(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > PLAIN_DIGITS_MAX {
        return None;
    }
    text.iter().try_fold(0_u64, |so_far, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| so_far * 10 + u64::from(digit))
    })
}

pub(super) fn u64(text: &[u8]) -> Option<u64> {
    if let Some(number) = plain(text) {
        return Some(number);
    }
    let (minus, magnitude) = read(text)?;
    let number = if minus { magnitude.wrapping_neg() } else { magnitude };
    (!minus || number >> 63 == 0).then_some(number)
}

#[expect(clippy::cast_possible_truncation, reason = "the upper half is dropped, as in memcached")]
pub(super) fn u32(text: &[u8]) -> Option<u32> {
    u64(text).map(|number| number as u32)
}

pub(super) fn i64(text: &[u8]) -> Option<i64> {
    match read(text)? {
        (true, magnitude) => 0_i64.checked_sub_unsigned(magnitude),
        (false, magnitude) => i64::try_from(magnitude).ok(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the upper half is dropped, as in memcached")]
pub(super) fn i32(text: &[u8]) -> Option<i32> {
    if let Some(number) = plain(text).filter(|&number| number <= i32::MAX as u64) {
        return Some(number as i32);
    }
    i64(text).map(|number| number as i32)
}

pub(super) fn f64(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_numbers_wrap_below_zero_only_where_c_does() {
        assert_eq!(u64(b"0"), Some(0));
        assert_eq!(u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(u64(b"18446744073709551616"), None);
        assert_eq!(u64(b"-1"), None);
        assert_eq!(u64(b"-18446744073709551615"), Some(1));
        assert_eq!(u64(b"+7"), Some(7));
        assert_eq!(u64(b" 7 rest"), Some(7));
        assert_eq!(u64(b"7x"), None);
        assert_eq!(u64(b""), None);
        assert_eq!(u64(b"-"), None);
    }

    #[test]
    fn what_does_not_fit_in_32_bits_loses_its_upper_half() {
        assert_eq!(u32(b"4294967296"), Some(0));
        assert_eq!(u32(b"4294967295"), Some(u32::MAX));
        assert_eq!(i32(b"4294967295"), Some(-1));
        assert_eq!(i32(b"-1"), Some(-1));
        assert_eq!(i32(b"2147483648"), Some(i32::MIN));
        assert_eq!(i32(b"9223372036854775808"), None);
        assert_eq!(i64(b"-9223372036854775808"), Some(i64::MIN));
    }

    #[test]
    fn a_number_ends_at_a_blank_or_at_the_end() {
        assert_eq!(i32(b"5\r"), Some(5));
        assert_eq!(i32(b"5\t9"), Some(5));
        assert_eq!(i32(b"5\0zz"), Some(5));
        assert_eq!(i32(b"5-"), None);
    }
}
