//! Little-endian numbers out of bytes that may be too few.

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The text up to the first NUL. None without one, if empty, or with control characters in it.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let end = memchr::memchr(0, bytes)?;
    let text = std::str::from_utf8(&bytes[..end]).ok().filter(|text| !text.is_empty())?;
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}
