//! `watch`: makes the connection one that reads what happens.

use crate::protocol::Transport;
use crate::protocol::turn::{After, Turn};
use crate::protocol::words::Words;
use crate::watch::Kinds;
use std::sync::Arc;

pub(in crate::protocol) fn run(turn: &mut Turn<'_>, words: &Words<'_>) -> After {
    turn.quiet = words.noreply();
    let context = turn.context;
    if !context.settings.watches || turn.peer.transport == Transport::Udp {
        turn.say(b"CLIENT_ERROR watch commands not allowed");
        return After::Nothing;
    }
    if !turn.out.is_empty() {
        // Answers wait to be written: memcached takes it for a pipeline and refuses.
        turn.say(b"ERROR cannot pipeline other commands before watch");
        return After::Nothing;
    }
    let Some(kinds) = kinds(words) else {
        turn.say(b"ERROR");
        return After::Nothing;
    };
    let hub = &context.shared.hub;
    let Ok(charge) = context.store.charge(hub.queue_bytes() as u64) else {
        turn.say(b"WATCHER_FAILED failed to add log watcher");
        return After::Nothing;
    };
    match hub.watch(kinds, Arc::clone(&context.wake)) {
        Ok(watcher) => After::Watch(watcher, charge),
        Err(_) => {
            turn.say(b"WATCHER_TOO_MANY log watcher limit reached");
            After::Nothing
        }
    }
}

/// What is asked for; None: something is unknown.
fn kinds(words: &Words<'_>) -> Option<Kinds> {
    if words.count() == 1 {
        return Some(Kinds::FETCHERS);
    }
    words.from(1).iter().try_fold(Kinds::default(), |all, word| {
        Some(all.and(match *word {
            b"rawcmds" => Kinds::RAW,
            b"evictions" => Kinds::EVICTIONS,
            b"fetchers" => Kinds::FETCHERS,
            b"mutations" => Kinds::MUTATIONS,
            b"sysevents" => Kinds::SYSTEM,
            b"connevents" => Kinds::CONNECTIONS,
            b"deletions" => Kinds::DELETIONS,
            b"proxyreqs" | b"proxyevents" | b"proxyuser" => Kinds::PROXY,
            _ => return None,
        }))
    })
}
