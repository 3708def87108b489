//! One command at work: what it may use, how it answers, and what comes after it.

use super::{Context, Peer};
use crate::clock::Secs;
use crate::store::{Charge, Expires, Over, Slot, Upload};
use crate::watch::{Fetched, Kinds, Outcome, Watcher};

/// Exptimes above this are seconds since 1970. Source: memcached's protocol.txt.
const RELATIVE_SECS_MAX: i32 = 60 * 60 * 24 * 30;

/// A second that has always passed.
const LONG_AGO: Secs = 1;

pub(super) const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format";
pub(super) const BAD_CHUNK: &[u8] = b"CLIENT_ERROR bad data chunk";
pub(super) const TOO_LARGE: &[u8] = b"SERVER_ERROR object too large for cache";
pub(super) const NO_MEMORY: &[u8] = b"SERVER_ERROR out of memory storing object";

/// What a command leaves to be done.
#[derive(Debug)]
pub(super) enum After {
    Nothing,
    /// So many bytes behind the line belonged to the command.
    Taken(usize),
    /// So many bytes behind the line are wanted; the command begins anew with them.
    Wants(usize),
    /// So many bytes behind the line belong to it and are thrown away.
    Swallow(u64),
    /// A long value of so many bytes follows.
    Upload(Upload, usize),
    Dump(Box<super::dump::Dump>),
    /// Lines are queued from now on, in memory that is paid for.
    Watch(Watcher, Charge),
    Close,
    Shutdown {
        save: bool,
    },
}

/// What was seen under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saw {
    /// A value of so many bytes.
    Held(usize),
    Missing(Option<Over>),
}

impl Saw {
    /// `len`: of what the slot was found to hold.
    pub(super) fn of(len: Option<usize>, slot: &Slot<'_>) -> Self {
        len.map_or_else(|| Self::Missing(slot.over()), Self::Held)
    }
}

/// A command at work.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) context: &'a Context,
    pub(super) peer: &'a Peer,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) now: Secs,
    /// The command asked for no answer.
    pub(super) quiet: bool,
}

impl Turn<'_> {
    /// Answers with a line, unless no answer is wanted.
    pub(super) fn say(&mut self, text: &[u8]) {
        if !self.quiet {
            line(self.out, text);
        }
    }

    /// Answers with a line whether or not one is wanted.
    pub(super) fn insist(&mut self, text: &[u8]) {
        self.quiet = false;
        line(self.out, text);
    }

    /// When something ends to which a client gave `exptime`.
    pub(super) fn expires(&self, exptime: i32) -> Expires {
        if exptime == 0 { Expires::Never } else { Expires::At(self.second(exptime)) }
    }

    fn second(&self, exptime: i32) -> Secs {
        let Ok(positive) = Secs::try_from(exptime) else { return LONG_AGO };
        if exptime <= RELATIVE_SECS_MAX {
            return self.now.saturating_add(positive);
        }
        let since = u64::from(positive).saturating_sub(self.context.clock.unix_at_zero());
        Secs::try_from(since).unwrap_or(Secs::MAX).max(LONG_AGO)
    }

    /// A CAS value as clients see it: 0 if there are none (`-C`).
    pub(super) fn cas(&self, cas: u64) -> u64 {
        if self.context.settings.cas { cas } else { 0 }
    }

    /// Notes that somebody looked under a key: counts what was over, tells watchers.
    pub(super) fn looked(&self, key: &[u8], saw: Saw) {
        let (outcome, size) = match saw {
            Saw::Held(size) => (Outcome::Found, size),
            Saw::Missing(None) => (Outcome::NotFound, 0),
            Saw::Missing(Some(Over::Expired)) => {
                self.context.counters.get_expired.add(1);
                (Outcome::Expired, 0)
            }
            Saw::Missing(Some(Over::Flushed)) => {
                self.context.counters.get_flushed.add(1);
                (Outcome::Flushed, 0)
            }
        };
        let hub = &self.context.shared.hub;
        if hub.wants(Kinds::FETCHERS) {
            hub.fetched(&Fetched { key, outcome, size, fd: self.peer.fd });
        }
    }
}

/// What is left until `expires`; None: for ever. Units: seconds.
pub(super) fn left(expires: Expires, now: Secs) -> Option<u32> {
    match expires {
        Expires::Never => None,
        Expires::At(at) => Some(at.saturating_sub(now)),
    }
}

pub(super) fn line(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
