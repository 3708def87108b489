//! The flags of meta commands: read once, in order, each at most once.

use super::base64::{self, Decoded};
use crate::clock::Secs;
use crate::protocol::number;
use crate::protocol::turn::{BAD_FORMAT, Turn, number as append};
use crate::protocol::words::Words;
use crate::store::{Expires, KEY_BYTES_MAX};

/// Words on the line of a meta command. Source: memcached's limit.
const META_WORDS_MAX: usize = 19;

/// Longest opaque token, with its flag. Units: bytes.
const OPAQUE_BYTES_MAX: usize = 32;

const BAD_TOKEN: &[u8] = b"CLIENT_ERROR bad token in command line format";
pub(in crate::protocol) const OPAQUE_TOO_LONG: &[u8] = b"CLIENT_ERROR opaque token too long";

/// What the flags of a line say.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Flags {
    /// `b`: the key is in base64.
    pub(in crate::protocol) binary: bool,
    /// `v`
    pub(in crate::protocol) value: bool,
    /// `u`: the fetch is not noted.
    pub(in crate::protocol) unnoticed: bool,
    /// `q`
    pub(in crate::protocol) quiet: bool,
    /// `I`
    pub(in crate::protocol) invalidates: bool,
    /// `x`: the value goes, the item stays.
    pub(in crate::protocol) empties: bool,
    /// `M`; 0: not given.
    pub(in crate::protocol) mode: u8,
    /// `F`
    pub(in crate::protocol) client_flags: u32,
    /// `T`
    pub(in crate::protocol) expires: Option<Expires>,
    /// `N`
    pub(in crate::protocol) vivify: Option<Expires>,
    /// `R`; 0: not given, or never.
    pub(in crate::protocol) recache: Secs,
    /// `C`
    pub(in crate::protocol) compare: Option<u64>,
    /// `E`
    pub(in crate::protocol) cas: Option<u64>,
    /// `D`
    pub(in crate::protocol) delta: u64,
    /// `J`
    pub(in crate::protocol) initial: u64,
    /// An opaque token is longer than it may be.
    pub(in crate::protocol) opaque_too_long: bool,
    key: Decoded,
}

impl Flags {
    const fn none() -> Self {
        Self {
            binary: false,
            value: false,
            unnoticed: false,
            quiet: false,
            invalidates: false,
            empties: false,
            mode: 0,
            client_flags: 0,
            expires: None,
            vivify: None,
            recache: 0,
            compare: None,
            cas: None,
            delta: 1,
            initial: 0,
            opaque_too_long: false,
            key: Decoded::empty(),
        }
    }

    /// Reads the flags from the word at `start` on.
    ///
    /// # Errors
    /// The text to answer. A flag that is unknown or given twice ends the reading; of other
    /// errors the last is told.
    pub(in crate::protocol) fn read(
        turn: &Turn<'_>,
        words: &Words<'_>,
        start: usize,
    ) -> Result<Self, &'static [u8]> {
        let mut flags = Self::none();
        let mut error = None;
        let mut seen = 0_u128;
        for word in words.from(start) {
            let bit = 1_u128.checked_shl(word[0].into()).filter(|_| word[0] < 127).unwrap_or(0);
            if bit == 0 || seen & bit != 0 {
                return Err(b"CLIENT_ERROR duplicate flag");
            }
            seen |= bit;
            match flags.take(turn, words.at(1), word[0], &word[1..]) {
                Ok(()) => {}
                Err(Wrong::Unknown) => return Err(b"CLIENT_ERROR invalid flag"),
                Err(Wrong::Token(text)) => error = Some(text),
                Err(Wrong::Untold) => error = error.or(Some(BAD_FORMAT)),
            }
        }
        error.map_or(Ok(flags), Err)
    }

    fn take(&mut self, turn: &Turn<'_>, key: &[u8], flag: u8, token: &[u8]) -> Result<(), Wrong> {
        let exptime = || number::i32(token).map(|t| turn.expires(t)).ok_or(Wrong::Token(BAD_TOKEN));
        let unsigned = || number::u64(token);
        match flag {
            b'b' => {
                self.binary = true;
                if !self.key.read(key) {
                    return Err(Wrong::Token(b"CLIENT_ERROR error decoding key"));
                }
            }
            b'N' => self.vivify = Some(exptime()?),
            b'T' => self.expires = Some(exptime()?),
            b'R' => {
                self.recache = match exptime()? {
                    Expires::Never => 0,
                    Expires::At(at) => at,
                }
            }
            b'O' => self.opaque_too_long = token.len() >= OPAQUE_BYTES_MAX,
            b'P' | b'L' | b'k' | b's' | b't' | b'c' | b'f' | b'l' | b'h' => {}
            b'v' => self.value = true,
            b'u' => self.unnoticed = true,
            b'q' => self.quiet = true,
            b'x' => self.empties = true,
            b'I' => self.invalidates = true,
            b'F' => self.client_flags = number::u32(token).ok_or(Wrong::Untold)?,
            b'C' => self.compare = Some(unsigned().ok_or(Wrong::Token(BAD_TOKEN))?),
            b'E' => self.cas = Some(unsigned().ok_or(Wrong::Token(BAD_TOKEN))?),
            b'M' => match token {
                [mode] => self.mode = *mode,
                _ => return Err(Wrong::Token(b"CLIENT_ERROR incorrect length for M token")),
            },
            b'J' => {
                let wrong = Wrong::Token(b"CLIENT_ERROR invalid numeric initial value");
                self.initial = unsigned().ok_or(wrong)?;
            }
            b'D' => {
                let wrong = Wrong::Token(b"CLIENT_ERROR invalid numeric delta value");
                self.delta = unsigned().ok_or(wrong)?;
            }
            _ => return Err(Wrong::Unknown),
        }
        Ok(())
    }

    /// The key that the line names.
    pub(in crate::protocol) fn key<'a>(&'a self, words: &Words<'a>) -> &'a [u8] {
        if self.binary { self.key.bytes() } else { words.at(1) }
    }
}

enum Wrong {
    Unknown,
    Token(&'static [u8]),
    /// It is told only if nothing else is.
    Untold,
}

/// What is wrong with the line as such, whatever its flags. `too_many`: how that is told.
pub(in crate::protocol) fn check_line(
    words: &Words<'_>,
    too_many: &'static [u8],
) -> Result<(), &'static [u8]> {
    if words.count() < 2 {
        Err(b"ERROR")
    } else if words.at(1).len() > KEY_BYTES_MAX {
        Err(BAD_FORMAT)
    } else if words.count() > META_WORDS_MAX {
        Err(too_many)
    } else {
        Ok(())
    }
}

/// Appends the opaque token as it came.
pub(in crate::protocol) fn opaque(out: &mut Vec<u8>, word: &[u8]) {
    out.push(b' ');
    out.extend_from_slice(word);
}

/// Appends the key, in base64 if it came so.
pub(in crate::protocol) fn key(out: &mut Vec<u8>, key: &[u8], binary: bool) {
    out.extend_from_slice(b" k");
    if binary {
        base64::encode(key, out);
        out.extend_from_slice(b" b");
    } else {
        out.extend_from_slice(key);
    }
}

/// Appends a flag with a number.
pub(in crate::protocol) fn flag(out: &mut Vec<u8>, letter: u8, value: impl itoa::Integer) {
    out.extend_from_slice(&[b' ', letter]);
    append(out, value);
}

/// Appends `t`: the seconds that are left.
pub(in crate::protocol) fn time_left(out: &mut Vec<u8>, expires: Expires, now: Secs) {
    match expires {
        Expires::Never => out.extend_from_slice(b" t-1"),
        // The seconds wrap below zero, as they do in memcached.
        Expires::At(at) => flag(out, b't', at.wrapping_sub(now)),
    }
}

/// Appends key and opaque in the order of the line: what is answered when there is no item.
pub(in crate::protocol) fn echo(out: &mut Vec<u8>, words: &Words<'_>, start: usize, flags: &Flags) {
    for word in words.from(start) {
        match word[0] {
            b'O' => opaque(out, word),
            b'k' => key(out, flags.key(words), flags.binary),
            _ => {}
        }
    }
}
