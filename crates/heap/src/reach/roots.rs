//! Where a program can keep pointers besides its heap: which memory is searched, under which name.
//!
//! Only decides; reads nothing. Left out are what cannot be written by the program, the heap itself
//! and the bookkeeping of malloc, the unused part of each stack, whole stacks of threads that have
//! ended, and shared mappings of files on disk. What is not known to be anything else is searched:
//! a mapping too many costs time and hides a leak, one too few invents one.

use std::ops::Range;

use crate::maps::Mapping;

/// Below the stack pointer functions that call no other may use this many bytes (System V ABI).
const RED_ZONE_BYTES: u64 = 128;

/// Why memory is a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Variables of a program or library: index of the mapping.
    Module(usize),
    /// Storage of threads' own.
    Tls,
    /// Index of the thread.
    Stack(usize),
    /// Index of the thread.
    Registers(usize),
    /// Index of the mapping.
    Mapping(usize),
}

/// A stretch of memory to be searched for pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    pub range: Range<u64>,
    pub kind: Kind,
}

/// What is known of one thread's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadMemory {
    pub stack_pointer: Option<u64>,
    /// The whole stack, as the thread's own record has it.
    pub stack: Option<Range<u64>>,
    /// Storage of its own.
    pub tls: Option<Range<u64>>,
}

/// What of the mappings is searched.
#[derive(Debug)]
pub struct Search<'a> {
    pub mappings: &'a [Mapping],
    pub threads: &'a [ThreadMemory],
    /// The heap, malloc's bookkeeping, stacks of threads that have ended.
    pub excluded: Vec<Range<u64>>,
}

impl Search<'_> {
    /// All regions, by address.
    pub fn regions(&self) -> Vec<Region> {
        let excluded = self.all_excluded();
        let labels = self.labels();
        let mut regions = Vec::new();
        for (index, mapping) in self.mappings.iter().enumerate() {
            let Some(kind) = self.kind(index, mapping) else { continue };
            for rest in without(mapping.range(), &excluded) {
                labelled(rest, kind, &labels, &mut regions);
            }
        }
        regions
    }

    /// None where a mapping is not searched.
    fn kind(&self, index: usize, mapping: &Mapping) -> Option<Kind> {
        const NOT_MEMORY: [&str; 3] = ["[vvar", "[vdso]", "[vsyscall]"];
        if !mapping.readable || NOT_MEMORY.iter().any(|name| mapping.name.starts_with(name)) {
            return None;
        }
        let of_file = mapping.inode != 0;
        if mapping.shared {
            return (mapping.writable && mapping.is_shmem()).then_some(Kind::Mapping(index));
        }
        if of_file {
            let variables = mapping.writable || self.is_sealed(index, mapping);
            return variables.then_some(Kind::Module(index));
        }
        if !mapping.writable {
            // Made read-only after it was filled; nothing else leaves such a mapping.
            return (!mapping.executable && mapping.is_anonymous()).then_some(Kind::Mapping(index));
        }
        let before = index.checked_sub(1).and_then(|before| self.mappings.get(before));
        let zeroed = before.is_some_and(|file| {
            file.end == mapping.start && file.inode != 0 && file.writable && !file.shared
        });
        Some(if zeroed && mapping.name.is_empty() {
            Kind::Module(index - 1)
        } else {
            Kind::Mapping(index)
        })
    }

    /// Variables that were made read-only once the program was linked: right before the others.
    fn is_sealed(&self, index: usize, mapping: &Mapping) -> bool {
        let next = self.mappings.get(index + 1);
        !mapping.executable
            && next.is_some_and(|next| {
                next.writable && next.start == mapping.end && next.inode == mapping.inode
            })
    }

    /// Sorted and without overlaps.
    fn all_excluded(&self) -> Vec<Range<u64>> {
        let unused = self.threads.iter().filter_map(|thread| {
            let from = thread.stack_pointer?.saturating_sub(RED_ZONE_BYTES) & !7;
            let stack = thread.stack.as_ref().filter(|stack| stack.contains(&from))?;
            Some(stack.start..from)
        });
        merged(self.excluded.iter().cloned().chain(unused).collect())
    }

    fn labels(&self) -> Vec<Region> {
        let mut labels = Vec::new();
        for (index, thread) in self.threads.iter().enumerate() {
            let tls = thread.tls.clone();
            if let Some(stack) = &thread.stack {
                let end = tls.as_ref().map(|tls| tls.start).filter(|start| stack.contains(start));
                let range = stack.start..end.unwrap_or(stack.end);
                labels.push(Region { range, kind: Kind::Stack(index) });
            }
            labels.extend(tls.map(|range| Region { range, kind: Kind::Tls }));
        }
        labels.retain(|label| label.range.start < label.range.end);
        labels.sort_by_key(|label| label.range.start);
        labels
    }
}

/// Sorts, and makes one of those that overlap.
pub fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => merged.push(range),
        }
    }
    merged
}

/// The parts of `range` outside of `excluded`, which is as [`merged`] leaves it.
fn without(range: Range<u64>, excluded: &[Range<u64>]) -> Vec<Range<u64>> {
    let first = excluded.partition_point(|hole| hole.end <= range.start);
    let mut from = range.start;
    let mut rest = Vec::new();
    for hole in excluded[first..].iter().take_while(|hole| hole.start < range.end) {
        if from < hole.start {
            rest.push(from..hole.start);
        }
        from = from.max(hole.end);
    }
    if from < range.end {
        rest.push(from..range.end);
    }
    rest
}

/// Parts `range` where labels begin and end.
fn labelled(range: Range<u64>, kind: Kind, labels: &[Region], into: &mut Vec<Region>) {
    let mut from = range.start;
    let first = labels.partition_point(|label| label.range.end <= range.start);
    for label in labels[first..].iter().take_while(|label| label.range.start < range.end) {
        let start = label.range.start.max(from);
        let end = label.range.end.min(range.end);
        if start >= end {
            continue;
        }
        if from < start {
            into.push(Region { range: from..start, kind });
        }
        into.push(Region { range: start..end, kind: label.kind });
        from = end;
    }
    if from < range.end {
        into.push(Region { range: from..range.end, kind });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::parse;

    const MAPS: &str = "\
1000-2000 r-xp 0 fe:00 7 /bin/p
2000-3000 r--p 0 fe:00 7 /bin/p
3000-4000 rw-p 0 fe:00 7 /bin/p
4000-6000 rw-p 0 00:00 0 
9000-b000 rw-p 0 00:00 0 [heap]
c000-d000 r--p 0 fe:00 8 /usr/share/table
d000-e000 rw-s 0 fe:00 9 /var/db
e000-f000 rw-s 0 00:01 3 /dev/shm/x
10000-11000 ---p 0 00:00 0 
11000-15000 rw-p 0 00:00 0 
20000-22000 rw-p 0 00:00 0 [stack]
30000-31000 r--p 0 00:00 0 [vvar]
";

    #[track_caller]
    fn check(threads: &[ThreadMemory], excluded: &[Range<u64>], expected: &[(u64, u64, Kind)]) {
        let mappings = parse::maps(MAPS.as_bytes()).unwrap();
        let search = Search { mappings: &mappings, threads, excluded: excluded.to_vec() };
        let regions = search.regions();
        let regions: Vec<_> =
            regions.iter().map(|at| (at.range.start, at.range.end, at.kind)).collect();
        assert_eq!(regions, expected);
    }

    #[test]
    fn variables_anonymous_memory_and_shared_memory_are_searched_and_files_are_not() {
        let heap = [0x9000..0xa000, 0x9800..0xa800];
        let expected = [
            (0x2000, 0x3000, Kind::Module(1)),
            (0x3000, 0x4000, Kind::Module(2)),
            (0x4000, 0x6000, Kind::Module(2)),
            (0xa800, 0xb000, Kind::Mapping(4)),
            (0xe000, 0xf000, Kind::Mapping(7)),
            (0x11000, 0x15000, Kind::Mapping(9)),
            (0x20000, 0x22000, Kind::Mapping(10)),
        ];
        check(&[], &heap, &expected);
    }

    #[test]
    fn of_a_stack_only_what_is_in_use_is_searched_and_the_threads_own_storage_apart() {
        let main = ThreadMemory {
            stack_pointer: Some(0x21080),
            stack: Some(0x20000..0x22000),
            tls: Some(0x4800..0x4900),
        };
        let other = ThreadMemory {
            stack_pointer: Some(0x13087),
            stack: Some(0x11000..0x15000),
            tls: Some(0x14800..0x15000),
        };
        let expected = [
            (0x2000, 0x3000, Kind::Module(1)),
            (0x3000, 0x4000, Kind::Module(2)),
            (0x4000, 0x4800, Kind::Module(2)),
            (0x4800, 0x4900, Kind::Tls),
            (0x4900, 0x6000, Kind::Module(2)),
            (0xe000, 0xf000, Kind::Mapping(7)),
            (0x13000, 0x14800, Kind::Stack(1)),
            (0x14800, 0x15000, Kind::Tls),
            (0x21000, 0x22000, Kind::Stack(0)),
        ];
        check(&[main, other], std::slice::from_ref(&(0x9000..0xb000)), &expected);
    }

    #[test]
    fn a_thread_on_another_stack_leaves_its_own_searched_whole() {
        let thread =
            ThreadMemory { stack_pointer: Some(0x5000), stack: Some(0x20000..0x22000), tls: None };
        let mappings = parse::maps(MAPS.as_bytes()).unwrap();
        let threads = [thread];
        let search = Search { mappings: &mappings, threads: &threads, excluded: vec![] };
        let regions = search.regions();
        assert!(regions.contains(&Region { range: 0x20000..0x22000, kind: Kind::Stack(0) }));
    }
}
