//! Items as they stand in a block. Pure; lengths are checked, for a checksum proves no good will.
//!
//! ```text
//! cas:u64 flags:u32 ends:u32 accessed:u32 value_len:u32 marks:u8 key_len:u8 key value
//! ```
//!
//! `ends` 0: never. Times are seconds of the writer's clock; little-endian.

use crate::clock::Secs;
use crate::store::{Expires, Item, KEY_BYTES_MAX};

const HEADER_LEN: usize = 26;
const STALE: u8 = 1;
const WON: u8 = 2;
const FETCHED: u8 = 4;

/// One item of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub flags: u32,
    pub cas: u64,
    pub expires: Expires,
    pub accessed: Secs,
    pub stale: bool,
    pub won: bool,
    pub fetched: bool,
}

/// Appends an item.
pub fn encode(key: &[u8], item: &Item<'_>, out: &mut Vec<u8>) {
    let (Ok(key_len), Ok(value_len)) = (u8::try_from(key.len()), u32::try_from(item.len())) else {
        // The store takes neither such keys nor such values.
        return;
    };
    let ends = match item.expires {
        Expires::Never => 0,
        Expires::At(at) => at.max(1),
    };
    let mark = |is_set: bool, mark: u8| if is_set { mark } else { 0 };
    out.extend_from_slice(&item.cas.to_le_bytes());
    for number in [item.flags, ends, item.accessed, value_len] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.push(mark(item.stale, STALE) | mark(item.won, WON) | mark(item.fetched, FETCHED));
    out.push(key_len);
    out.extend_from_slice(key);
    for part in item.parts() {
        out.extend_from_slice(part);
    }
}

/// Takes the first item off `block`. None at its end, or where it does not parse.
pub fn decode<'a>(block: &mut &'a [u8]) -> Option<Kept<'a>> {
    let (head, rest) = block.split_first_chunk::<HEADER_LEN>()?;
    let (cas, head) = head.split_first_chunk::<8>()?;
    let number = |at: usize| -> Option<u32> {
        let bytes = head.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let (flags, ends, accessed, value_len) = (number(0)?, number(4)?, number(8)?, number(12)?);
    let [marks, key_len] = [*head.get(16)?, *head.get(17)?];
    let key_len = usize::from(key_len);
    if key_len == 0 || key_len > KEY_BYTES_MAX {
        return None;
    }
    let (key, rest) = rest.split_at_checked(key_len)?;
    let (value, rest) = rest.split_at_checked(value_len as usize)?;
    *block = rest;
    Some(Kept {
        key,
        value,
        flags,
        cas: u64::from_le_bytes(*cas),
        expires: if ends == 0 { Expires::Never } else { Expires::At(ends) },
        accessed,
        stale: marks & STALE != 0,
        won: marks & WON != 0,
        fetched: marks & FETCHED != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_are_taken_apart_or_refused(bytes: Vec<u8>) {
            let mut rest = &bytes[..];
            while let Some(kept) = decode(&mut rest) {
                prop_assert!(kept.key.len() + kept.value.len() <= bytes.len());
            }
        }
    }
}
