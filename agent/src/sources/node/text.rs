//! What the node's text files have in common: lines, words and decimal numbers.

/// The lines of a file that are not empty, with their 1-based numbers.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(bytes.split(|&b| b == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// The words of a line, between runs of white space.
pub(super) fn words(line: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A decimal number that fits; unlike `str::parse` it takes no sign.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// A kernel name as text; bytes that are not UTF-8 are replaced.
pub(super) fn name(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// `Node 0, zone   Normal rest…` → `(0, "Normal", rest)`: how buddyinfo and zoneinfo name a zone.
pub(super) fn zone_header(line: &[u8]) -> Option<(u32, String, &[u8])> {
    let line = line.strip_prefix(b"Node ")?;
    let comma = line.iter().position(|&b| b == b',')?;
    let node = u32::try_from(number(&line[..comma])?).ok()?;
    let rest = line[comma + 1..].trim_ascii_start().strip_prefix(b"zone")?.trim_ascii_start();
    let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
    let zone = &rest[..end];
    (!zone.is_empty()).then(|| (node, name(zone), &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_that_fit_are_a_number() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "+1", "-1", " 1", "1k", "18446744073709551616"] {
            assert_eq!(number(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_zone_header_gives_node_and_zone() {
        let (node, zone, rest) = zone_header(b"Node 12, zone    DMA32      1").unwrap();
        assert_eq!((node, zone.as_str(), rest.trim_ascii()), (12, "DMA32", b"1".as_slice()));
        for wrong in ["Node 0, zone ", "Node x, zone DMA", "Node 0 zone DMA", "zone DMA"] {
            assert!(zone_header(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
