//! `ms`: stores, in one of several modes; a value of the length that the line says follows.

use super::flags::{self, Flags, OPAQUE_TOO_LONG, flag};
use crate::protocol::change::{Change, Done, Mode};
use crate::protocol::classic::update::LEN_MAX;
use crate::protocol::number;
use crate::protocol::turn::{After, BAD_CHUNK, BAD_FORMAT, NO_MEMORY, TOO_LARGE, Turn};
use crate::protocol::words::Words;
use crate::store::{Data, Refused, Upload};

const TOO_MANY: &[u8] = b"CLIENT_ERROR options flags too long";

/// What a line says, once it is understood.
struct Parsed {
    flags: Flags,
    mode: Mode,
    len: usize,
}

/// Why it is not.
struct Wrong {
    text: &'static [u8],
    /// The value follows all the same, so many bytes long with its end of line.
    swallow: u64,
}

/// Executes the line; `behind` is the input that follows it.
pub(in crate::protocol) fn run(turn: &mut Turn<'_>, words: &Words<'_>, behind: &[u8]) -> After {
    let parsed = match parse(turn, words) {
        Ok(parsed) => parsed,
        Err(Wrong { text, swallow }) => {
            turn.insist(text);
            return if swallow > 0 { After::Swallow(swallow) } else { After::Nothing };
        }
    };
    turn.quiet = parsed.flags.quiet;
    let change = parsed.change(words);
    let store = &turn.context.store;
    if change.len <= store.inline_bytes_max() {
        let with_end = change.len + 2;
        let Some(value) = behind.get(..with_end) else { return After::Wants(with_end) };
        match value.strip_suffix(b"\r\n") {
            Some(value) => answer(turn, words, &parsed, Data::Bytes(value)),
            None => bad_chunk(turn),
        }
        return After::Taken(with_end);
    }
    match store.upload(change.key, change.len) {
        Ok(upload) => After::Upload(upload, change.len),
        Err(why) => {
            refuse(turn, why);
            change.refused(turn, why, true);
            After::Swallow(change.len as u64 + 2)
        }
    }
}

/// The long value that the line announced is here; None: without its end of line.
pub(in crate::protocol) fn finish(turn: &mut Turn<'_>, words: &Words<'_>, upload: Option<Upload>) {
    // The line was understood when the value began to come.
    let Ok(parsed) = parse(turn, words) else { return };
    turn.quiet = parsed.flags.quiet;
    match upload {
        Some(upload) => answer(turn, words, &parsed, Data::Uploaded(upload)),
        None => bad_chunk(turn),
    }
}

/// There is no room for the rest of the long value that the line announced.
pub(in crate::protocol) fn cut_short(turn: &mut Turn<'_>, words: &Words<'_>, why: Refused) {
    let Ok(parsed) = parse(turn, words) else { return };
    turn.quiet = parsed.flags.quiet;
    refuse(turn, why);
    parsed.change(words).refused(turn, why, true);
}

fn parse(turn: &Turn<'_>, words: &Words<'_>) -> Result<Parsed, Wrong> {
    let alone = |text| Wrong { text, swallow: 0 };
    if words.count() == 2 {
        return Err(alone(BAD_FORMAT));
    }
    flags::check_line(words, TOO_MANY).map_err(alone)?;
    let len = number::i32(words.at(2)).and_then(|len| usize::try_from(len).ok());
    let len = len.filter(|&len| len <= LEN_MAX).ok_or(alone(BAD_FORMAT))?;
    let with_value = |text| Wrong { text, swallow: len as u64 + 2 };
    let flags = Flags::read(turn, words, 3).map_err(with_value)?;
    let mode = match (flags.mode, flags.compare) {
        (0 | b'S', None) => Mode::Set,
        (0 | b'S' | b'R', Some(_)) => Mode::Cas,
        (b'E', _) => Mode::Add,
        (b'A', _) => Mode::Append,
        (b'P', _) => Mode::Prepend,
        (b'R', None) => Mode::Replace,
        _ => return Err(with_value(b"CLIENT_ERROR invalid mode for ms M token")),
    };
    if flags.opaque_too_long {
        return Err(with_value(OPAQUE_TOO_LONG));
    }
    Ok(Parsed { flags, mode, len })
}

impl Parsed {
    fn change<'a>(&'a self, words: &Words<'a>) -> Change<'a> {
        let flags = &self.flags;
        Change {
            key: flags.key(words),
            mode: self.mode,
            flags: flags.client_flags,
            expires: flags.expires.unwrap_or_default(),
            len: self.len,
            compare: flags.compare.unwrap_or(0),
            cas: flags.cas,
            invalidates: flags.invalidates,
            vivify: flags.vivify,
        }
    }
}

fn answer(turn: &mut Turn<'_>, words: &Words<'_>, parsed: &Parsed, data: Data<'_>) {
    let done = parsed.change(words).execute(turn, data);
    let (code, cas, len): (&[u8], _, _) = match done {
        Done::Stored { .. } if turn.quiet => return,
        Done::Stored { cas, len } => (b"HD", cas, len),
        Done::Exists => (b"EX", 0, parsed.len),
        Done::NotFound => (b"NF", 0, parsed.len),
        Done::NotStored => (b"NS", 0, parsed.len),
        Done::Refused(why) => return refuse(turn, why),
    };
    let out = &mut *turn.out;
    out.extend_from_slice(code);
    for word in words.from(3) {
        match word[0] {
            b'O' => flags::opaque(out, word),
            b'k' => flags::key(out, parsed.flags.key(words), parsed.flags.binary),
            b'c' => flag(out, b'c', cas),
            b's' => flag(out, b's', len),
            _ => {}
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn bad_chunk(turn: &mut Turn<'_>) {
    turn.context.counters.set_cmds.add(1);
    turn.insist(BAD_CHUNK);
}

fn refuse(turn: &mut Turn<'_>, why: Refused) {
    match why {
        Refused::TooLarge => turn.insist(TOO_LARGE),
        Refused::OutOfMemory => turn.insist(NO_MEMORY),
    }
}
