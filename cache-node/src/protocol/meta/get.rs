//! `mg`: fetches; on the way it touches, creates what is missing, hands out the right to renew.

use super::flags::{self, Flags, OPAQUE_TOO_LONG, flag, time_left};
use crate::protocol::turn::{Saw, Turn, number as append};
use crate::protocol::words::Words;
use crate::store::{Data, Expires, Item, New, Slot};

const TOO_MANY: &[u8] = b"CLIENT_ERROR options flags are too long";

/// What an answer shows of an item.
#[derive(Clone, Copy, Debug)]
struct Shown {
    len: usize,
    flags: u32,
    cas: u64,
    expires: Expires,
    /// Since its last fetch. Units: seconds.
    idle: u32,
    fetched: bool,
    stale: bool,
    won: bool,
    /// This very command made it.
    created: bool,
}

pub(in crate::protocol) fn run(turn: &mut Turn<'_>, words: &Words<'_>) {
    if let Err(text) = flags::check_line(words, TOO_MANY) {
        return turn.insist(text);
    }
    let flags = match Flags::read(turn, words, 2) {
        Ok(flags) if flags.opaque_too_long => return turn.insist(OPAQUE_TOO_LONG),
        Ok(flags) => flags,
        Err(text) => return turn.insist(text),
    };
    let key = flags.key(words);
    let context = turn.context;
    let mut slot = context.store.lock(key);
    let held = slot.find(turn.now).map(|item| {
        let shown = show(turn, &item);
        (answer(turn, words, &flags, shown, Some(&item)), shown.len)
    });
    let saw = Saw::of(held.as_ref().map(|(_, len)| *len), &slot);
    let found = match held {
        Some((then, _)) => {
            then.apply(turn, &flags, &mut slot);
            true
        }
        None => create(turn, words, &flags, &mut slot),
    };
    drop(slot);
    turn.looked(key, saw);
    count(turn, &flags, found);
    if !found && !flags.quiet {
        turn.out.extend_from_slice(b"EN");
        flags::echo(turn.out, words, 2, &flags);
        turn.out.extend_from_slice(b"\r\n");
    }
}

/// Creates an item of no length where none is, if the flags say so, and answers with it. It may
/// have ended already.
fn create(turn: &mut Turn<'_>, words: &Words<'_>, flags: &Flags, slot: &mut Slot<'_>) -> bool {
    let Some(expires) = flags.vivify else { return false };
    let new = New { flags: 0, expires, data: Data::Bytes(b""), cas: flags.cas };
    let Ok(cas) = slot.put(new, turn.now) else { return false };
    let cas = turn.cas(cas);
    let shown = Shown {
        len: 0,
        flags: 0,
        cas,
        expires,
        idle: 0,
        fetched: false,
        stale: false,
        won: false,
        created: true,
    };
    answer(turn, words, flags, shown, None).apply(turn, flags, slot);
    true
}

fn show(turn: &Turn<'_>, item: &Item<'_>) -> Shown {
    Shown {
        len: item.len(),
        flags: item.flags,
        cas: turn.cas(item.cas),
        expires: item.expires,
        idle: turn.now.saturating_sub(item.accessed),
        fetched: item.fetched,
        stale: item.stale,
        won: item.won,
        created: false,
    }
}

/// What is to be changed once the item is no longer looked at.
struct Then {
    expires: Option<Expires>,
    /// Stale as before, and won from now on.
    won: Option<bool>,
}

/// Appends the whole answer for an item that is held.
fn answer(
    turn: &mut Turn<'_>,
    words: &Words<'_>,
    flags: &Flags,
    mut shown: Shown,
    item: Option<&Item<'_>>,
) -> Then {
    let now = turn.now;
    let out = &mut *turn.out;
    if flags.value {
        out.reserve(shown.len + 128);
        out.extend_from_slice(b"VA ");
        append(out, shown.len);
    } else {
        out.extend_from_slice(b"HD");
    }
    let mut wins = false;
    for word in words.from(2) {
        match word[0] {
            b'T' => shown.expires = flags.expires.unwrap_or_default(),
            b'N' => wins |= shown.created,
            b'R' => wins |= !shown.won && !shown.created && ends_before(&shown, flags.recache),
            b's' => flag(out, b's', shown.len),
            b't' => time_left(out, shown.expires, now),
            b'c' => flag(out, b'c', shown.cas),
            b'f' => flag(out, b'f', shown.flags),
            b'l' => flag(out, b'l', shown.idle),
            b'h' => flag(out, b'h', u8::from(shown.fetched)),
            b'O' => flags::opaque(out, word),
            b'k' => flags::key(out, flags.key(words), flags.binary),
            _ => {}
        }
    }
    if shown.won {
        out.extend_from_slice(b" Z");
    }
    if shown.stale {
        out.extend_from_slice(b" X");
        wins |= !shown.won;
    }
    if wins {
        out.extend_from_slice(b" W");
    }
    out.extend_from_slice(b"\r\n");
    if flags.value {
        let parts = item.into_iter().flat_map(Item::parts);
        parts.for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(b"\r\n");
    }
    Then { expires: flags.expires, won: wins.then_some(shown.stale) }
}

fn ends_before(shown: &Shown, recache: u32) -> bool {
    matches!(shown.expires, Expires::At(at) if at < recache)
}

impl Then {
    fn apply(self, turn: &Turn<'_>, flags: &Flags, slot: &mut Slot<'_>) {
        if let Some(expires) = self.expires {
            slot.touch(expires, turn.now);
        }
        if let Some(stale) = self.won {
            slot.mark(stale, true, None);
        }
        if !flags.unnoticed {
            slot.hit(turn.now);
        }
    }
}

fn count(turn: &Turn<'_>, flags: &Flags, hit: bool) {
    let counters = &turn.context.counters;
    let touches = flags.expires.is_some();
    let (all, some) = match (touches, hit) {
        (true, true) => (&counters.touch_cmds, &counters.touch_hits),
        // What was not found is not known to be a touch, so memcached counts it as a get.
        (true, false) | (false, false) => (&counters.get_cmds, &counters.get_misses),
        (false, true) => (&counters.get_cmds, &counters.get_hits),
    };
    all.add(1);
    some.add(1);
}
