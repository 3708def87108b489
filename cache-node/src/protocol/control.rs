//! Commands about the server itself: its log, limits, watchers, background work, end.

mod crawler;
mod memory;
mod watch;

pub(super) use crawler::run as lru_crawler;
pub(super) use memory::{cache_memlimit, lru, slabs};
pub(super) use watch::run as watch;

use super::number;
use super::turn::{After, BAD_FORMAT, Turn};
use super::words::Words;
use std::sync::atomic::Ordering::Relaxed;

/// What clients are told. The first part is what clients look at to know what is understood.
pub const VERSION: &str = concat!("1.6.18-plimsoll-", env!("CARGO_PKG_VERSION"));

/// Source: memcached's limit.
const VERBOSITY_MAX: u32 = 3;

pub(super) fn version(turn: &mut Turn<'_>) {
    turn.say(concat!("VERSION 1.6.18-plimsoll-", env!("CARGO_PKG_VERSION")).as_bytes());
}

pub(super) fn verbosity(turn: &mut Turn<'_>, words: &Words<'_>) {
    if !matches!(words.count(), 2 | 3) {
        return turn.say(b"ERROR");
    }
    turn.quiet = words.noreply();
    let Some(level) = number::u32(words.at(1)) else { return turn.say(BAD_FORMAT) };
    turn.context.shared.live.verbosity.store(level.min(VERBOSITY_MAX), Relaxed);
    turn.say(b"OK");
}

pub(super) fn shutdown(turn: &mut Turn<'_>, words: &Words<'_>) -> After {
    if !turn.context.settings.shutdown_command {
        turn.say(b"ERROR: shutdown not enabled");
        return After::Nothing;
    }
    match words.from(1) {
        [] => After::Shutdown { save: false },
        [b"graceful"] => After::Shutdown { save: true },
        _ => {
            turn.say(b"CLIENT_ERROR invalid shutdown mode");
            After::Nothing
        }
    }
}

/// Moves the clock, for tests of what expires.
pub(super) fn debugtime(turn: &mut Turn<'_>, words: &Words<'_>) {
    let clock = &turn.context.clock;
    match words.at(1) {
        _ if !turn.context.settings.debug_clock => return turn.say(b"ERROR"),
        b"p" => clock.pause(true),
        b"r" => clock.pause(false),
        seconds => match number::i64(seconds) {
            Some(seconds) => clock.shift(seconds),
            None => return turn.say(b"ERROR"),
        },
    }
    turn.say(b"OK");
}
