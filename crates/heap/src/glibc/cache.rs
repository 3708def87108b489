//! The threads' caches: blocks that were freed and that their thread keeps for itself.
//!
//! glibc leaves them marked as in use. A mark in each (the key) tells them apart, but stays behind
//! when a block leaves the cache by another way; the lists of the caches are exact, and are
//! followed once the walk has met the caches themselves, which are blocks of the heap like any
//! other.
//!
//! Source: tcache_perthread_struct of malloc/malloc.c: counts of one byte until 2.29, of two bytes
//! after that; 64 lists, and 12 more for large blocks since 2.42.

use rustc_hash::{FxHashMap, FxHashSet};

use super::pages::Pages;
use super::walk::{CHUNK_BYTES_MIN, SIZE_MASK};
use super::{Arenas, Chunk, HEADER_BYTES, Key};
use crate::memory::Memory;

/// Caches that are followed; more threads than that are told of by the missing lists.
const CACHES_MAX: usize = 65_536;
/// Blocks in all lists together.
const CACHED_MAX: usize = 4 << 20;
/// Addresses asked about whether a cache is there.
const ASKED_MAX: usize = 65_536;
/// Lists that hold blocks of one size each.
const SMALL_LISTS: usize = 64;

/// One form of the struct.
struct Form {
    chunk_bytes: u64,
    entries_at: u64,
    lists: usize,
}

const FORMS: [Form; 3] = [
    Form { chunk_bytes: 0x250, entries_at: 64, lists: SMALL_LISTS },
    Form { chunk_bytes: 0x290, entries_at: 128, lists: SMALL_LISTS },
    Form { chunk_bytes: 0x300, entries_at: 152, lists: SMALL_LISTS + 12 },
];

/// Whether a chunk of this size could be a thread's cache.
pub(super) const fn has_size(bytes: u64) -> bool {
    matches!(bytes, 0x250 | 0x290 | 0x300)
}

/// What looked like caches during a walk.
pub(super) struct Caches<'a> {
    arenas: &'a Arenas,
    /// Address of the chunk and its form.
    found: Vec<(u64, usize)>,
    is_cache: FxHashMap<u64, bool>,
}

impl<'a> Caches<'a> {
    pub(super) fn new(arenas: &'a Arenas) -> Self {
        Self { arenas, found: Vec::new(), is_cache: FxHashMap::default() }
    }

    /// Looks whether `chunk` is a cache: its lists begin with blocks of arenas or are empty, and
    /// not all are.
    pub(super) fn offer(&mut self, chunk: Chunk, mut word: impl FnMut(u64) -> Option<u64>) {
        let Some(form) = FORMS.iter().position(|form| form.chunk_bytes == chunk.bytes) else {
            return;
        };
        let entries = chunk.user() + FORMS[form].entries_at;
        let mut used = 0;
        for list in 0..FORMS[form].lists as u64 {
            match word(entries + 8 * list) {
                Some(0) => {}
                Some(head) if self.arenas.may_hold(head) => used += 1,
                _ => return,
            }
        }
        if used > 0 && self.found.len() < CACHES_MAX {
            self.found.push((chunk.address, form));
        }
    }

    /// Whether the block that malloc returned at `user` has the size of a cache.
    pub(super) fn is_cache<M: Memory + ?Sized>(&mut self, memory: &M, user: u64) -> bool {
        if !self.arenas.may_hold(user) {
            return false;
        }
        if self.is_cache.len() == ASKED_MAX {
            self.is_cache.clear();
        }
        *self
            .is_cache
            .entry(user)
            .or_insert_with(|| memory.word(user - 8).is_some_and(|word| has_size(word & SIZE_MASK)))
    }

    /// Follows all lists. None if no cache was found.
    pub(super) fn follow<M: Memory + ?Sized>(&self, memory: &M) -> Option<FxHashSet<u64>> {
        let mut pages = Pages::new(memory);
        let mut cached = FxHashSet::default();
        let mut key = self.arenas.key;
        let mut caches = 0;
        for &(chunk, form) in &self.found {
            caches += usize::from(self.lists(&mut pages, chunk, form, &mut key, &mut cached));
        }
        (caches > 0).then_some(cached)
    }

    /// Adds the blocks of one cache. False, and none are added, if its lists hold anything that is
    /// no such block: then it was a block of the application's that looked like a cache.
    fn lists<M: Memory + ?Sized>(
        &self,
        pages: &mut Pages<'_, M>,
        chunk: u64,
        form: usize,
        key: &mut Option<Key>,
        cached: &mut FxHashSet<u64>,
    ) -> bool {
        let own = chunk + HEADER_BYTES;
        let mut added = Vec::new();
        let mut mark = *key;
        for list in 0..FORMS[form].lists {
            let head = own + FORMS[form].entries_at + 8 * list as u64;
            let Some(mut user) = pages.word(head) else { return false };
            let wanted = CHUNK_BYTES_MIN + 16 * list as u64;
            while user != 0 {
                let fits = pages
                    .word(user.wrapping_sub(8))
                    .is_some_and(|word| list >= SMALL_LISTS || word & SIZE_MASK == wanted);
                if !fits || !bears_key(pages, user, own, form, &mut mark) {
                    return false;
                }
                added.push(user - HEADER_BYTES);
                if added.len() + cached.len() > CACHED_MAX || added.len() > usize::from(u16::MAX) {
                    return false;
                }
                let Some(next) = pages.link(user, |link| self.arenas.may_hold(link)) else {
                    return false;
                };
                user = next;
            }
        }
        *key = mark;
        cached.extend(added);
        true
    }
}

/// Whether the block at `user` has the mark of the cache `own`; learns it from the first block.
fn bears_key<M: Memory + ?Sized>(
    pages: &mut Pages<'_, M>,
    user: u64,
    own: u64,
    form: usize,
    key: &mut Option<Key>,
) -> bool {
    let Some(word) = pages.word(user + 8) else { return false };
    match *key {
        Some(Key::Random(random)) => word == random,
        Some(Key::CacheAddress) => word == own,
        None if word == own => {
            *key = Some(Key::CacheAddress);
            true
        }
        // Before 2.29 there was no mark.
        None if form == 0 => true,
        None => {
            *key = Some(Key::Random(word));
            true
        }
    }
}

/// The key, learned from the first thread's cache, which is the first block of the main arena in
/// all but odd programs.
pub(super) fn learn_key<M: Memory + ?Sized>(memory: &M, arenas: &Arenas) -> Option<Key> {
    let mut caches = Caches::new(arenas);
    let mut pages = Pages::new(memory);
    for arena in &arenas.list {
        let Some(segment) = arena.segments.first() else { continue };
        let mut at = segment.start;
        // Since 2.42 a cache is made at the first free, a little later.
        for _ in 0..64 {
            let Some(word) = pages.word(at + 8) else { break };
            let bytes = word & SIZE_MASK;
            if bytes < CHUNK_BYTES_MIN || bytes >= segment.end.saturating_sub(at) {
                break;
            }
            if has_size(bytes) {
                let state = super::State::InUse;
                let chunk = Chunk { address: at, bytes, state, arena: 0 };
                caches.offer(chunk, |address| pages.word(address));
            }
            at += bytes;
        }
    }
    let mut key = None;
    let mut cached = FxHashSet::default();
    let found = std::mem::take(&mut caches.found);
    let learned = |&(chunk, form): &(u64, usize)| {
        caches.lists(&mut pages, chunk, form, &mut key, &mut cached)
    };
    found.iter().any(learned).then_some(key)?
}
