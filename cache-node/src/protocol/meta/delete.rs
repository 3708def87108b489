//! `md`: deletes, or marks what is held as stale, or empties it.

use super::flags::{self, Flags, OPAQUE_TOO_LONG};
use crate::protocol::turn::{Saw, Turn};
use crate::protocol::words::Words;
use crate::store::{Data, New, Slot};

const TOO_MANY: &[u8] = b"CLIENT_ERROR options flags too long";
const BAD_FLAG: &[u8] = b"CLIENT_ERROR invalid or duplicate flag";

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Did {
    Deleted,
    /// It is still there: stale, or empty.
    Marked,
    Exists,
    NotFound,
    Refused,
}

pub(in crate::protocol) fn run(turn: &mut Turn<'_>, words: &Words<'_>) {
    if let Err(text) = flags::check_line(words, TOO_MANY) {
        return turn.insist(text);
    }
    let flags = match Flags::read(turn, words, 2) {
        Ok(flags) if flags.opaque_too_long => return turn.insist(OPAQUE_TOO_LONG),
        Ok(flags) => flags,
        Err(_) => return turn.insist(BAD_FLAG),
    };
    let key = flags.key(words);
    let mut slot = turn.context.store.lock(key);
    let (did, len) = delete(turn, &mut slot, &flags);
    let saw = Saw::of(len, &slot);
    drop(slot);
    turn.looked(key, saw);
    let counters = &turn.context.counters;
    let (code, shown): (&[u8], _) = match did {
        Did::Deleted => {
            turn.context.shared.hub.deleted(key, "md", len.unwrap_or(0));
            counters.delete_hits.add(1);
            (b"HD", !flags.quiet)
        }
        Did::Marked => (b"HD", !flags.quiet),
        Did::Exists => {
            counters.delete_misses.add(1);
            (b"EX", true)
        }
        Did::NotFound => {
            counters.delete_misses.add(1);
            (b"NF", true)
        }
        Did::Refused => return turn.insist(b"SERVER_ERROR out of memory"),
    };
    if shown {
        turn.out.extend_from_slice(code);
        flags::echo(turn.out, words, 2, &flags);
        turn.out.extend_from_slice(b"\r\n");
    }
}

fn delete(turn: &Turn<'_>, slot: &mut Slot<'_>, flags: &Flags) -> (Did, Option<usize>) {
    let Some(item) = slot.find(turn.now) else { return (Did::NotFound, None) };
    let (held, len) = (item.cas, Some(item.len()));
    if flags.compare.is_some_and(|cas| cas != turn.cas(held)) {
        return (Did::Exists, len);
    }
    if flags.empties {
        let expires = flags.expires.unwrap_or_default();
        let (flags, data) = (flags.client_flags, Data::Bytes(b""));
        if slot.put(New { flags, expires, data, cas: Some(held) }, turn.now).is_err() {
            return (Did::Refused, len);
        }
    }
    if flags.invalidates {
        if let Some(expires) = flags.expires {
            slot.touch(expires, turn.now);
        }
        let cas = flags.cas.unwrap_or_else(|| slot.next_cas());
        slot.mark(true, false, Some(cas));
        return (Did::Marked, len);
    }
    if flags.empties {
        slot.mark(false, false, flags.cas);
        return (Did::Deleted, len);
    }
    slot.remove();
    (Did::Deleted, len)
}
