//! The gate of a server with an auth file (`-Y`): until somebody is let in, the only thing that
//! is understood is a `set` whose value is a user and a password.

use super::number;
use super::turn::Turn;
use super::words::Words;

/// Longest line, and longest value, of one who is not let in. Units: bytes.
const AUTH_BYTES_MAX: usize = 2048;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// So many bytes are done with.
    Taken(usize),
    /// As before, and whoever it is may go on.
    Open(usize),
    Wants(usize),
    Close,
}

pub(super) fn step(turn: &mut Turn<'_>, input: &[u8]) -> Gate {
    let Some(end) = memchr::memchr(b'\n', &input[..input.len().min(AUTH_BYTES_MAX + 1)]) else {
        let wants = Gate::Wants(input.len() + 1);
        return if input.len() > AUTH_BYTES_MAX { Gate::Close } else { wants };
    };
    let words = Words::split(&input[..end]);
    let behind = &input[end + 1..];
    let len = number::u32(words.at(4)).filter(|_| words.count() >= 5 && words.at(0) == b"set");
    let Some(len) = len else {
        turn.say(b"CLIENT_ERROR unauthenticated");
        return Gate::Taken(end + 1);
    };
    let with_end = len as usize + 2;
    if with_end > AUTH_BYTES_MAX {
        return Gate::Close;
    }
    let Some(value) = behind.get(..with_end) else { return Gate::Wants(end + 1 + with_end) };
    let taken = end + 1 + with_end;
    let Some(value) = value.strip_suffix(b"\r\n") else {
        turn.say(b"CLIENT_ERROR bad command line termination");
        return Gate::Taken(taken);
    };
    let words = Words::split(value);
    if words.count() < 2 {
        turn.say(b"CLIENT_ERROR bad authentication token format");
        return Gate::Taken(taken);
    }
    let counters = &turn.context.counters;
    counters.auth_cmds.add(1);
    let users = turn.context.shared.users.as_ref();
    if users.is_none_or(|users| users.admits(words.at(0), words.at(1))) {
        turn.say(b"STORED");
        Gate::Open(taken)
    } else {
        counters.auth_errors.add(1);
        turn.say(b"CLIENT_ERROR authentication failure");
        Gate::Taken(taken)
    }
}
