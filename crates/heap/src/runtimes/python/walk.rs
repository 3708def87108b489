//! The walk over a CPython heap: along the collector's lists, then to what containers hold.

use super::types::{Shape, Types};
use crate::memory::Memory;
use crate::runtimes::bytes::u64_at;
use std::collections::HashSet;
use std::time::Instant;

/// Objects that are looked at. Above them the sums are lower bounds, which is told.
const OBJECTS_MAX: usize = 4_000_000;
/// Entries of one container that are followed.
const ENTRIES_MAX: u64 = 50_000_000;
/// How often the clock is looked at.
const ROUND: usize = 1024;
/// The collector's header before an object.
const HEADER: u64 = 16;
/// Words of an object that are read at once.
const HEAD: usize = 48;
/// The low bits of the collector's pointers are flags.
const FLAGS: u64 = 3;

/// Whether a list hangs at `head` whose first and last know it.
pub fn is_list(memory: &(impl Memory + ?Sized), head: u64) -> bool {
    let word = |at: u64| memory.word(at).map(|word| word & !FLAGS);
    let ends = word(head).zip(head.checked_add(8).and_then(word));
    ends.is_some_and(|(next, last)| {
        next.checked_add(8).and_then(word) == Some(head) && word(last) == Some(head)
    })
}

#[derive(Debug)]
pub struct Walk<'a, M: ?Sized> {
    memory: &'a M,
    pub types: Types<'a, M>,
    deadline: Instant,
    seen: HashSet<u64>,
    /// Containers whose content is to be looked at.
    open: Vec<u64>,
    steps: usize,
    cut: bool,
    pub notes: Vec<String>,
}

impl<'a, M: Memory + ?Sized> Walk<'a, M> {
    pub fn new(memory: &'a M, types: Types<'a, M>, deadline: Instant) -> Self {
        let (seen, open) = (HashSet::new(), Vec::new());
        Self { memory, types, deadline, seen, open, steps: 0, cut: false, notes: Vec::new() }
    }

    /// Counts what hangs at one generation's head and returns how many objects that are.
    pub fn generation(&mut self, head: u64) -> u64 {
        let mut count = 0;
        let mut at = self.memory.word(head).unwrap_or(head) & !FLAGS;
        while at != head && !self.is_over() {
            let Some(object) = at.checked_add(HEADER) else { break };
            // A list that changed under the walk leads to objects that were seen, or nowhere.
            if !self.meet(object) {
                self.note("CPython: a list of the collector changed during the walk");
                break;
            }
            count += 1;
            let Some(next) = self.memory.word(at) else { break };
            at = next & !FLAGS;
        }
        count
    }

    /// Follows all containers to what they hold.
    pub fn follow(&mut self) {
        while let Some(object) = self.open.pop() {
            if self.is_over() {
                break;
            }
            self.enter(object);
        }
        if self.cut {
            self.note("CPython: the walk was cut short by its bounds; the counts are lower bounds");
        }
    }

    fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    fn is_over(&mut self) -> bool {
        self.steps += 1;
        if self.steps.is_multiple_of(ROUND) && Instant::now() >= self.deadline {
            self.cut = true;
        }
        self.cut |= self.seen.len() >= OBJECTS_MAX;
        self.cut
    }

    /// Counts the object once. False where it was met before or is none.
    fn meet(&mut self, object: u64) -> bool {
        let mut head = [0; HEAD];
        if object == 0 || !object.is_multiple_of(8) || self.memory.read(object, &mut head) < HEAD {
            return false;
        }
        let Some(kind) = u64_at(&head, 8) else { return false };
        let Some((shape, dict_at)) = self.types.get(kind).map(|k| (k.shape, k.dict_at)) else {
            return false;
        };
        if !self.seen.insert(object) {
            return false;
        }
        let beside = self.beside(shape, &head);
        self.types.count(kind, &head, beside);
        if dict_at > 0 || matches!(shape, Shape::List | Shape::Tuple | Shape::Dict | Shape::Set) {
            self.open.push(object);
        }
        true
    }

    /// Bytes of the table that a container has of its own.
    fn beside(&self, shape: Shape, head: &[u8]) -> u64 {
        let word = |at: usize| u64_at(head, at).unwrap_or_default();
        match shape {
            Shape::List => word(32).min(ENTRIES_MAX) * 8,
            Shape::Dict => self.keys(word(32)).map_or(0, |keys| keys.bytes),
            // A small set's table lies in the set itself.
            Shape::Set if word(32) > 7 => (word(32).min(ENTRIES_MAX) + 1) * 16,
            _ => 0,
        }
    }

    fn enter(&mut self, object: u64) {
        let mut head = [0; HEAD];
        if self.memory.read(object, &mut head) < HEAD {
            return;
        }
        let word = |at: usize| u64_at(&head, at).unwrap_or_default();
        let Some((shape, dict_at)) = self.types.get(word(8)).map(|k| (k.shape, k.dict_at)) else {
            return;
        };
        match shape {
            Shape::List => self.each(word(24), word(16), 8, &[0]),
            Shape::Tuple => self.each(object + 24, word(16), 8, &[0]),
            Shape::Set => self.each(word(40), word(32).saturating_add(1), 16, &[0]),
            Shape::Dict => {
                if let Some(keys) = self.keys(word(32)) {
                    let fields: &[u64] = if keys.step == 16 { &[0, 8] } else { &[8, 16] };
                    self.each(keys.entries, keys.count, keys.step, fields);
                }
                // A dict that shares its keys has its values apart.
            }
            _ => {}
        }
        if dict_at > 0
            && let Some(dict) = self.memory.word(object + dict_at)
        {
            self.hold(dict);
        }
    }

    fn each(&mut self, start: u64, count: u64, step: u64, fields: &[u64]) {
        for index in 0..count.min(ENTRIES_MAX) {
            let entry = start.wrapping_add(index * step);
            for field in fields {
                // A table ends where its memory does: a length that is garbage costs one reading.
                let Some(object) = self.memory.word(entry.wrapping_add(*field)) else { return };
                self.hold(object);
            }
            if self.is_over() {
                return;
            }
        }
    }

    fn hold(&mut self, object: u64) {
        if object != 0 && !self.seen.contains(&object) {
            self.meet(object);
        }
    }

    /// The table of a dict.
    ///
    /// Source: `Include/internal/pycore_dict.h`, and `Objects/dict-common.h` before 3.11.
    fn keys(&self, at: u64) -> Option<Keys> {
        let mut head = [0; 40];
        if !at.is_multiple_of(8) || at == 0 || self.memory.read(at, &mut head) < head.len() {
            return None;
        }
        if self.types.minor() >= 11 {
            let (size, index) = (u32::from(head[8]), u32::from(head[9]));
            let (count, usable) = (u64_at(&head, 24)?, u64_at(&head, 16)?);
            let step = if head[10] == 0 { 24 } else { 16 };
            let index = 1_u64.checked_shl(index).filter(|_| size < 40 && index < 43)?;
            let room = count.checked_add(usable).filter(|&room| room <= ENTRIES_MAX)?;
            let entries = at.checked_add(32)?.checked_add(index)?;
            return Some(Keys { entries, count, step, bytes: 32 + index + room * step });
        }
        let size = u64_at(&head, 8).filter(|&size| size.is_power_of_two() && size < 1 << 36)?;
        let (usable, count) = (u64_at(&head, 24)?, u64_at(&head, 32)?);
        let width = match size {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        let room = count.checked_add(usable).filter(|&room| room <= ENTRIES_MAX)?;
        let entries = at.checked_add(40)?.checked_add(size * width)?;
        Some(Keys { entries, count, step: 24, bytes: 40 + size * width + room * 24 })
    }
}

/// Where the entries of a dict lie, and what its table takes.
struct Keys {
    entries: u64,
    count: u64,
    step: u64,
    bytes: u64,
}
