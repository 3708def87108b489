//! Frames: length, checksum, kind, payload. Knows nothing of what the payload means.

use std::io::{self, Read};

/// What a file begins with: its kind and the version of everything in it.
pub(super) const FILE_HEAD: [u8; 12] = *b"plimsoll\x01\0\0\0";
const MAGIC: [u8; 4] = *b"plmf";
/// Magic, length of what follows the checksum, checksum (CRC-32/ISO-HDLC).
pub(super) const HEAD_BYTES: usize = 12;
/// No frame is longer, so that a hostile length costs no memory.
pub(super) const FRAME_MAX: usize = 4 << 20;

/// First in a file: the boot id of the agent that wrote it.
pub(super) const BOOT: u8 = 1;
/// Records; applied in order.
pub(super) const RECORDS: u8 = 2;

/// The bytes of one frame.
#[must_use]
pub fn framed(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD_BYTES + 1 + payload.len());
    frame.extend_from_slice(&[0; HEAD_BYTES]);
    frame.push(kind);
    frame.extend_from_slice(payload);
    seal(&mut frame);
    frame
}

/// An empty frame of `kind`, to be filled and then sealed.
pub(super) fn begun(kind: u8) -> Vec<u8> {
    let mut frame = vec![0; HEAD_BYTES];
    frame.push(kind);
    frame
}

/// Writes magic, length and checksum over the first 12 bytes.
pub(super) fn seal(frame: &mut [u8]) {
    let Some((head, body)) = frame.split_at_mut_checked(HEAD_BYTES) else { return };
    head[..4].copy_from_slice(&MAGIC);
    head[4..8].copy_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    head[8..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
}

/// Reads the next frame into `body`. Ok(None) at the end of the file and at the first frame that is
/// torn, damaged or too long: nothing behind it can be trusted.
///
/// # Errors
/// Only what reading itself fails with.
pub(super) fn next(
    file: &mut impl Read,
    body: &mut Vec<u8>,
) -> io::Result<Option<(u8, std::ops::Range<usize>)>> {
    let mut head = [0; HEAD_BYTES];
    if read_full(file, &mut head)? < HEAD_BYTES || head[..4] != MAGIC {
        return Ok(None);
    }
    let word = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
    let len = usize::try_from(word(4)).unwrap_or(usize::MAX);
    if len == 0 || len > FRAME_MAX {
        return Ok(None);
    }
    body.clear();
    file.take(len as u64).read_to_end(body)?;
    if body.len() < len || crc32fast::hash(body) != word(8) {
        return Ok(None);
    }
    Ok(Some((body[0], 1..len)))
}

/// Fills `bytes` as far as the file goes.
pub(super) fn read_full(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
