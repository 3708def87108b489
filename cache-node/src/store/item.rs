//! What goes into the store and what comes out of it.

use super::pieces;
use super::segments::Segments;
use crate::clock::Secs;

/// What a store is made with.
#[derive(Clone, Debug)]
pub struct Params {
    /// Segments, index and connection buffers together stay below this. Units: bytes.
    pub limit_bytes: u64,
    /// What the limit can be raised to later: the reservation. Units: bytes.
    pub reserve_bytes: u64,
    /// Largest item: key, value and header. Units: bytes.
    pub item_bytes_max: u64,
    /// Locks; a power of two.
    pub partitions: usize,
    /// Whether a full store makes room; else it refuses (`-M`).
    pub evicts: bool,
}

/// When an item ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expires {
    #[default]
    Never,
    /// From this second on it is gone.
    At(Secs),
}

/// Who is let in while memory is short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    #[default]
    All,
    /// Only keys that are held, or that were evicted lately.
    Known,
    Nobody,
}

/// An item to be stored.
#[derive(Debug)]
pub struct New<'a> {
    pub flags: u32,
    pub expires: Expires,
    pub data: Data<'a>,
    /// The CAS value it gets (meta command flag E); None: the next one.
    pub cas: Option<u64>,
}

/// The value of an item to be stored.
#[derive(Debug)]
pub enum Data<'a> {
    /// At most [`super::Store::inline_bytes_max`].
    Bytes(&'a [u8]),
    /// What has arrived piece by piece.
    Uploaded(super::Upload),
}

impl Data<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Uploaded(upload) => upload.taken(),
        }
    }
}

/// Where new bytes go in a value that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    Front,
    Back,
}

/// Why an item was not stored. What was held under its key before is gone then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the item is larger than items may be")]
    TooLarge,
    #[error("no memory for the item")]
    OutOfMemory,
}

/// An item as it is held, borrowed under its partition's lock.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    pub flags: u32,
    pub cas: u64,
    pub expires: Expires,
    /// When it was last fetched, or stored.
    pub accessed: Secs,
    /// Whether it was fetched since it was stored.
    pub fetched: bool,
    /// Marked by `md … I` or `ms … I`.
    pub stale: bool,
    /// Somebody was told to renew it.
    pub won: bool,
    pub(super) value: Value<'a>,
}

/// Where the bytes of an item are.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Whole(&'a [u8]),
    /// A large item: the list in its head, and the segments its pieces are in.
    Pieces {
        list: &'a [u8],
        segs: &'a Segments,
    },
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => f.debug_tuple("Whole").field(&bytes.len()).finish(),
            Self::Pieces { list, .. } => f.debug_tuple("Pieces").field(list).finish(),
        }
    }
}

impl<'a> Item<'a> {
    /// Length of the value. Units: bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.value {
            Value::Whole(bytes) => bytes.len(),
            Value::Pieces { list, .. } => pieces::read_list(list).0,
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value in order; more than one part only for large items.
    pub fn parts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (whole, listed) = match self.value {
            Value::Whole(bytes) => (Some(bytes), None),
            Value::Pieces { list, segs } => (None, Some((pieces::read_list(list), segs))),
        };
        let listed = listed.into_iter().flat_map(|((total, list), segs)| {
            let mut left = total;
            list.filter_map(move |place| {
                let bytes = pieces::piece_bytes(segs, place)?;
                let part = bytes.get(..left).unwrap_or(bytes);
                left -= part.len();
                Some(part)
            })
        });
        whole.into_iter().chain(listed)
    }
}

/// An item as a walk over all of them shows it.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    pub key: &'a [u8],
    pub item: Item<'a>,
    /// With header and key. Units: bytes.
    pub size_bytes: usize,
}

/// Why an item that was there is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Expired,
    Flushed,
}

/// Who wants to know which items are evicted.
pub trait Evictions: Send + Sync + std::fmt::Debug {
    /// Asked before each eviction: whether anybody wants to know at the moment.
    fn wants(&self) -> bool;

    /// Told while a partition is locked: it must not call the store, nor wait.
    fn evicted(&self, seen: &Seen<'_>, now: Secs);
}

/// What the store holds and what it has done. Counters never fall but by `stats reset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub items: u64,
    /// Headers, keys and values of live items.
    pub item_bytes: u64,
    pub stored_total: u64,
    pub segment_bytes: u64,
    pub segments: u64,
    pub segments_total: u64,
    pub index_bytes: u64,
    pub buffer_bytes: u64,
    pub ghost_bytes: u64,
    pub limit_bytes: u64,
    pub evictions_total: u64,
    pub evicted_unfetched_total: u64,
    pub evicted_active_total: u64,
    pub expired_unfetched_total: u64,
    /// Expired items whose room was taken again.
    pub reclaimed_total: u64,
    pub refused_total: u64,
    /// Given back to the kernel. Units: bytes.
    pub given_back_total: u64,
    pub compactions_total: u64,
}

impl Totals {
    /// Adds what another has counted.
    pub(super) fn add_counters(&mut self, other: &Self) {
        self.stored_total += other.stored_total;
        self.evictions_total += other.evictions_total;
        self.evicted_unfetched_total += other.evicted_unfetched_total;
        self.evicted_active_total += other.evicted_active_total;
        self.expired_unfetched_total += other.expired_unfetched_total;
        self.reclaimed_total += other.reclaimed_total;
        self.refused_total += other.refused_total;
        self.compactions_total += other.compactions_total;
    }
}
