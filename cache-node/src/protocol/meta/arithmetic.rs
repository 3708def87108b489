//! `ma`: counts up or down; what is missing may be created.

use super::flags::{self, Flags, OPAQUE_TOO_LONG, flag, time_left};
use crate::protocol::classic::delta::{self, Delta, NOT_A_NUMBER, Sum};
use crate::protocol::turn::{Turn, number as append};
use crate::protocol::words::Words;
use crate::store::{Data, Expires, New, Slot};

const TOO_MANY: &[u8] = b"CLIENT_ERROR options flags too long";
const BAD_FLAG: &[u8] = b"CLIENT_ERROR invalid or duplicate flag";
const BAD_MODE: &[u8] = b"CLIENT_ERROR invalid mode for ma M token";

/// The number as it is now.
struct Now {
    number: u64,
    cas: u64,
    expires: Expires,
    created: bool,
}

pub(in crate::protocol) fn run(turn: &mut Turn<'_>, words: &Words<'_>) {
    if let Err(text) = flags::check_line(words, TOO_MANY) {
        return turn.insist(text);
    }
    let Ok(flags) = Flags::read(turn, words, 2) else { return turn.insist(BAD_FLAG) };
    let up = match flags.mode {
        0 | b'I' | b'+' => true,
        b'D' | b'-' => false,
        _ => return turn.insist(BAD_MODE),
    };
    if flags.opaque_too_long {
        return turn.insist(OPAQUE_TOO_LONG);
    }
    let (by, compare) = (flags.delta, flags.compare.unwrap_or(0));
    let mut slot = turn.context.store.lock(flags.key(words));
    let sum = delta::apply(turn, &mut slot, Delta { up, by, compare, cas: flags.cas });
    let now = match (sum, flags.vivify) {
        (Sum::Now { number, cas, expires }, _) => Now { number, cas, expires, created: false },
        (Sum::NotFound, Some(_)) => match create(turn, &mut slot, &flags) {
            Some(now) => now,
            None => {
                drop(slot);
                return turn.insist(b"SERVER_ERROR Out of memory allocating new item");
            }
        },
        (Sum::NotFound, None) => {
            drop(slot);
            delta::missed(turn, up);
            return empty(turn, words, &flags, b"NF");
        }
        (Sum::Exists, _) => {
            drop(slot);
            return empty(turn, words, &flags, b"EX");
        }
        (Sum::NotANumber, _) => return turn.insist(NOT_A_NUMBER),
        (Sum::NoMemory, _) => return turn.insist(b"SERVER_ERROR out of memory"),
    };
    let ends = answer(turn, words, &flags, &now);
    if ends != now.expires {
        slot.touch(ends, turn.now);
    }
}

fn create(turn: &Turn<'_>, slot: &mut Slot<'_>, flags: &Flags) -> Option<Now> {
    let mut buffer = itoa::Buffer::new();
    let data = Data::Bytes(buffer.format(flags.initial).as_bytes());
    let new = New { flags: 0, expires: Expires::Never, data, cas: flags.cas };
    let cas = slot.put(new, turn.now).ok()?;
    let expires = Expires::Never;
    Some(Now { number: flags.initial, cas: turn.cas(cas), expires, created: true })
}

/// Appends the answer for a number that is there; returns when it ends from now on.
fn answer(turn: &mut Turn<'_>, words: &Words<'_>, flags: &Flags, now: &Now) -> Expires {
    let start = turn.out.len();
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(now.number).as_bytes();
    let out = &mut *turn.out;
    if flags.value {
        out.extend_from_slice(b"VA ");
        append(out, digits.len());
    } else {
        out.extend_from_slice(b"HD");
    }
    let mut expires = now.expires;
    for word in words.from(2) {
        match word[0] {
            b'T' => expires = flags.expires.unwrap_or(expires),
            b'N' if now.created => expires = flags.vivify.unwrap_or(expires),
            b'c' => flag(out, b'c', now.cas),
            b't' => time_left(out, expires, turn.now),
            b'O' => flags::opaque(out, word),
            b'k' => flags::key(out, flags.key(words), flags.binary),
            _ => {}
        }
    }
    out.extend_from_slice(b"\r\n");
    if flags.value {
        out.extend_from_slice(digits);
        out.extend_from_slice(b"\r\n");
    }
    if flags.quiet && !now.created {
        out.truncate(start);
    }
    expires
}

fn empty(turn: &mut Turn<'_>, words: &Words<'_>, flags: &Flags, code: &[u8]) {
    turn.out.extend_from_slice(code);
    flags::echo(turn.out, words, 2, flags);
    turn.out.extend_from_slice(b"\r\n");
}
