//! The keys of the commands behind the next one, found without executing any, so that what the
//! store will read for them is on its way before their turn comes.
//!
//! It only guesses: a line that it misreads costs a little time and changes no answer.

use super::{LINE_BYTES_MAX, number};
use crate::store::{Ahead, KEY_BYTES_MAX, Store};

/// Shortest line with a key, with its end: what is left behind the last command of a pipeline is
/// not looked at. Units: bytes.
const COMMAND_BYTES_MIN: usize = 6;

/// How far the input of one call has been looked through.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    /// Up to here; what begins behind it is news. Units: bytes from the beginning of the input.
    until: usize,
}

impl Lookout {
    /// Looks at the commands from `at` on, a command's beginning, unless that was done.
    pub(super) fn look(&mut self, store: &Store, input: &[u8], at: usize) {
        if at < self.until {
            return;
        }
        let mut ahead = Ahead::default();
        let mut at = at;
        while !ahead.is_full()
            && let Some(rest) = input.get(at..)
            && let Some((key, len)) = command(rest)
        {
            let is_sole = at + len + COMMAND_BYTES_MIN > input.len();
            if !(key.is_empty() || is_sole && ahead.is_empty()) {
                ahead.add(store, key);
            }
            at += len;
        }
        self.until = at;
        store.foresee(&mut ahead);
    }

    /// Looks at the keys of a long line from `at` on, the beginning of a key, unless that was done.
    pub(super) fn look_at_keys(&mut self, store: &Store, input: &[u8], at: usize) {
        if at < self.until {
            return;
        }
        let mut ahead = Ahead::default();
        let mut at = at;
        while !ahead.is_full()
            && let Some(rest) = input.get(at..)
            && let Some(end) = memchr::memchr2(b' ', b'\n', rest)
        {
            let key = &rest[..end];
            let key = key.strip_suffix(b"\r").unwrap_or(key);
            if (1..=KEY_BYTES_MAX).contains(&key.len()) {
                ahead.add(store, key);
            }
            at += end + 1;
            if rest[end] == b'\n' {
                break;
            }
        }
        self.until = at;
        store.foresee(&mut ahead);
    }
}

/// The first key of the command at the beginning of `input`, empty if it has none, and the length
/// of the command with its value. None: not all of it is here, or it is not understood.
fn command(input: &[u8]) -> Option<(&[u8], usize)> {
    let head = &input[..input.len().min(LINE_BYTES_MAX)];
    let end = memchr::memchr(b'\n', head)?;
    let mut words = input[..end].split(|byte| *byte == b' ');
    let verb = words.next()?;
    let key = match verb {
        b"gat" | b"gats" => words.nth(1)?,
        _ => words.next().unwrap_or_default(),
    };
    let key = key.strip_suffix(b"\r").unwrap_or(key);
    let len_at = match verb {
        b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => Some(2),
        b"ms" => Some(0),
        b"get" | b"gets" | b"gat" | b"gats" | b"mg" | b"md" | b"ma" | b"delete" | b"incr"
        | b"decr" | b"touch" => None,
        b"mn" | b"mn\r" => return Some((&[], end + 1)),
        _ => return None,
    };
    let value = match len_at {
        Some(at) => {
            let word = words.nth(at)?;
            let len = number::plain(word.strip_suffix(b"\r").unwrap_or(word))?;
            usize::try_from(len).ok()?.checked_add(2)?
        }
        None => 0,
    };
    let len = (end + 1).checked_add(value)?;
    (key.len() <= KEY_BYTES_MAX).then_some((key, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, expect: &[&str]) {
        let mut keys = Vec::new();
        let mut at = 0;
        while let Some((key, len)) = input.as_bytes().get(at..).and_then(command) {
            keys.push(std::str::from_utf8(key).unwrap());
            at += len;
        }
        assert_eq!(keys, expect);
    }

    #[test]
    fn keys_are_found_behind_values_and_not_in_them() {
        check("get a\r\nset b 0 0 9\r\nget no\r\n!\r\nmg c v\r\n", &["a", "b", "c"]);
        check("ms d 3 T5\r\nxyz\r\nmn\r\ngat 10 e\r\nincr f 1\nget g", &["d", "", "e", "f"]);
    }

    #[test]
    fn it_stops_at_what_it_does_not_understand() {
        check("get a\r\nstats\r\nget b\r\n", &["a"]);
        check("set a 0 0 -1\r\nget b\r\n", &[]);
        check("set a 0 0\r\n", &[]);
        check("set a 0 0 18446744073709551615\r\nget b\r\n", &[]);
        check("\r\n", &[]);
        check(&format!("get {}\r\n", "k".repeat(251)), &[]);
    }
}
