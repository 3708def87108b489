//! `cache_memlimit`, and the commands that tune what is not here: `slabs`, `lru`.
//!
//! There are no slab classes and no segmented LRU; commands about them are understood, remembered
//! where `stats settings` shows them, and have no other effect.

use crate::protocol::number;
use crate::protocol::turn::{BAD_FORMAT, Turn};
use crate::protocol::words::Words;
use std::sync::atomic::Ordering::Relaxed;

/// Units: MiB. Source: memcached's limits.
const LIMIT_MIN: u32 = 8;
const LIMIT_MAX: u32 = 1_000_000_000;

/// Slab classes that memcached may have.
const CLASSES_MAX: i32 = 63;

pub(in crate::protocol) fn cache_memlimit(turn: &mut Turn<'_>, words: &Words<'_>) {
    if !matches!(words.count(), 2 | 3) {
        return turn.say(b"ERROR");
    }
    turn.quiet = words.noreply();
    let Some(limit) = number::u32(words.at(1)) else { return turn.say(b"ERROR") };
    if limit < LIMIT_MIN {
        return turn.say(b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m");
    }
    if limit > LIMIT_MAX {
        return turn.say(b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes");
    }
    match turn.context.shared.host.set_memory_limit(u64::from(limit) << 20) {
        Ok(()) => turn.say(b"OK"),
        Err(_) => turn.say(b"MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust"),
    }
}

pub(in crate::protocol) fn slabs(turn: &mut Turn<'_>, words: &Words<'_>) {
    match (words.at(1), words.count()) {
        (b"reassign", 4) => reassign(turn, words),
        (b"automove", 3..) => automove(turn, words),
        _ => turn.say(b"ERROR"),
    }
}

fn reassign(turn: &mut Turn<'_>, words: &Words<'_>) {
    if !turn.context.settings.echoed.slab_reassign {
        return turn.say(b"CLIENT_ERROR slab reassignment disabled");
    }
    let (Some(from), Some(to)) = (number::i32(words.at(2)), number::i32(words.at(3))) else {
        return turn.say(BAD_FORMAT);
    };
    if from == to {
        turn.say(b"SAME src and dst class are identical");
    } else if !(-1..=CLASSES_MAX).contains(&from) || !(0..=CLASSES_MAX).contains(&to) {
        turn.say(b"BADCLASS invalid src or dst class id");
    } else {
        turn.say(b"NOSPARE source class has no spare pages");
    }
}

fn automove(turn: &mut Turn<'_>, words: &Words<'_>) {
    turn.quiet = words.noreply();
    if words.at(2) == b"ratio" {
        let given = words.count() >= 4 && number::f64(words.at(3)).is_some();
        return turn.say(if given { b"OK" } else { b"ERROR" });
    }
    match number::u32(words.at(2)) {
        None => turn.say(BAD_FORMAT),
        Some(level @ 0..=2) => {
            turn.context.shared.live.automove.store(level, Relaxed);
            turn.say(b"OK");
        }
        Some(_) => turn.say(b"ERROR"),
    }
}

pub(in crate::protocol) fn lru(turn: &mut Turn<'_>, words: &Words<'_>) {
    if words.count() < 2 {
        return turn.say(b"ERROR");
    }
    turn.quiet = words.noreply();
    let maintained = turn.context.settings.echoed.lru_maintainer;
    let answer: &[u8] = match (words.at(1), words.count()) {
        (b"tune", 6..) => tune(words),
        (b"mode", 3..) if maintained && matches!(words.at(2), b"flat" | b"segmented") => b"OK",
        (b"temp_ttl", 3..) if maintained && number::i32(words.at(2)).is_some() => b"OK",
        _ => b"ERROR",
    };
    turn.say(answer);
}

fn tune(words: &Words<'_>) -> &'static [u8] {
    let shares = (number::u32(words.at(2)), number::u32(words.at(3)));
    let factors = (number::f64(words.at(4)), number::f64(words.at(5)));
    let ((Some(hot), Some(warm)), (Some(hot_age), Some(warm_age))) = (shares, factors) else {
        return b"ERROR";
    };
    if hot.wrapping_add(warm) > 80 {
        b"ERROR hot and warm pcts must not exceed 80"
    } else if hot_age <= 0.0 || warm_age <= 0.0 {
        b"ERROR hot/warm age factors must be greater than 0"
    } else {
        b"OK"
    }
}
