//! What an examiner of an allocator or a runtime is given, and what it hands back.
//!
//! Each examiner is one function: it looks at the [`Scene`], finds nothing if what it knows is not
//! there, and never more than it read: a number that it cannot be sure of stays None, with a note.

use std::ops::Range;

use crate::maps::Mapping;
use crate::memory::Memory;
use crate::modules::Modules;
use crate::report::{Allocator, Fragmentation};
use crate::target::Opened;

/// A process, read while it goes on running.
#[derive(Clone, Copy)]
#[expect(
    missing_debug_implementations,
    reason = "it borrows all there is; its parts have their own"
)]
pub struct Scene<'a> {
    pub target: &'a Opened,
    pub exe: Option<&'a str>,
    /// By address.
    pub mappings: &'a [Mapping],
    pub modules: &'a Modules,
    pub memory: &'a dyn Memory,
}

/// Looks for allocators or runtimes; finds nothing where what it knows is not there.
pub type Examine = fn(&Scene<'_>) -> Vec<Finding>;

/// What an examiner found.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// `jvm`, `go`, `cpython`, …; None for a mere allocator.
    pub runtime: Option<String>,
    /// The allocator that the program's blocks come from. Of several the surest is reported.
    pub allocator: Option<Allocator>,
    pub fragmentation: Option<Fragmentation>,
    /// Goes to `runtime_stats` under its name.
    pub stats: Option<(String, serde_json::Value)>,
    /// Goes to `method.notes`.
    pub notes: Vec<String>,
    /// Memory that it knows the use of, for the split of the RSS.
    pub claims: Vec<Claim>,
    /// Something that belongs to it could not be read.
    pub incomplete: bool,
}

/// A stretch of anonymous memory and the part of the RSS that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub range: Range<u64>,
    pub part: Part,
}

/// The parts of [`crate::report::RssParts`] that anonymous memory can be told to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Heap,
    Arenas,
    MmapChunks,
    Stacks,
    Jit,
}
