//! Which command a line is.

use super::classic::{delete, delta, touch, update};
use super::turn::{After, Turn};
use super::words::Words;
use super::{control, meta, stats};

/// Executes a line that is not one of the `get` family. `behind` is the input that follows it.
pub(super) fn run(turn: &mut Turn<'_>, words: &Words<'_>, behind: &[u8]) -> After {
    let verb = words.at(0);
    if verb.len() < 2 {
        turn.say(b"ERROR");
        return After::Nothing;
    }
    match verb {
        b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => {
            let Some(mode) = update::mode(verb) else { return After::Nothing };
            return update::run(turn, words, mode, behind);
        }
        b"ms" => return meta::set::run(turn, words, behind),
        b"mg" => meta::get::run(turn, words),
        b"md" => meta::delete::run(turn, words),
        b"ma" => meta::arithmetic::run(turn, words),
        b"mn" => turn.say(b"MN"),
        b"me" => meta::debug::run(turn, words),
        b"delete" => delete::run(turn, words),
        b"incr" => delta::run(turn, words, true),
        b"decr" => delta::run(turn, words, false),
        b"touch" => touch::run(turn, words),
        _ => return seldom(turn, words),
    }
    After::Nothing
}

/// What no client asks for on its way to its items.
#[cold]
fn seldom(turn: &mut Turn<'_>, words: &Words<'_>) -> After {
    match words.at(0) {
        b"flush_all" => delete::flush_all(turn, words),
        b"version" => control::version(turn),
        b"verbosity" => control::verbosity(turn, words),
        b"cache_memlimit" => control::cache_memlimit(turn, words),
        b"slabs" => control::slabs(turn, words),
        b"lru" => control::lru(turn, words),
        b"lru_crawler" => return control::lru_crawler(turn, words),
        b"stats" => return stats::run(turn, words),
        b"watch" => return control::watch(turn, words),
        b"shutdown" => return control::shutdown(turn, words),
        b"quit" => return After::Close,
        b"debugtime" => control::debugtime(turn, words),
        b"refresh_certs" => turn.insist(b"Error TLS not enabled"),
        _ if words.last().starts_with(b"HTTP/") && !familiar(words.at(0)) => return After::Close,
        _ => turn.say(b"ERROR"),
    }
    After::Nothing
}

/// Whether a command begins like one that memcached knows by its first letter. Other lines that
/// end like HTTP's are a browser's, and the connection ends.
fn familiar(verb: &[u8]) -> bool {
    matches!(verb[0], b'g' | b's' | b'a' | b'c' | b'i' | b'd' | b't')
        || (verb[0] == b'm' && verb.len() == 2)
}
