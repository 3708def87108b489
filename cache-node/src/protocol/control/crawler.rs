//! `lru_crawler`: what walks over all items, to drop what has expired or to show it.

use crate::protocol::Transport;
use crate::protocol::dump::Dump;
use crate::protocol::number;
use crate::protocol::turn::{After, BAD_FORMAT, Turn};
use crate::protocol::words::Words;
use std::sync::atomic::Ordering::Relaxed;

/// Units: microseconds.
const SLEEP_MAX: u32 = 1_000_000;

/// Pieces of maintenance that one `crawl` does at once; the rest is left to the background.
const PIECES_MAX: usize = 64;

/// Slab classes that memcached may have.
const CLASSES_MAX: u32 = 63;

const DISABLED: &[u8] = b"CLIENT_ERROR lru crawler disabled";
const BAD_CLASS: &[u8] = b"BADCLASS invalid class id";

/// What is to be shown of each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Meta,
    Keys,
}

pub(in crate::protocol) fn run(turn: &mut Turn<'_>, words: &Words<'_>) -> After {
    let live = &turn.context.shared.live;
    match words.from(1) {
        [b"crawl", classes] => crawl(turn, classes),
        [b"metadump", classes] => return dump(turn, classes, Show::Meta),
        [b"mgdump", classes] => return dump(turn, classes, Show::Keys),
        [b"tocrawl", items] => match number::u32(items) {
            Some(items) => {
                live.crawler_items.store(items, Relaxed);
                turn.say(b"OK");
            }
            None => turn.say(BAD_FORMAT),
        },
        [b"sleep", time] => match number::u32(time) {
            Some(time) if time <= SLEEP_MAX => {
                live.crawler_sleep.store(time, Relaxed);
                turn.say(b"OK");
            }
            Some(_) => turn.say(b"CLIENT_ERROR sleep must be one second or less"),
            None => turn.say(BAD_FORMAT),
        },
        [b"enable"] if live.crawler.swap(true, Relaxed) => {
            turn.say(b"ERROR failed to start lru crawler thread");
        }
        [b"enable"] => turn.say(b"OK"),
        [b"disable"] => {
            live.crawler.store(false, Relaxed);
            turn.say(b"OK");
        }
        _ => turn.say(b"ERROR"),
    }
    After::Nothing
}

/// Whether the one class that there is, is among `classes`; None: one of them cannot be.
fn names_ours(classes: &[u8]) -> Option<bool> {
    if matches!(classes, b"all" | b"hash") {
        return Some(true);
    }
    let mut ours = false;
    for class in classes.split(|&byte| byte == b',').filter(|class| !class.is_empty()) {
        let class = number::u32(class).filter(|class| (1..=CLASSES_MAX).contains(class))?;
        ours |= class == super::super::CLASS;
    }
    Some(ours)
}

fn crawl(turn: &mut Turn<'_>, classes: &[u8]) {
    if !turn.context.shared.live.crawler.load(Relaxed) {
        return turn.say(DISABLED);
    }
    let Some(ours) = names_ours(classes) else { return turn.say(BAD_CLASS) };
    let store = &turn.context.store;
    if !ours || store.totals().stored_total == 0 {
        return turn.say(b"NOTSTARTED no items to crawl");
    }
    let mut pieces = 0;
    while pieces < PIECES_MAX && store.maintain(turn.now) {
        pieces += 1;
    }
    turn.say(b"OK");
}

fn dump(turn: &mut Turn<'_>, classes: &[u8], show: Show) -> After {
    let context = turn.context;
    let (forbidden, piped): (&[u8], &[u8]) = match show {
        Show::Meta => {
            (b"ERROR metadump not allowed", b"ERROR cannot pipeline other commands before metadump")
        }
        Show::Keys => {
            (b"ERROR key dump not allowed", b"ERROR cannot pipeline other commands before mgdump")
        }
    };
    if !context.shared.live.crawler.load(Relaxed) {
        turn.say(DISABLED);
    } else if !context.settings.dumps || turn.peer.transport == Transport::Udp {
        turn.say(forbidden);
    } else if !turn.out.is_empty() {
        // Answers wait to be written: memcached takes it for a pipeline and refuses.
        turn.say(piped);
    } else {
        match (names_ours(classes), show) {
            (None, _) => turn.say(BAD_CLASS),
            (Some(false), _) => turn.say(b"NOTSTARTED no items to crawl"),
            (Some(true), Show::Meta) => return After::Dump(Box::new(Dump::meta())),
            (Some(true), Show::Keys) => return After::Dump(Box::new(Dump::keys())),
        }
    }
    After::Nothing
}
