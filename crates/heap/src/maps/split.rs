//! The resident set by what it is used for. The parts sum to the total, whatever was found.
//!
//! Each mapping has a kind by its own looks; claims of allocators and runtimes go before that, page
//! by page where a mapping holds several things, since the kernel joins neighbours.

use super::smaps::Usage;
use super::{Mapping, Residency};
use crate::report::{Rss, RssParts};
use crate::scene::{Claim, Part};

/// Sums up usages.
#[derive(Debug)]
pub struct Split<'a> {
    /// By address, without overlaps.
    claims: &'a [Claim],
    /// Of the claims.
    residency: Option<&'a Residency>,
    /// Where stacks are.
    stacks: &'a [u64],
    total: u64,
    parts: RssParts,
    /// The mapping before, if nothing can be read there and it is short: a guard.
    guard_end: Option<u64>,
}

/// Guards before stacks are one page, of some runtimes a few.
const GUARD_BYTES_MAX: u64 = 64 << 10;

impl<'a> Split<'a> {
    /// `stacks` are addresses within stacks, in any order.
    #[must_use]
    pub const fn new(
        claims: &'a [Claim],
        residency: Option<&'a Residency>,
        stacks: &'a [u64],
    ) -> Self {
        let parts = RssParts {
            heap: 0,
            arenas: 0,
            mmap_chunks: 0,
            anon_other: 0,
            stacks: 0,
            file: 0,
            shmem: 0,
            jit: 0,
            unattributed: 0,
            thp: 0,
            swap: 0,
        };
        Self { claims, residency, stacks, total: 0, parts, guard_end: None }
    }

    pub fn add(&mut self, usage: &Usage) {
        let mapping = &usage.mapping;
        self.total += usage.rss;
        self.parts.thp += usage.huge;
        self.parts.swap += usage.swap;
        let mut rest = usage.rss;
        for claim in self.claims_in(mapping) {
            let start = claim.range.start.max(mapping.start);
            let end = claim.range.end.min(mapping.end);
            let bytes = if start == mapping.start && end == mapping.end {
                rest
            } else {
                self.residency.map_or(0, |known| known.resident_bytes(&(start..end))).min(rest)
            };
            *self.of(claim.part) += bytes;
            rest -= bytes;
        }
        let stack = self.is_stack(mapping);
        self.guard_end =
            (!mapping.readable && mapping.is_anonymous() && mapping.bytes() <= GUARD_BYTES_MAX)
                .then_some(mapping.end);
        let parts = &mut self.parts;
        if stack {
            parts.stacks += rest;
        } else if mapping.name == "[heap]" {
            parts.heap += rest;
        } else if mapping.is_anonymous() {
            *if mapping.executable { &mut parts.jit } else { &mut parts.anon_other } += rest;
        } else if mapping.is_shmem() {
            parts.shmem += rest;
        } else if mapping.inode != 0 {
            // What was written to a private mapping of a file is the process's own.
            let own = usage.anonymous.min(rest);
            parts.anon_other += own;
            parts.file += rest - own;
        } else {
            parts.unattributed += rest;
        }
    }

    /// The sums. With `rss_bytes`, the kernel's own count, if not all mappings could be added: what
    /// is missing is unattributed.
    #[must_use]
    pub fn rss(mut self, rss_bytes: Option<u64>) -> Rss {
        if let Some(missing) = rss_bytes.and_then(|rss| rss.checked_sub(self.total)) {
            self.parts.unattributed += missing;
            self.total += missing;
        }
        Rss { total_bytes: self.total, parts: self.parts }
    }

    fn claims_in(&self, mapping: &Mapping) -> impl Iterator<Item = &'a Claim> + use<'a> {
        let first = self.claims.partition_point(|claim| claim.range.end <= mapping.start);
        let end = mapping.end;
        self.claims[first..].iter().take_while(move |claim| claim.range.start < end)
    }

    fn is_stack(&self, mapping: &Mapping) -> bool {
        if mapping.name.starts_with("[stack") {
            return true;
        }
        let could_be = mapping.is_anonymous() && mapping.writable && mapping.name != "[heap]";
        let is_named = mapping.name.contains("stack");
        let is_guarded = self.guard_end == Some(mapping.start);
        could_be && (is_named || is_guarded || self.stacks.iter().any(|&sp| mapping.contains(sp)))
    }

    const fn of(&mut self, part: Part) -> &mut u64 {
        match part {
            Part::Heap => &mut self.parts.heap,
            Part::Arenas => &mut self.parts.arenas,
            Part::MmapChunks => &mut self.parts.mmap_chunks,
            Part::Stacks => &mut self.parts.stacks,
            Part::Jit => &mut self.parts.jit,
        }
    }
}

/// All parts that sum to the total.
#[must_use]
pub const fn sum(parts: &RssParts) -> u64 {
    parts.heap
        + parts.arenas
        + parts.mmap_chunks
        + parts.anon_other
        + parts.stacks
        + parts.file
        + parts.shmem
        + parts.jit
        + parts.unattributed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(start: u64, end: u64, name: &str, rss: u64) -> Usage {
        let mapping = Mapping {
            start,
            end,
            readable: true,
            writable: true,
            name: name.to_owned(),
            ..Mapping::default()
        };
        Usage { mapping, rss, anonymous: rss, ..Usage::default() }
    }

    #[test]
    fn claims_go_first_and_the_rest_by_its_looks_and_all_sums() {
        let claim = |range, part| Claim { range, part };
        let claims =
            [claim(0x10000..0x20000, Part::Arenas), claim(0x31000..0x33000, Part::MmapChunks)];
        let mut residency = Residency::default();
        residency.push(0x31000, [1 << 63, 0].into_iter());
        let mut split = Split::new(&claims, Some(&residency), &[0x41000]);
        split.add(&usage(0x1000, 0x9000, "[heap]", 0x8000));
        split.add(&usage(0x10000, 0x20000, "", 0x7000));
        split.add(&usage(0x30000, 0x38000, "", 0x5000));
        split.add(&usage(0x40000, 0x48000, "", 0x1000));
        let mut guard = usage(0x50000, 0x51000, "", 0);
        (guard.mapping.readable, guard.mapping.writable) = (false, false);
        split.add(&guard);
        split.add(&usage(0x51000, 0x58000, "", 0x2000));
        let mut file = usage(0x60000, 0x68000, "/lib/x", 0x4000);
        (file.mapping.inode, file.anonymous) = (7, 0x1000);
        split.add(&file);
        split.add(&usage(0x70000, 0x71000, "[vdso]", 0x1000));
        let mut code = usage(0x80000, 0x81000, "", 0x1000);
        code.mapping.executable = true;
        split.add(&code);
        let rss = split.rss(Some(0x30000));
        let parts = &rss.parts;
        assert_eq!((parts.heap, parts.arenas, parts.mmap_chunks), (0x8000, 0x7000, 0x1000));
        assert_eq!((parts.stacks, parts.file, parts.jit), (0x3000, 0x3000, 0x1000));
        assert_eq!((parts.anon_other, parts.unattributed), (0x5000, 0x14000));
        assert_eq!(sum(parts), rss.total_bytes);
        assert_eq!(rss.total_bytes, 0x30000);
    }
}
