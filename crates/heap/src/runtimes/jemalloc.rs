//! jemalloc's own counters, read from outside out of its arenas.
//!
//! No symbol is needed: the table of arenas is the first word of a module's writable memory that
//! points to something with an arena's three page caches at one of the known layouts. Where no
//! layout matches, nothing is claimed.
//!
//! The figures are those of `stats.allocated`, `active`, `arenas.*.pdirty` and so on after an
//! epoch. They lag, as jemalloc's own, by what threads keep in their caches: a cached block counts
//! as allocated.

use super::bytes::{u32_at, u64_at};
use super::ground::{Ground, Image, find_word};
use crate::memory::Memory;
use crate::report::SizeClass;
use layout::{LAYOUTS, Layout};
use serde_json::{Value, json};

mod layout;

/// jemalloc's own limit.
const ARENAS_MAX: usize = 4095;
/// A module with more writable memory is searched to here.
const SEARCH_BYTES_MAX: u64 = 32 << 20;
/// Words that look like an arena and are followed: each costs a system call.
const CANDIDATES_MAX: usize = 100_000;
const PAGE: u64 = 4096;
/// Size classes of blocks that share a slab, with 4 KiB pages and quanta of 16 bytes.
const SMALL: usize = 36;

/// What one arena holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArenaStats {
    pub address: u64,
    pub index: u32,
    pub small_bytes: u64,
    pub small_count: u64,
    pub large_bytes: u64,
    pub large_count: u64,
    pub active_bytes: u64,
    pub dirty_bytes: u64,
    pub muzzy_bytes: u64,
    pub retained_bytes: u64,
}

/// What all arenas hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The versions whose layout matched.
    pub layout: &'static str,
    pub module: String,
    pub arenas: Vec<ArenaStats>,
    pub classes: Vec<SizeClass>,
}

impl Stats {
    fn sum(&self, of: impl Fn(&ArenaStats) -> u64) -> u64 {
        self.arenas.iter().fold(0, |sum, arena| sum.saturating_add(of(arena)))
    }

    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        self.sum(|arena| arena.small_bytes.saturating_add(arena.large_bytes))
    }

    #[must_use]
    pub fn allocated_count(&self) -> u64 {
        self.sum(|arena| arena.small_count.saturating_add(arena.large_count))
    }

    #[must_use]
    pub fn active_bytes(&self) -> u64 {
        self.sum(|arena| arena.active_bytes)
    }

    #[must_use]
    pub fn dirty_bytes(&self) -> u64 {
        self.sum(|arena| arena.dirty_bytes)
    }

    #[must_use]
    pub fn muzzy_bytes(&self) -> u64 {
        self.sum(|arena| arena.muzzy_bytes)
    }

    #[must_use]
    pub fn retained_bytes(&self) -> u64 {
        self.sum(|arena| arena.retained_bytes)
    }

    #[must_use]
    pub fn json(&self) -> Value {
        let arena = |arena: &ArenaStats| {
            json!({
                "index": arena.index, "small_bytes": arena.small_bytes,
                "small_count": arena.small_count, "large_bytes": arena.large_bytes,
                "large_count": arena.large_count, "active_bytes": arena.active_bytes,
                "dirty_bytes": arena.dirty_bytes, "muzzy_bytes": arena.muzzy_bytes,
                "retained_bytes": arena.retained_bytes,
            })
        };
        json!({
            "layout": self.layout, "module": self.module,
            "allocated_bytes": self.allocated_bytes(), "allocated_count": self.allocated_count(),
            "active_bytes": self.active_bytes(), "dirty_bytes": self.dirty_bytes(),
            "muzzy_bytes": self.muzzy_bytes(), "retained_bytes": self.retained_bytes(),
            "small_bytes": self.sum(|a| a.small_bytes), "large_bytes": self.sum(|a| a.large_bytes),
            "arenas": self.arenas.iter().map(arena).collect::<Vec<_>>(),
        })
    }
}

/// The counters of the jemalloc in `image`, if it has one whose layout is known.
pub fn read(ground: &Ground<'_>, image: &Image<'_>) -> Option<Stats> {
    let named = image.ending("je_arenas");
    let by_name = named.and_then(|(_, table)| matching(ground.memory(), table));
    let (table, layout) = by_name.or_else(|| search(ground, image))?;
    let bins = bins(ground, image)?;
    let mut stats =
        Stats { layout: layout.versions, module: image.module.path.clone(), ..Stats::default() };
    stats.classes = classes(&bins);
    let mut words = vec![0; ARENAS_MAX * 8];
    let count = ground.memory().read(table, &mut words);
    for (index, word) in words[..count].as_chunks::<8>().0.iter().enumerate() {
        let address = u64::from_le_bytes(*word);
        if address == 0 {
            continue;
        }
        let found = Found { address, index: index as u64, layout };
        stats.arenas.extend(arena(ground.memory(), &found, &bins, &mut stats.classes));
    }
    stats.classes.retain(|class| class.in_use_count > 0);
    (!stats.arenas.is_empty()).then_some(stats)
}

/// The table of arenas without a symbol.
fn search(ground: &Ground<'_>, image: &Image<'_>) -> Option<(u64, &'static Layout)> {
    let mut candidates = 0;
    find_word(ground.memory(), image, SEARCH_BYTES_MAX, |at, word| {
        // Arenas lie on cache lines of anonymous memory, below the upper half.
        if !word.is_multiple_of(64)
            || !(1 << 16..1 << 47).contains(&word)
            || candidates >= CANDIDATES_MAX
        {
            return None;
        }
        if !ground.is_writable(word) {
            return None;
        }
        candidates += 1;
        matching(ground.memory(), at)
    })
}

/// The table itself and the layout, if the word there points to arena 0.
fn matching(memory: &(impl Memory + ?Sized), table: u64) -> Option<(u64, &'static Layout)> {
    let arena = memory.word(table)?;
    let layout = LAYOUTS.iter().find(|layout| is_arena(memory, arena, 0, layout))?;
    Some((table, layout))
}

/// Whether an arena of that index and layout lies there: its caches of dirty, muzzy and retained
/// pages say which state they hold, and of which arena they are.
fn is_arena(memory: &(impl Memory + ?Sized), arena: u64, index: u64, layout: &Layout) -> bool {
    let says = |cache: u64, state: u64| {
        memory.word(arena.wrapping_add(cache + layout.cache_state)) == Some(state | index << 32)
    };
    says(layout.dirty, 1)
        && says(layout.muzzy, 2)
        && says(layout.retained, 3)
        && memory
            .word(arena.wrapping_add(layout.index))
            .is_some_and(|word| word & 0xffff_ffff == index)
}

/// Of one size class of small blocks.
#[derive(Clone, Copy, Debug)]
struct Bin {
    size: u64,
    shards: u64,
}

/// The table of small size classes: recognised by the sizes themselves.
fn bins(ground: &Ground<'_>, image: &Image<'_>) -> Option<Vec<Bin>> {
    let table = |at: u64| -> Option<Vec<Bin>> {
        let mut bytes = vec![0; SMALL * layout::BIN_INFO];
        if ground.memory().read(at, &mut bytes) < bytes.len() {
            return None;
        }
        let bin = |index: usize| {
            let info = &bytes[index * layout::BIN_INFO..];
            let (size, slab) = (u64_at(info, 0)?, u64_at(info, 8)?);
            let (blocks, shards) = (u32_at(info, 16)?, u32_at(info, 20)?);
            let fits = size == class_size(index)
                && slab.is_multiple_of(PAGE)
                && u64::from(blocks).checked_mul(size) == Some(slab)
                && (1..=64).contains(&shards);
            fits.then_some(Bin { size, shards: u64::from(shards) })
        };
        (0..SMALL).map(bin).collect()
    };
    find_word(ground.memory(), image, SEARCH_BYTES_MAX, |at, word| {
        (word == class_size(0)).then(|| table(at)).flatten()
    })
}

/// The size of a class: 8, multiples of 16 up to 128, then four to each doubling.
///
/// Source: jemalloc(3), table of size classes, 16-byte quantum.
fn class_size(index: usize) -> u64 {
    let index = index as u64;
    match index {
        0 => 8,
        1..=8 => index * 16,
        _ => {
            let group = (index - 9) / 4;
            let base = 128 << group.min(55);
            base + base / 4 * ((index - 9) % 4 + 1)
        }
    }
}

fn classes(bins: &[Bin]) -> Vec<SizeClass> {
    let large = SMALL..SMALL + layout::LARGE;
    let sizes = bins.iter().map(|bin| bin.size).chain(large.map(class_size));
    let mut below = 0;
    sizes
        .map(|size| {
            let class = SizeClass { min_bytes: below + 1, max_bytes: size, ..SizeClass::default() };
            below = size;
            class
        })
        .collect()
}

/// Where something was found that claims to be an arena.
struct Found {
    address: u64,
    index: u64,
    layout: &'static Layout,
}

/// The counters of one arena; those of its size classes are added to `classes`.
fn arena(
    memory: &(impl Memory + ?Sized),
    found: &Found,
    bins: &[Bin],
    classes: &mut [SizeClass],
) -> Option<ArenaStats> {
    let Found { address, index, layout } = *found;
    if !is_arena(memory, address, index, layout) {
        return None;
    }
    let pages = |offset: u64| {
        memory.word(address.checked_add(offset)?).map(|pages| pages.saturating_mul(PAGE))
    };
    let cache = |cache: u64| {
        let guarded = pages(cache + layout.cache_guarded_pages)?;
        Some(pages(cache + layout.cache_pages)?.saturating_add(guarded))
    };
    let mut stats = ArenaStats {
        address,
        index: index as u32,
        active_bytes: pages(layout.active)?,
        dirty_bytes: cache(layout.dirty)?,
        muzzy_bytes: cache(layout.muzzy)?,
        retained_bytes: cache(layout.retained)?,
        ..ArenaStats::default()
    };
    let mut bin_at = address + layout.bins;
    for (bin, class) in bins.iter().zip(classes.iter_mut()) {
        for _ in 0..bin.shards {
            let count = memory.word(bin_at + layout::BIN_CURRENT)?;
            stats.small_count = stats.small_count.saturating_add(count);
            stats.small_bytes = stats.small_bytes.saturating_add(count.saturating_mul(bin.size));
            add(class, count, count.saturating_mul(bin.size));
            bin_at += layout::BIN;
        }
    }
    let mut large = vec![0; layout::LARGE * layout.large_step];
    if memory.read(address + layout.large, &mut large) < large.len() {
        return None;
    }
    for (class, counters) in classes[SMALL..].iter_mut().zip(large.chunks(layout.large_step)) {
        let count = u64_at(counters, 0)?.saturating_sub(u64_at(counters, 8)?);
        let bytes = match layout.large_bytes {
            Some(at) => u64_at(counters, at)?,
            None => count.saturating_mul(class.max_bytes),
        };
        stats.large_count = stats.large_count.saturating_add(count);
        stats.large_bytes = stats.large_bytes.saturating_add(bytes);
        add(class, count, bytes);
    }
    Some(stats)
}

fn add(class: &mut SizeClass, count: u64, bytes: u64) {
    class.in_use_count = class.in_use_count.saturating_add(count);
    class.in_use_bytes = class.in_use_bytes.saturating_add(bytes);
}

#[cfg(test)]
mod tests;
