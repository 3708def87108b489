//! `set`, `add`, `replace`, `append`, `prepend`, `cas`: a line, then a value of the length it says.

use crate::protocol::change::{Change, Done, Mode};
use crate::protocol::number;
use crate::protocol::turn::{After, BAD_CHUNK, BAD_FORMAT, NO_MEMORY, TOO_LARGE, Turn};
use crate::protocol::words::Words;
use crate::store::{Data, KEY_BYTES_MAX, Refused, Upload};

/// Which of the commands a word names.
pub(in crate::protocol) fn mode(verb: &[u8]) -> Option<Mode> {
    Some(match verb {
        b"set" => Mode::Set,
        b"add" => Mode::Add,
        b"replace" => Mode::Replace,
        b"append" => Mode::Append,
        b"prepend" => Mode::Prepend,
        b"cas" => Mode::Cas,
        _ => return None,
    })
}

/// Executes the line; `behind` is the input that follows it.
pub(in crate::protocol) fn run(
    turn: &mut Turn<'_>,
    words: &Words<'_>,
    mode: Mode,
    behind: &[u8],
) -> After {
    let change = match parse(turn, words, mode) {
        Ok(change) => change,
        Err(text) => {
            turn.say(text);
            return After::Nothing;
        }
    };
    let store = &turn.context.store;
    if change.len <= store.inline_bytes_max() {
        let with_end = change.len + 2;
        let Some(value) = behind.get(..with_end) else { return After::Wants(with_end) };
        change.note(turn);
        match value.strip_suffix(b"\r\n") {
            Some(value) => answer(turn, &change, Data::Bytes(value)),
            None => bad_chunk(turn),
        }
        return After::Taken(with_end);
    }
    change.note(turn);
    match store.upload(change.key, change.len) {
        Ok(upload) => After::Upload(upload, change.len),
        Err(why) => {
            refuse(turn, why);
            change.refused(turn, why, change.mode == Mode::Set);
            After::Swallow(change.len as u64 + 2)
        }
    }
}

/// The long value that the line announced is here; None: without its end of line.
pub(in crate::protocol) fn finish(
    turn: &mut Turn<'_>,
    words: &Words<'_>,
    mode: Mode,
    upload: Option<Upload>,
) {
    // The line was understood when the value began to come.
    let Ok(change) = parse(turn, words, mode) else { return };
    match upload {
        Some(upload) => answer(turn, &change, Data::Uploaded(upload)),
        None => bad_chunk(turn),
    }
}

/// There is no room for the rest of the long value that the line announced.
pub(in crate::protocol) fn cut_short(
    turn: &mut Turn<'_>,
    words: &Words<'_>,
    mode: Mode,
    why: Refused,
) {
    let Ok(change) = parse(turn, words, mode) else { return };
    refuse(turn, why);
    change.refused(turn, why, change.mode == Mode::Set);
}

fn parse<'a>(
    turn: &mut Turn<'_>,
    words: &Words<'a>,
    mode: Mode,
) -> Result<Change<'a>, &'static [u8]> {
    let least = if mode == Mode::Cas { 6 } else { 5 };
    if words.count() != least && words.count() != least + 1 {
        return Err(b"ERROR");
    }
    turn.quiet = words.noreply();
    let key = words.at(1);
    if key.len() > KEY_BYTES_MAX {
        return Err(BAD_FORMAT);
    }
    let flags = number::u32(words.at(2)).ok_or(BAD_FORMAT)?;
    let exptime = number::i32(words.at(3)).ok_or(BAD_FORMAT)?;
    let len = number::i32(words.at(4)).ok_or(BAD_FORMAT)?;
    let compare = match mode {
        Mode::Cas => number::u64(words.at(5)).ok_or(BAD_FORMAT)?,
        _ => 0,
    };
    // A length at the very edge has no room for its end of line.
    let len = usize::try_from(len).ok().filter(|&len| len <= LEN_MAX).ok_or(BAD_FORMAT)?;
    let expires = turn.expires(exptime);
    let (cas, invalidates, vivify) = (None, false, None);
    Ok(Change { key, mode, flags, expires, len, compare, cas, invalidates, vivify })
}

/// Longest length that a line may announce. Units: bytes.
pub(in crate::protocol) const LEN_MAX: usize = i32::MAX as usize - 2;

fn answer(turn: &mut Turn<'_>, change: &Change<'_>, data: Data<'_>) {
    match change.execute(turn, data) {
        Done::Stored { .. } => turn.say(b"STORED"),
        Done::NotStored => turn.say(b"NOT_STORED"),
        Done::Exists => turn.say(b"EXISTS"),
        Done::NotFound => turn.say(b"NOT_FOUND"),
        Done::Refused(why) => refuse(turn, why),
    }
}

fn bad_chunk(turn: &mut Turn<'_>) {
    turn.context.counters.set_cmds.add(1);
    turn.say(BAD_CHUNK);
}

fn refuse(turn: &mut Turn<'_>, why: Refused) {
    match why {
        Refused::TooLarge => turn.say(TOO_LARGE),
        Refused::OutOfMemory => turn.say(NO_MEMORY),
    }
}
