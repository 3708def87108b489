//! The types of lost blocks.
//!
//! Read after the pause: nobody has the address of a lost block any more, so nobody changes it.
//! Read through one small window that follows the blocks, which come by address.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use crate::memory::Memory;
use crate::modules::Modules;
use crate::names;
use crate::report::ByType;
use crate::target::Opened;
use crate::types::{self, Types};

use super::LISTED_MAX;
use super::mark::Lost;
use super::pass::Pass;

const WINDOW_BYTES: usize = 64 << 10;
/// Lost blocks often lie far from each other: no more is read than these and what is wanted.
const READ_BYTES_MIN: usize = 4 << 10;
/// What is looked at of each block, and of all, for references to others.
const SEARCHED_BYTES_MAX: u64 = 256 << 10;
const ALL_SEARCHED_BYTES_MAX: u64 = 128 << 20;

/// The types of `lost`, most bytes first.
pub fn by_type<M: Memory + ?Sized>(
    opened: &Opened,
    memory: &M,
    modules: &Modules,
    pass: &Pass,
    lost: &[Lost],
) -> Vec<ByType> {
    let types = Types::new(memory, &pass.mappings);
    let mut window = Window { memory, start: 0, bytes: vec![0; WINDOW_BYTES], count: 0 };
    // By block: the class's name, or the function that drops the type.
    let mut classes: FxHashMap<u32, String> = FxHashMap::default();
    let mut drops: FxHashMap<u32, u64> = FxHashMap::default();
    let mut searched = 0;
    for one in lost {
        let Some(user) = pass.table.user(one.block) else { continue };
        let usable = pass.table.usable_bytes(one.block);
        // Of all blocks at least the first word is looked at.
        let left = ALL_SEARCHED_BYTES_MAX.saturating_sub(searched).max(8);
        let usable = usable.min(SEARCHED_BYTES_MAX).min(left);
        let mut at = 0;
        // Pieces share a word: a reference may lie across two of them.
        while at + 8 < usable.max(9) {
            let words = window.words(user + at, usable - at);
            if at == 0
                && let Some(class) = words.first().and_then(|first| types.class(word(first)))
            {
                classes.insert(one.block, class);
            }
            for pair in words.windows(2) {
                let Some(place) = pass.table.space.place(word(&pair[0])) else { continue };
                let Some(block) = pass.table.holding(place) else { continue };
                let usable_bytes = pass.table.usable_bytes(block);
                if let Some(table) = types.dyn_table(word(&pair[1]), usable_bytes) {
                    drops.insert(block, table.drop_in_place);
                }
            }
            let step = (words.len() as u64 * 8).saturating_sub(8);
            if step == 0 {
                break;
            }
            searched += step;
            at += step;
        }
    }
    let dropped = dropped_types(opened, modules, drops.values().copied().collect());
    let mut sums: FxHashMap<&str, (u64, u64)> = FxHashMap::default();
    for one in lost {
        let drop = drops.get(&one.block).and_then(|drop| dropped.get(drop));
        let Some(name) = classes.get(&one.block).or(drop) else { continue };
        let (bytes, count) = sums.entry(name).or_default();
        *bytes += pass.table.usable_bytes(one.block);
        *count += 1;
    }
    let mut by_type: Vec<ByType> = sums
        .into_iter()
        .map(|(name, (bytes, count))| ByType { name: name.to_owned(), bytes, count })
        .collect();
    by_type.sort_by(|a, b| (Reverse(a.bytes), &a.name).cmp(&(Reverse(b.bytes), &b.name)));
    by_type.truncate(LISTED_MAX);
    by_type
}

/// The types that the functions at `addresses` drop.
fn dropped_types(
    opened: &Opened,
    modules: &Modules,
    mut addresses: Vec<u64>,
) -> FxHashMap<u64, String> {
    addresses.sort_unstable();
    addresses.dedup();
    let mut dropped = FxHashMap::default();
    for module in &modules.list {
        let own: Vec<u64> =
            addresses.iter().copied().filter(|at| module.range.contains(at)).collect();
        if own.is_empty() {
            continue;
        }
        for function in names::covering(opened, module, &own) {
            if let Some(name) = types::dropped_type(&function.name) {
                dropped.insert(function.start, name.to_owned());
            }
        }
    }
    dropped
}

fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

struct Window<'a, M: ?Sized> {
    memory: &'a M,
    start: u64,
    bytes: Vec<u8>,
    count: usize,
}

impl<M: Memory + ?Sized> Window<'_, M> {
    /// Up to `wanted` bytes from `address` on, as words; fewer where the window ends.
    fn words(&mut self, address: u64, wanted: u64) -> &[[u8; 8]] {
        let wanted = usize::try_from(wanted).unwrap_or(WINDOW_BYTES).min(WINDOW_BYTES);
        let inside = address.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        let inside = inside.filter(|&at| at.saturating_add(wanted) <= self.count);
        let at = inside.unwrap_or_else(|| {
            self.start = address;
            self.count = self.memory.read(address, &mut self.bytes[..wanted.max(READ_BYTES_MIN)]);
            0
        });
        let end = (at + wanted).min(self.count);
        self.bytes[at..end].as_chunks::<8>().0
    }
}
