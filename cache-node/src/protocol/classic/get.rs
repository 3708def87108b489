//! `get`, `gets`, `gat`, `gats`: any number of keys on a line that may be of any length.
//!
//! A line longer than others may be is not waited for: its keys are answered as they come. Then
//! an error among them stands behind what was answered already; on a line that is here as a whole
//! it stands alone.

use crate::protocol::ahead::Lookout;
use crate::protocol::number;
use crate::protocol::turn::{Saw, Turn, line, number as append};
use crate::stats::Did;
use crate::store::{Expires, KEY_BYTES_MAX};

const TOO_LONG: &[u8] = crate::protocol::turn::BAD_FORMAT;

/// There are more answers than may wait to be written.
const NO_ROOM: &[u8] = b"SERVER_ERROR out of memory writing get response";

/// What is done with each key of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Fetch {
    /// Shows CAS values.
    pub(in crate::protocol) with_cas: bool,
    /// Sets a new end.
    pub(in crate::protocol) touch: Option<Expires>,
}

/// How a line of keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Start {
    /// It is another command.
    Other,
    /// The line is done with: an error was answered.
    Refused,
    /// The keys begin at `at` of the line.
    Keys { fetch: Fetch, at: usize },
}

/// Reads the beginning of a line, up to its keys. `line` has no end of line.
pub(in crate::protocol) fn start(turn: &mut Turn<'_>, line: &[u8]) -> Start {
    let (verb, at) = word(line, 0);
    let (with_cas, touches) = match verb {
        b"get" | b"bget" => (false, false),
        b"gets" => (true, false),
        b"gat" => (false, true),
        b"gats" => (true, true),
        _ => return Start::Other,
    };
    let (first, behind) = word(line, at);
    if first.is_empty() {
        turn.insist(b"ERROR");
        return Start::Refused;
    }
    if !touches {
        return Start::Keys { fetch: Fetch { with_cas, touch: None }, at };
    }
    let Some(exptime) = number::i32(first) else {
        turn.insist(b"CLIENT_ERROR invalid exptime argument");
        return Start::Refused;
    };
    let touch = Some(turn.expires(exptime));
    Start::Keys { fetch: Fetch { with_cas, touch }, at: behind }
}

/// The word at or behind `from`, and where it ends.
fn word(line: &[u8], from: usize) -> (&[u8], usize) {
    let rest = &line[from..];
    let start = from + rest.iter().position(|&byte| byte != b' ').unwrap_or(rest.len());
    let end = memchr::memchr(b' ', &line[start..]).map_or(line.len(), |length| start + length);
    (&line[start..end], end)
}

/// Answers a line that is here as a whole, if it can be done at once; else false, and nothing is
/// done. `keys` has no end of line.
pub(in crate::protocol) fn whole(turn: &mut Turn<'_>, fetch: Fetch, keys: &[u8]) -> bool {
    let (only, end) = word(keys, 0);
    if end < keys.len() {
        let mut all = keys.split(|&byte| byte == b' ');
        if !all.any(|key| key.len() > KEY_BYTES_MAX) {
            return false;
        }
        turn.insist(TOO_LONG);
    } else if only.len() > KEY_BYTES_MAX {
        turn.insist(TOO_LONG);
    } else {
        if !only.is_empty() {
            one(turn, fetch, only);
        }
        line(turn.out, b"END");
    }
    true
}

/// What became of a piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Piece {
    /// The line is answered; `rest`: bytes up to its end are to be thrown away.
    End { taken: usize, rest: bool },
    /// More of the line is needed, or what was appended is enough.
    More { taken: usize, full: bool },
}

/// Answers the keys in `input`, which goes on behind the last one taken.
pub(in crate::protocol) fn piece(
    turn: &mut Turn<'_>,
    fetch: Fetch,
    input: &[u8],
    room: usize,
) -> Piece {
    let (mut taken, mut answers, begun) = (0, 0, turn.out.len());
    let most = turn.context.settings.answers_max().unwrap_or(usize::MAX);
    let mut lookout = Lookout::default();
    loop {
        lookout.look_at_keys(&turn.context.store, input, taken);
        let rest = &input[taken..];
        let Some(end) = memchr::memchr3(b' ', b'\n', 0, rest) else {
            if rest.len() > KEY_BYTES_MAX + 1 {
                turn.insist(TOO_LONG);
                return Piece::End { taken: input.len(), rest: true };
            }
            return Piece::More { taken, full: false };
        };
        let (mut key, by) = (&rest[..end], rest[end]);
        if by == b'\n' {
            key = key.strip_suffix(b"\r").unwrap_or(key);
        }
        taken += end + 1;
        if key.len() > KEY_BYTES_MAX {
            turn.insist(TOO_LONG);
            return Piece::End { taken, rest: by != b'\n' };
        }
        answers += usize::from(!key.is_empty());
        if answers > most {
            turn.context.counters.response_obj_oom.add(1);
            turn.out.truncate(begun);
            turn.insist(NO_ROOM);
            return Piece::End { taken, rest: by != b'\n' };
        }
        if !key.is_empty() {
            one(turn, fetch, key);
        }
        if by != b' ' {
            line(turn.out, b"END");
            return Piece::End { taken, rest: by == 0 };
        }
        if turn.out.len() > room {
            return Piece::More { taken, full: true };
        }
    }
}

/// Answers one key.
fn one(turn: &mut Turn<'_>, fetch: Fetch, key: &[u8]) {
    let context = turn.context;
    let mut slot = context.store.lock(key);
    let Some(item) = slot.find(turn.now) else {
        let saw = Saw::of(None, &slot);
        drop(slot);
        return missed(turn, fetch, key, saw);
    };
    let out = &mut *turn.out;
    let len = item.len();
    out.reserve(key.len() + len + 64);
    out.extend_from_slice(b"VALUE ");
    out.extend_from_slice(key);
    out.push(b' ');
    append(out, item.flags);
    out.push(b' ');
    append(out, len);
    if fetch.with_cas {
        out.push(b' ');
        append(out, if context.settings.cas { item.cas } else { 0 });
    }
    out.extend_from_slice(b"\r\n");
    item.parts().for_each(|part| out.extend_from_slice(part));
    out.extend_from_slice(b"\r\n");
    if let Some(expires) = fetch.touch {
        slot.touch(expires, turn.now);
    }
    slot.hit(turn.now);
    drop(slot);
    let counters = &context.counters;
    if fetch.touch.is_some() {
        counters.touch_cmds.add(1);
        counters.touch_hits.add(1);
    } else {
        counters.get_cmds.add(1);
        counters.get_hits.add(1);
    }
    turn.looked(key, Saw::Held(len));
    context.shared.prefixes.note(key, Did::Hit);
}

fn missed(turn: &Turn<'_>, fetch: Fetch, key: &[u8], saw: Saw) {
    let counters = &turn.context.counters;
    if fetch.touch.is_some() {
        counters.touch_cmds.add(1);
        counters.touch_misses.add(1);
    } else {
        counters.get_cmds.add(1);
        counters.get_misses.add(1);
    }
    turn.looked(key, saw);
    turn.context.shared.prefixes.note(key, Did::Miss);
}
