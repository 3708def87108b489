//! Storing under a condition: what set, add, replace, append, prepend, cas and `ms` come down to.

use super::turn::{Saw, Turn, left};
use crate::stats::Did;
use crate::store::{Data, Expires, Join, New, Refused, Slot};
use crate::watch::{Kinds, Stored};

/// On what condition a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Set,
    /// Only if nothing is held.
    Add,
    /// Only if something is held.
    Replace,
    Append,
    Prepend,
    /// Only if what is held has the CAS value given.
    Cas,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Append => "append",
            Self::Prepend => "prepend",
            Self::Cas => "cas",
        }
    }
}

/// A value to be stored, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) key: &'a [u8],
    pub(super) mode: Mode,
    pub(super) flags: u32,
    pub(super) expires: Expires,
    /// Length of the value. Units: bytes.
    pub(super) len: usize,
    /// The CAS value that what is held must have; 0: any.
    pub(super) compare: u64,
    /// The CAS value it gets; None: the next one.
    pub(super) cas: Option<u64>,
    /// With a CAS value older than the one held it is stored all the same, as stale.
    pub(super) invalidates: bool,
    /// Nothing to append to: it is stored as it is, to end then.
    pub(super) vivify: Option<Expires>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// `len`: of the whole value now.
    Stored {
        cas: u64,
        len: usize,
    },
    NotStored,
    Exists,
    NotFound,
    Refused(Refused),
}

/// What there is to know of the item that is held.
#[derive(Clone, Copy, Debug)]
struct Held {
    cas: u64,
    expires: Expires,
    won: bool,
    len: usize,
}

impl Change<'_> {
    /// Stores `data`, if the condition is met.
    pub(super) fn execute(&self, turn: &Turn<'_>, data: Data<'_>) -> Done {
        let context = turn.context;
        context.counters.set_cmds.add(1);
        let mut slot = context.store.lock(self.key);
        let held = slot.find(turn.now).map(|item| Held {
            cas: turn.cas(item.cas),
            expires: item.expires,
            won: item.won,
            len: item.len(),
        });
        let saw = Saw::of(held.map(|held| held.len), &slot);
        let done = match held {
            Some(held) => self.over(turn, &mut slot, held, data),
            None => self.anew(turn, &mut slot, data),
        };
        drop(slot);
        turn.looked(self.key, saw);
        self.tell(turn, done);
        done
    }

    /// Nothing is held.
    fn anew(&self, turn: &Turn<'_>, slot: &mut Slot<'_>, data: Data<'_>) -> Done {
        match (self.mode, self.vivify) {
            (Mode::Set | Mode::Add, _) => self.put(turn, slot, self.expires, data),
            (Mode::Append | Mode::Prepend, Some(expires)) => self.put(turn, slot, expires, data),
            (Mode::Cas, _) => {
                turn.context.counters.cas_misses.add(1);
                Done::NotFound
            }
            _ => Done::NotStored,
        }
    }

    /// `held` is to be replaced or lengthened.
    fn over(&self, turn: &Turn<'_>, slot: &mut Slot<'_>, held: Held, data: Data<'_>) -> Done {
        let matches = self.compare == held.cas && self.compare != 0;
        match self.mode {
            Mode::Set | Mode::Replace => self.put(turn, slot, self.expires, data),
            Mode::Add => Done::NotStored,
            Mode::Cas if matches => {
                turn.context.counters.cas_hits.add(1);
                self.put(turn, slot, self.expires, data)
            }
            Mode::Cas if self.invalidates && self.compare != 0 && self.compare < held.cas => {
                turn.context.counters.cas_hits.add(1);
                let done = self.put(turn, slot, held.expires, data);
                if matches!(done, Done::Stored { .. }) {
                    slot.mark(true, held.won, None);
                }
                done
            }
            Mode::Cas => {
                turn.context.counters.cas_badval.add(1);
                Done::Exists
            }
            Mode::Append | Mode::Prepend if self.compare != 0 && !matches => Done::Exists,
            Mode::Append => self.join(turn, slot, held, Join::Back, data),
            Mode::Prepend => self.join(turn, slot, held, Join::Front, data),
        }
    }

    fn put(&self, turn: &Turn<'_>, slot: &mut Slot<'_>, expires: Expires, data: Data<'_>) -> Done {
        let new = New { flags: self.flags, expires, data, cas: self.cas };
        match slot.put(new, turn.now) {
            Ok(cas) => Done::Stored { cas: turn.cas(cas), len: self.len },
            Err(why) => Done::Refused(why),
        }
    }

    fn join(
        &self,
        turn: &Turn<'_>,
        slot: &mut Slot<'_>,
        held: Held,
        at: Join,
        data: Data<'_>,
    ) -> Done {
        match slot.join(data, at, self.cas, turn.now) {
            Ok(Some(cas)) => Done::Stored { cas: turn.cas(cas), len: held.len + self.len },
            Ok(None) | Err(_) => Done::NotStored,
        }
    }

    /// Counts what was refused, and tells watchers.
    fn tell(&self, turn: &Turn<'_>, done: Done) {
        let counters = &turn.context.counters;
        let status = match done {
            Done::Stored { .. } => "stored",
            Done::NotStored => "not_stored",
            Done::Exists => "exists",
            Done::NotFound => "not_found",
            Done::Refused(Refused::TooLarge) => {
                counters.store_too_large.add(1);
                "too_large"
            }
            Done::Refused(Refused::OutOfMemory) => {
                counters.store_no_memory.add(1);
                "no_memory"
            }
        };
        let hub = &turn.context.shared.hub;
        if hub.wants(Kinds::MUTATIONS) {
            let (key, command, fd) = (self.key, self.mode.name(), turn.peer.fd);
            let ttl = left(self.expires, turn.now).unwrap_or(0);
            let size = if matches!(done, Done::Refused(_)) { 0 } else { self.len };
            hub.stored(&Stored { key, status, command, ttl, size, fd });
        }
    }

    /// The value could not even begin to come in. What a `set` was to replace is dropped, so that
    /// nobody is served it.
    pub(super) fn refused(&self, turn: &Turn<'_>, why: Refused, drops: bool) {
        self.tell(turn, Done::Refused(why));
        if drops {
            turn.context.store.lock(self.key).remove();
        }
    }

    /// Counts the key's prefix.
    pub(super) fn note(&self, turn: &Turn<'_>) {
        turn.context.shared.prefixes.note(self.key, Did::Set);
    }
}
