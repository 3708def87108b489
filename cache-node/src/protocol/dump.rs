//! Walks over all items on behalf of a client, a bounded piece at a time.

use super::CLASS;
use super::meta;
use super::number;
use super::turn::{BAD_FORMAT, Turn, line};
use super::words::Words;
use crate::store::{Cursor, Expires, Seen};
use crate::watch::url_encode;
use std::collections::BTreeMap;
use std::io::Write as _;

/// Items that are shown between two looks at how full the output is: the store is locked for so
/// long.
const ITEMS_PER_STEP: usize = 64;

/// Classes of sizes in `stats sizes`. Units: bytes.
const SIZE_STEP: usize = 32;

/// What `stats cachedump` answers at most. Units: bytes.
const CACHEDUMP_BYTES_MAX: usize = 2 << 20;

/// Source: memcached's limit.
const CLASS_IDS: u32 = 64;

#[derive(Clone, Debug)]
pub(super) struct Dump {
    cursor: Cursor,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Meta,
    Keys,
    /// `left`: items that are still wanted; `room`: bytes.
    Items {
        left: u32,
        room: usize,
    },
    Sizes {
        counts: BTreeMap<usize, u64>,
    },
}

impl Dump {
    fn of(kind: Kind) -> Self {
        Self { cursor: Cursor::default(), kind }
    }

    pub(super) fn meta() -> Self {
        Self::of(Kind::Meta)
    }

    pub(super) fn keys() -> Self {
        Self::of(Kind::Keys)
    }

    pub(super) fn sizes() -> Self {
        Self::of(Kind::Sizes { counts: BTreeMap::new() })
    }

    /// Appends a piece; true once it is at its end.
    pub(super) fn step(&mut self, turn: &mut Turn<'_>) -> bool {
        let (out, zero) = (&mut *turn.out, turn.context.clock.unix_at_zero());
        let cas = turn.context.settings.cas;
        let kind = &mut self.kind;
        let store = &turn.context.store;
        let more = store.visit(&mut self.cursor, ITEMS_PER_STEP, turn.now, |seen| match kind {
            Kind::Meta => meta_line(out, seen, zero, cas),
            Kind::Keys => key_line(out, seen.key),
            Kind::Items { left, room } => item_line(out, seen, zero, left, room),
            Kind::Sizes { counts } => {
                let class = seen.size_bytes.div_ceil(SIZE_STEP) * SIZE_STEP;
                *counts.entry(class).or_default() += 1;
            }
        });
        let enough = matches!(self.kind, Kind::Items { left: 0, .. } | Kind::Items { room: 0, .. });
        if more && !enough {
            return false;
        }
        match &self.kind {
            Kind::Keys => line(out, b"EN"),
            Kind::Sizes { counts } => {
                for (size, count) in counts {
                    let _ = write!(out, "STAT {size} {count}\r\n");
                }
                line(out, b"END");
            }
            Kind::Meta | Kind::Items { .. } => line(out, b"END"),
        }
        true
    }
}

/// Seconds since 1970 at which it ends; None: never.
fn ends(expires: Expires, zero: u64) -> Option<u64> {
    match expires {
        Expires::Never => None,
        Expires::At(at) => Some(u64::from(at) + zero),
    }
}

fn meta_line(out: &mut Vec<u8>, seen: &Seen<'_>, zero: u64, with_cas: bool) {
    out.extend_from_slice(b"key=");
    url_encode(seen.key, out);
    let item = &seen.item;
    let accessed = u64::from(item.accessed) + zero;
    let (cas, size) = (if with_cas { item.cas } else { 0 }, seen.size_bytes);
    let fetch = if item.fetched { "yes" } else { "no" };
    match ends(item.expires, zero) {
        Some(at) => drop(write!(out, " exp={at}")),
        None => out.extend_from_slice(b" exp=-1"),
    }
    let _ = writeln!(out, " la={accessed} cas={cas} fetch={fetch} cls={CLASS} size={size}");
}

/// Whether `key` cannot stand on a line as it is.
fn is_binary(key: &[u8]) -> bool {
    key.iter().any(|&byte| byte <= b' ' || byte == 0x7f)
}

fn key_line(out: &mut Vec<u8>, key: &[u8]) {
    out.extend_from_slice(b"mg ");
    if is_binary(key) {
        meta::encode(key, out);
        line(out, b" b");
    } else {
        line(out, key);
    }
}

fn item_line(out: &mut Vec<u8>, seen: &Seen<'_>, zero: u64, left: &mut u32, room: &mut usize) {
    if is_binary(seen.key) || *left == 0 || *room == 0 {
        return;
    }
    let start = out.len();
    out.extend_from_slice(b"ITEM ");
    out.extend_from_slice(seen.key);
    let at = ends(seen.item.expires, zero).unwrap_or(0);
    let _ = write!(out, " [{} b; {at} s]\r\n", seen.item.len());
    *left -= 1;
    *room = room.saturating_sub(out.len() - start);
}

/// `stats cachedump CLASS LIMIT`; None: it was answered with an error.
pub(super) fn cachedump(turn: &mut Turn<'_>, words: &Words<'_>) -> Option<Dump> {
    let wrong: &[u8] = if !turn.context.settings.dumps {
        b"CLIENT_ERROR stats cachedump not allowed"
    } else if words.count() < 4 {
        b"CLIENT_ERROR bad command line"
    } else {
        match (number::u32(words.at(2)), number::u32(words.at(3))) {
            (Some(CLASS), Some(limit)) => {
                let left = if limit == 0 { u32::MAX } else { limit };
                return Some(Dump::of(Kind::Items { left, room: CACHEDUMP_BYTES_MAX }));
            }
            (Some(0..CLASS_IDS), Some(_)) => b"END",
            (Some(_), Some(_)) => b"CLIENT_ERROR Illegal slab id",
            _ => BAD_FORMAT,
        }
    };
    turn.say(wrong);
    None
}
