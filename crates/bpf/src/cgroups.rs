//! The cgroup iterator: usage and limit of every memory cgroup below one, in one pass.
//!
//! Exact: the kernel charges whole pages to one counter. It holds its mutex of all cgroups during
//! the pass, some 0.1 µs for each, so a pass over more than [`PASS_CGROUPS_MAX`] is cut and says
//! so.

use crate::edge::{Edge, Refusal, missing, refused};
use crate::iterator::{Iterator, Walk};
use crate::ring::Ring;
use crate::words::Words;
use aya::programs::Iter;
use aya::{Ebpf, include_bytes_aligned};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

const OBJECT: &[u8] = include_bytes_aligned!("../programs/cgroups.bpf.o");
const WHAT: &str = "the cgroup iterator";
const RECORD_BYTES: usize = 32;
/// Records that the ring of 512 KiB holds, each with its header of 8 bytes.
pub const PASS_CGROUPS_MAX: usize = 512 * 1024 / (RECORD_BYTES + 8);
/// `PAGE_COUNTER_MAX` on a machine of 64 bits: no limit. Units: pages.
const NO_LIMIT_PAGES: u64 = i64::MAX as u64 / 4096;

/// One memory cgroup. Units: pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupRecord {
    /// The inode of its directory.
    pub id: u64,
    pub usage_pages: u64,
    /// None: no limit.
    pub limit_pages: Option<u64>,
    pub peak_pages: u64,
}

impl CgroupRecord {
    #[must_use]
    pub fn parse(record: &[u8]) -> Self {
        let words = Words(record);
        Self {
            id: words.u64(0),
            usage_pages: words.u64(8),
            limit_pages: limit(words.u64(16)),
            peak_pages: words.u64(24),
        }
    }
}

/// A limit as a page counter holds it; None: there is none. Units: pages.
pub(crate) fn limit(pages: u64) -> Option<u64> {
    (pages < NO_LIMIT_PAGES / 16 * 16).then_some(pages)
}

#[derive(Debug)]
pub struct Cgroups {
    /// Before the program, so that it is let go of first.
    iterator: Iterator,
    records: Ring,
    _loaded: Ebpf,
}

impl Cgroups {
    /// Loads the program for the hierarchy, or a part of it, whose directory is `top`.
    ///
    /// # Errors
    /// [`Refusal`], in one line; Linux before 6.1 has no such iterator.
    pub fn open(edge: &Edge, top: &Path) -> Result<Self, Refusal> {
        let of = |error: &(dyn std::error::Error + 'static)| Refusal::of(WHAT, error);
        let types = edge.types()?;
        let mut loaded = edge.load(OBJECT, WHAT)?;
        let records = Ring::take(&mut loaded, "records", WHAT)?;
        let program = loaded.program_mut("cgroups").ok_or_else(|| missing(WHAT))?;
        let program: &mut Iter = program.try_into().map_err(refused(WHAT))?;
        program.load("cgroup", types).map_err(refused(WHAT))?;
        let dir = File::open(top).map_err(|e| of(&e))?;
        let fd = program.fd().map_err(refused(WHAT))?;
        let iterator = Iterator::join(fd, Walk::Cgroups(&dir)).map_err(|e| of(&e))?;
        Ok(Self { iterator, records, _loaded: loaded })
    }

    /// Hands every memory cgroup to `see`, each before those below it. Returns how many were left
    /// out for want of room since this was opened.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn pass(&mut self, mut see: impl FnMut(CgroupRecord)) -> io::Result<u64> {
        let mut file = self.iterator.pass()?;
        // The program writes nothing to the file: its end is the end of the pass.
        file.read_to_end(&mut Vec::new())?;
        self.records.drain(PASS_CGROUPS_MAX, |record| see(CgroupRecord::parse(record)));
        Ok(self.records.lost())
    }
}
