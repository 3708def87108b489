//! `touch`: a new end for what is held.

use crate::protocol::number;
use crate::protocol::turn::{BAD_FORMAT, Saw, Turn};
use crate::protocol::words::Words;
use crate::store::KEY_BYTES_MAX;

pub(in crate::protocol) fn run(turn: &mut Turn<'_>, words: &Words<'_>) {
    if !matches!(words.count(), 3 | 4) {
        return turn.say(b"ERROR");
    }
    turn.quiet = words.noreply();
    let key = words.at(1);
    if key.len() > KEY_BYTES_MAX {
        return turn.say(BAD_FORMAT);
    }
    let Some(exptime) = number::i32(words.at(2)) else {
        return turn.say(b"CLIENT_ERROR invalid exptime argument");
    };
    let context = turn.context;
    let expires = turn.expires(exptime);
    let mut slot = context.store.lock(key);
    let len = slot.find(turn.now).map(|item| item.len());
    if len.is_some() {
        slot.touch(expires, turn.now);
        slot.hit(turn.now);
    }
    let saw = Saw::of(len, &slot);
    drop(slot);
    turn.looked(key, saw);
    context.counters.touch_cmds.add(1);
    if len.is_some() {
        context.counters.touch_hits.add(1);
        turn.say(b"TOUCHED");
    } else {
        context.counters.touch_misses.add(1);
        turn.say(b"NOT_FOUND");
    }
}
