//! Small readers shared by the text files of `/proc/PID`. Pure; bytes in, values out.

use crate::sources::Malformed;
use crate::units::Bytes;

/// A decimal number and nothing else.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The `1628 kB` behind a key, in bytes. The kernel's kB are 1024 bytes.
pub(super) fn kilobytes(value: &[u8]) -> Option<Bytes> {
    let number = decimal(value.strip_suffix(b"kB")?.trim_ascii())?;
    Some(Bytes(number.checked_mul(1024)?))
}

/// Calls `on(key, value)` for each `Key: value` line; lines without a colon are passed over.
///
/// # Errors
/// [`Malformed`] with the line for which `on` gives back what it had expected.
pub(super) fn for_each_key(
    bytes: &[u8],
    mut on: impl FnMut(&[u8], &[u8]) -> Result<(), &'static str>,
) -> Result<(), Malformed> {
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        on(&line[..colon], line[colon + 1..].trim_ascii())
            .map_err(|expected| Malformed::new(number, line, expected))?;
    }
    Ok(())
}

/// Foreign bytes as text that is safe to show: invalid UTF-8 becomes U+FFFD; control characters
/// and those that reorder or hide text become escapes such as `\n` and `\u{1b}`.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(is_unsafe_to_show) {
        return text.into_owned();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe_to_show(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_digits_only_and_fits() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "18446744073709551616", "-1", "+1", "1 ", "0x1"] {
            assert_eq!(decimal(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn kilobytes_are_1024_bytes() {
        assert_eq!(kilobytes(b"1628 kB"), Some(Bytes::kib(1628)));
        assert_eq!(kilobytes(b"1628"), None);
        assert_eq!(kilobytes(b"18446744073709551615 kB"), None);
    }

    #[test]
    fn what_could_trick_a_terminal_or_an_eye_is_escaped() {
        assert_eq!(printable(b"plain \xc3\xa9"), "plain é");
        assert_eq!(printable(b"a\nb\x1b[2J\xff"), "a\\nb\\u{1b}[2J\u{fffd}");
        assert_eq!(printable("x\u{202e}y".as_bytes()), "x\\u{202e}y");
    }
}
