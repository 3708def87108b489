//! How an item lies in a segment. Pure over byte slices; any bytes can be read without a panic.
//!
//! ```text
//! key length 1 | bits 1 | value length 22 bits, frequency 2 bits | accessed 3 | order 4
//! [client flags 4] [end 4] [CAS, or the owner's hash of a piece 8] key value, padded to 4 bytes
//! ```
//!
//! `accessed` and `order` count from bases that the segment keeps. A piece of a large item has a
//! key length of 0. 12 bytes, so that 32 B of key and 100 B of value take 144.

/// The part that all records have. Units: bytes.
pub const HEADER_BYTES: usize = 12;
/// With all optional fields. Units: bytes.
pub const HEADER_BYTES_MAX: usize = HEADER_BYTES + 16;
/// Records begin at multiples of it, so that an offset takes 18 bits. Units: bytes.
pub const ALIGN: usize = 4;
/// Highest frequency that is told apart.
pub const FREQ_MAX: u8 = 3;
/// The end of what never ends.
pub const NEVER: u32 = u32::MAX;

pub const FETCHED: u8 = 1;
pub const STALE: u8 = 2;
pub const WON: u8 = 4;
pub const HAS_FLAGS: u8 = 8;
pub const HAS_END: u8 = 16;
/// An explicit CAS value; for a piece, the hash of its owner's key.
pub const HAS_CAS: u8 = 32;
/// The value is a list of pieces.
pub const LARGE: u8 = 64;
/// Nothing refers to it any more.
pub const DEAD: u8 = 128;

const VALUE_LEN_MAX: usize = (1 << 22) - 1;
const ACCESSED_MAX: u32 = (1 << 24) - 1;

/// What a record says about itself, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub key_len: usize,
    pub value_len: usize,
    pub bits: u8,
    pub freq: u8,
    /// Since the segment's base. Units: seconds.
    pub accessed: u32,
    /// Since the segment's base.
    pub order: u32,
    pub client_flags: u32,
    /// [`NEVER`] or the second from which on it is gone.
    pub end: u32,
    /// 0 unless [`HAS_CAS`].
    pub cas: u64,
}

/// Bytes before the key.
fn prefix_len(bits: u8) -> usize {
    let flags = usize::from(bits & HAS_FLAGS != 0) * 4;
    let end = usize::from(bits & HAS_END != 0) * 4;
    let cas = usize::from(bits & HAS_CAS != 0) * 8;
    HEADER_BYTES + flags + end + cas
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Whether the record at the beginning of `bytes` is that of `key`, and alive.
pub fn has_key(bytes: &[u8], key: &[u8]) -> bool {
    let Some(&[key_len, bits, ..]) = bytes.first_chunk::<HEADER_BYTES>() else { return false };
    let at = prefix_len(bits);
    usize::from(key_len) == key.len()
        && bits & DEAD == 0
        && bytes.get(at..at + key.len()).is_some_and(|held| held == key)
}

impl Head {
    /// Reads the record at the beginning of `bytes`; None if it is not whole.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let fixed = bytes.first_chunk::<HEADER_BYTES>()?;
        let [key_len, bits, l0, l1, l2, a0, a1, a2, o0, o1, o2, o3] = *fixed;
        let packed = u32::from_le_bytes([l0, l1, l2, 0]);
        let mut at = HEADER_BYTES;
        let mut head = Self {
            key_len: usize::from(key_len),
            value_len: packed as usize & VALUE_LEN_MAX,
            bits,
            freq: l2 >> 6,
            accessed: u32::from_le_bytes([a0, a1, a2, 0]),
            order: u32::from_le_bytes([o0, o1, o2, o3]),
            client_flags: 0,
            end: NEVER,
            cas: 0,
        };
        if bits & HAS_FLAGS != 0 {
            head.client_flags = u32_at(bytes, at)?;
            at += 4;
        }
        if bits & HAS_END != 0 {
            head.end = u32_at(bytes, at)?;
            at += 4;
        }
        if bits & HAS_CAS != 0 {
            head.cas = u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
        }
        (head.size() <= bytes.len()).then_some(head)
    }

    /// The part that all records have.
    fn fixed(&self) -> [u8; HEADER_BYTES] {
        debug_assert!(self.value_len <= VALUE_LEN_MAX && self.key_len <= usize::from(u8::MAX));
        let packed = self.value_len as u32 | u32::from(self.freq.min(FREQ_MAX)) << 22;
        let [l0, l1, l2, _] = packed.to_le_bytes();
        let [a0, a1, a2, _] = self.accessed.min(ACCESSED_MAX).to_le_bytes();
        let [o0, o1, o2, o3] = self.order.to_le_bytes();
        [self.key_len as u8, self.bits, l0, l1, l2, a0, a1, a2, o0, o1, o2, o3]
    }

    /// Writes what a fetch changes: bits, frequency, time.
    pub fn write_fetch(&self, bytes: &mut [u8]) {
        if let Some(fixed) = bytes.first_chunk_mut() {
            *fixed = self.fixed();
        }
    }

    /// Writes all but key and value. `bytes` is at least [`Self::size`] long.
    pub fn write(&self, bytes: &mut [u8]) {
        self.write_fetch(bytes);
        let mut at = HEADER_BYTES;
        if self.bits & HAS_FLAGS != 0 {
            bytes[at..at + 4].copy_from_slice(&self.client_flags.to_le_bytes());
            at += 4;
        }
        if self.bits & HAS_END != 0 {
            bytes[at..at + 4].copy_from_slice(&self.end.to_le_bytes());
            at += 4;
        }
        if self.bits & HAS_CAS != 0 {
            bytes[at..at + 8].copy_from_slice(&self.cas.to_le_bytes());
        }
    }

    /// Where the value begins.
    pub fn value_at(&self) -> usize {
        prefix_len(self.bits) + self.key_len
    }

    /// Length of the whole record with its padding.
    pub fn size(&self) -> usize {
        (self.value_at() + self.value_len).next_multiple_of(ALIGN)
    }

    pub fn is(&self, bit: u8) -> bool {
        self.bits & bit != 0
    }

    pub fn is_piece(&self) -> bool {
        self.key_len == 0
    }

    /// The key, of the bytes this was read from.
    pub fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let at = prefix_len(self.bits);
        bytes.get(at..at + self.key_len).unwrap_or_default()
    }

    /// The value, of the bytes this was read from.
    pub fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let at = self.value_at();
        bytes.get(at..at + self.value_len).unwrap_or_default()
    }

    pub fn value_mut<'a>(&self, bytes: &'a mut [u8]) -> &'a mut [u8] {
        let at = self.value_at();
        bytes.get_mut(at..at + self.value_len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_item_of_32_and_100_bytes_takes_144() {
        let head = Head::read(&[0; HEADER_BYTES]).unwrap();
        assert_eq!(Head { key_len: 32, value_len: 100, ..head }.size(), 144);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            (key_len, value_len, freq) in (0_usize..=255, 0_usize..3000, 0_u8..=FREQ_MAX),
            bits: u8, accessed in 0..=ACCESSED_MAX, order: u32, client_flags: u32, end: u32,
            cas: u64, cut in 1_usize..40,
        ) {
            let whole =
                Head { key_len, value_len, bits, freq, accessed, order, client_flags, end, cas };
            let head = Head {
                client_flags: if whole.is(HAS_FLAGS) { client_flags } else { 0 },
                end: if whole.is(HAS_END) { end } else { NEVER },
                cas: if whole.is(HAS_CAS) { cas } else { 0 },
                ..whole
            };
            let mut bytes = vec![0xA5; head.size()];
            head.write(&mut bytes);
            prop_assert_eq!(Head::read(&bytes), Some(head));
            prop_assert_eq!(head.key(&bytes).len(), key_len);
            prop_assert_eq!(head.value(&bytes).len(), value_len);
            let key = head.key(&bytes).to_vec();
            prop_assert_eq!(has_key(&bytes, &key), !head.is(DEAD));
            bytes.truncate(bytes.len().saturating_sub(cut));
            prop_assert_eq!(Head::read(&bytes), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            key in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            if let Some(head) = Head::read(&bytes) {
                let _ = (head.key(&bytes), head.value(&bytes));
            }
            let _ = has_key(&bytes, &key);
        }
    }
}
