//! `delete`, and `flush_all`, which deletes everything.

use crate::protocol::number;
use crate::protocol::turn::{BAD_FORMAT, Saw, Turn};
use crate::protocol::words::Words;
use crate::stats::Did;
use crate::store::{Expires, KEY_BYTES_MAX};

const USAGE: &[u8] = b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";

pub(in crate::protocol) fn run(turn: &mut Turn<'_>, words: &Words<'_>) {
    let count = words.count();
    if !(2..=4).contains(&count) {
        return turn.say(b"ERROR");
    }
    if count > 2 {
        // Once a delete could be held back for some seconds; only 0 of them is still understood.
        let at_once = words.at(2) == b"0";
        turn.quiet = words.noreply();
        let valid = if count == 3 { at_once || turn.quiet } else { at_once && turn.quiet };
        if !valid {
            return turn.say(USAGE);
        }
    }
    let key = words.at(1);
    if key.len() > KEY_BYTES_MAX {
        return turn.say(BAD_FORMAT);
    }
    let context = turn.context;
    context.shared.prefixes.note(key, Did::Delete);
    let mut slot = context.store.lock(key);
    let len = slot.find(turn.now).map(|item| item.len());
    if len.is_some() {
        slot.remove();
    }
    let saw = Saw::of(len, &slot);
    drop(slot);
    turn.looked(key, saw);
    if let Some(len) = len {
        context.shared.hub.deleted(key, "delete", len);
        context.counters.delete_hits.add(1);
        turn.say(b"DELETED");
    } else {
        context.counters.delete_misses.add(1);
        turn.say(b"NOT_FOUND");
    }
}

pub(in crate::protocol) fn flush_all(turn: &mut Turn<'_>, words: &Words<'_>) {
    if !(1..=3).contains(&words.count()) {
        return turn.say(b"ERROR");
    }
    turn.quiet = words.noreply();
    turn.context.counters.flush_cmds.add(1);
    if !turn.context.settings.flush_all {
        return turn.say(b"CLIENT_ERROR flush_all not allowed");
    }
    let given = words.count() != if turn.quiet { 2 } else { 1 };
    let exptime = match number::i32(words.at(1)) {
        Some(exptime) if given => exptime,
        None if given => return turn.say(b"CLIENT_ERROR invalid exptime argument"),
        _ => 0,
    };
    // What is held in the second before the one named goes too.
    let at = match turn.expires(exptime.max(0)) {
        Expires::At(at) => at.saturating_sub(1).max(turn.now),
        Expires::Never => turn.now,
    };
    turn.context.store.flush_at(at, turn.now);
    turn.say(b"OK");
}
