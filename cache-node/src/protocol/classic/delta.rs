//! `incr` and `decr`, and the arithmetic that `ma` shares with them.

use crate::protocol::number;
use crate::protocol::turn::{BAD_FORMAT, Saw, Turn};
use crate::protocol::words::Words;
use crate::store::{Data, Expires, KEY_BYTES_MAX, New, Refused, Slot};

pub(in crate::protocol) const NOT_A_NUMBER: &[u8] =
    b"CLIENT_ERROR cannot increment or decrement non-numeric value";

/// Digits of the largest number.
const DIGITS_MAX: usize = 20;

/// What is to be added or taken away.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Delta {
    pub(in crate::protocol) up: bool,
    pub(in crate::protocol) by: u64,
    /// The CAS value that what is held must have; 0: any.
    pub(in crate::protocol) compare: u64,
    /// The CAS value it gets; None: the next one.
    pub(in crate::protocol) cas: Option<u64>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Sum {
    Now { number: u64, cas: u64, expires: Expires },
    NotFound,
    Exists,
    NotANumber,
    NoMemory,
}

/// Adds to the number held in `slot`, which wraps at 2^64, or takes from it, down to 0.
///
/// A number that needs no more digits than are there is written over them, blanks behind it: the
/// length does not change. That is what memcached does, and clients see it.
pub(in crate::protocol) fn apply(turn: &Turn<'_>, slot: &mut Slot<'_>, delta: Delta) -> Sum {
    let Some(item) = slot.find(turn.now) else { return Sum::NotFound };
    let (len, flags, expires) = (item.len(), item.flags, item.expires);
    if delta.compare != 0 && turn.cas(item.cas) != delta.compare {
        return Sum::Exists;
    }
    let mut parts = item.parts();
    let (Some(text), None) = (parts.next(), parts.next()) else { return Sum::NotANumber };
    let Some(held) = number::u64(text) else { return Sum::NotANumber };
    drop(parts);
    let number = if delta.up { held.wrapping_add(delta.by) } else { held.saturating_sub(delta.by) };
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number).as_bytes();
    let stored = if len <= DIGITS_MAX && digits.len() <= len {
        let mut padded = [b' '; DIGITS_MAX];
        padded[..digits.len()].copy_from_slice(digits);
        slot.rewrite(&padded[..len], delta.cas).ok_or(Refused::OutOfMemory)
    } else if digits.len() <= len {
        let mut padded = digits.to_vec();
        padded.resize(len, b' ');
        slot.rewrite(&padded, delta.cas).ok_or(Refused::OutOfMemory)
    } else {
        let data = Data::Bytes(digits);
        slot.put(New { flags, expires, data, cas: delta.cas }, turn.now)
    };
    let counters = &turn.context.counters;
    match stored {
        Ok(cas) => {
            if delta.up { &counters.incr_hits } else { &counters.decr_hits }.add(1);
            Sum::Now { number, cas: turn.cas(cas), expires }
        }
        Err(_) => Sum::NoMemory,
    }
}

pub(in crate::protocol) fn run(turn: &mut Turn<'_>, words: &Words<'_>, up: bool) {
    if !matches!(words.count(), 3 | 4) {
        return turn.say(b"ERROR");
    }
    turn.quiet = words.noreply();
    let key = words.at(1);
    if key.len() > KEY_BYTES_MAX {
        return turn.say(BAD_FORMAT);
    }
    let Some(by) = number::u64(words.at(2)) else {
        return turn.say(b"CLIENT_ERROR invalid numeric delta argument");
    };
    let mut slot = turn.context.store.lock(key);
    let sum = apply(turn, &mut slot, Delta { up, by, compare: 0, cas: None });
    let len = (sum != Sum::NotFound).then_some(0);
    let saw = Saw::of(len, &slot);
    drop(slot);
    turn.looked(key, saw);
    match sum {
        Sum::Now { number, .. } => turn.say(itoa::Buffer::new().format(number).as_bytes()),
        Sum::NotANumber => turn.say(NOT_A_NUMBER),
        Sum::NoMemory | Sum::Exists => turn.say(b"SERVER_ERROR out of memory"),
        Sum::NotFound => {
            missed(turn, up);
            turn.say(b"NOT_FOUND");
        }
    }
}

pub(in crate::protocol) fn missed(turn: &Turn<'_>, up: bool) {
    let counters = &turn.context.counters;
    if up { &counters.incr_misses } else { &counters.decr_misses }.add(1);
}
