//! `stats`, in all its forms.

mod conns;
mod general;
mod items;
mod own;
mod settings;

use super::dump::{self, Dump};
use super::turn::{After, Turn, line};
use super::words::Words;
use std::fmt::Display;
use std::io::Write as _;
use std::sync::atomic::Ordering::Relaxed;

pub(super) fn run(turn: &mut Turn<'_>, words: &Words<'_>) -> After {
    match words.at(1) {
        b"" => general::append(turn),
        b"settings" => settings::append(turn),
        b"items" => items::items(turn),
        b"slabs" => items::slabs(turn),
        b"conns" => conns::append(turn),
        b"plimsoll" => own::append(turn),
        // There is no second storage, so there is nothing to say of it.
        b"extstore" => {}
        b"sizes" => return sizes(turn),
        b"sizes_enable" => return track_sizes(turn, true),
        b"sizes_disable" => return track_sizes(turn, false),
        b"cachedump" => {
            let dump = dump::cachedump(turn, words);
            return dump.map_or(After::Nothing, |dump| After::Dump(Box::new(dump)));
        }
        b"reset" => {
            let shared = &turn.context.shared;
            shared.tally.reset();
            shared.prefixes.reset();
            turn.context.store.reset_totals();
            turn.say(b"RESET");
            return After::Nothing;
        }
        b"detail" => {
            detail(turn, words.at(2));
            return After::Nothing;
        }
        _ => {
            turn.say(b"ERROR");
            return After::Nothing;
        }
    }
    line(turn.out, b"END");
    After::Nothing
}

/// Appends one statistic.
fn stat(out: &mut Vec<u8>, name: impl Display, value: impl Display) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "STAT {name} {value}\r\n");
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn detail(turn: &mut Turn<'_>, what: &[u8]) {
    let prefixes = &turn.context.shared.prefixes;
    match what {
        b"on" | b"off" => {
            prefixes.switch(what == b"on");
            turn.say(b"OK");
        }
        b"dump" => {
            prefixes.dump(turn.out);
            line(turn.out, b"END");
        }
        _ => turn.say(b"CLIENT_ERROR usage: stats detail on|off|dump"),
    }
}

fn sizes(turn: &mut Turn<'_>) -> After {
    if turn.context.shared.live.sizes.load(Relaxed) {
        return After::Dump(Box::new(Dump::sizes()));
    }
    stat(turn.out, "sizes_status", "disabled");
    line(turn.out, b"END");
    After::Nothing
}

/// Nothing is tracked: sizes are counted when they are asked for. These only say whether to.
fn track_sizes(turn: &mut Turn<'_>, on: bool) -> After {
    if on && !turn.context.settings.cas {
        stat(turn.out, "sizes_status", "error");
        stat(turn.out, "sizes_error", "cas_support_disabled");
    } else {
        turn.context.shared.live.sizes.store(on, Relaxed);
        stat(turn.out, "sizes_status", if on { "enabled" } else { "disabled" });
    }
    After::Nothing
}
