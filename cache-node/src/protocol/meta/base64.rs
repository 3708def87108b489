//! Keys in base64. Source: RFC 4648, section 4; what is outside the alphabet is skipped.

use crate::store::KEY_BYTES_MAX;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Not in the alphabet.
const NONE: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values[b'=' as usize] = 0;
    values
};

/// A decoded key.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Decoded {
    bytes: [u8; KEY_BYTES_MAX],
    len: usize,
}

impl Decoded {
    pub(in crate::protocol) const fn empty() -> Self {
        Self { bytes: [0; KEY_BYTES_MAX], len: 0 }
    }

    pub(in crate::protocol) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, bytes: &[u8]) {
        // Four letters become three bytes, and no more letters come in than bytes fit.
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// Reads `text`, at most [`KEY_BYTES_MAX`] letters; false if it is no whole number of
    /// fours, or has too much padding.
    pub(in crate::protocol) fn read(&mut self, text: &[u8]) -> bool {
        self.len = 0;
        let letters = || text.iter().filter(|&&byte| VALUES[usize::from(byte)] != NONE);
        let count = letters().count();
        if count == 0 || count % 4 != 0 {
            return false;
        }
        let mut block = [0_u8; 4];
        let mut padding = 0;
        for (at, &byte) in letters().enumerate() {
            padding += usize::from(byte == b'=');
            block[at % 4] = VALUES[usize::from(byte)];
            if at % 4 < 3 {
                continue;
            }
            let [a, b, c, d] = block;
            let three = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
            if padding > 2 {
                return false;
            }
            self.push(&three[..3 - padding]);
            if padding > 0 {
                break;
            }
        }
        true
    }
}

/// Appends `bytes` in base64.
pub(in crate::protocol) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| chunk.get(at).copied().unwrap_or(0);
        let (a, b, c) = (byte(0), byte(1), byte(2));
        let sextets = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        for (at, sextet) in sextets.into_iter().enumerate() {
            let there = at <= chunk.len();
            out.push(if there { ALPHABET[usize::from(sextet)] } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], expect: Option<&[u8]>) {
        let mut decoded = Decoded::empty();
        let fine = decoded.read(text);
        assert_eq!(fine.then_some(decoded.bytes()), expect);
    }

    #[test]
    fn what_is_encoded_reads_back() {
        for len in 0..=180 {
            let bytes: Vec<u8> = (0..len).map(|n: u8| n.wrapping_mul(37)).collect();
            let mut text = Vec::new();
            encode(&bytes, &mut text);
            check(&text, (len > 0).then_some(&bytes));
        }
    }

    #[test]
    fn text_of_no_whole_fours_or_all_padding_is_refused() {
        check(b"Zm9v", Some(b"foo"));
        check(b"Zm9vYg==", Some(b"foob"));
        check(b"Zm9", None);
        check(b"====", None);
        check(b"", None);
        check(b"Zm!9v", Some(b"foo"));
    }
}
