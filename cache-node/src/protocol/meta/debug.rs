//! `me`: what there is to know of an item, for people.

use super::base64::{self, Decoded};
use crate::protocol::turn::{BAD_FORMAT, Turn};
use crate::protocol::words::Words;
use crate::store::{Expires, KEY_BYTES_MAX};
use std::io::Write as _;

pub(in crate::protocol) fn run(turn: &mut Turn<'_>, words: &Words<'_>) {
    let mut decoded = Decoded::empty();
    let (mut key, binary) = (words.at(1), words.at(2) == b"b");
    if words.count() < 2 || key.len() > KEY_BYTES_MAX {
        return turn.say(BAD_FORMAT);
    }
    if binary {
        if !decoded.read(key) {
            return turn.say(BAD_FORMAT);
        }
        key = decoded.bytes();
    }
    turn.context.counters.meta_cmds.add(1);
    let now = turn.now;
    let mut slot = turn.context.store.lock(key);
    let Some(item) = slot.find(now) else {
        drop(slot);
        return turn.say(b"EN");
    };
    let out = &mut *turn.out;
    out.extend_from_slice(b"ME ");
    if binary {
        base64::encode(key, out);
    } else {
        out.extend_from_slice(key);
    }
    let ends = match item.expires {
        Expires::Never => -1,
        Expires::At(at) => i64::from(at) - i64::from(now),
    };
    let idle = now.saturating_sub(item.accessed);
    let cas = if turn.context.settings.cas { item.cas } else { 0 };
    let fetch = if item.fetched { "yes" } else { "no" };
    let size = key.len() + item.len() + crate::protocol::HEADER_BYTES;
    // Writing to a vector cannot fail.
    let _ = write!(out, " exp={ends} la={idle} cas={cas} fetch={fetch} cls=1 size={size}\r\n");
}
