//! The walk over all chunks of all arenas, through one window that is used again and again.

use super::{Arenas, Outcome, Visitor};
use crate::maps::Residency;
use crate::memory::Memory;

/// What a walk may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Params<'a> {
    /// Which pages are there. Without it all are taken to be; with it no page that is swapped out
    /// or was never touched is read for its contents.
    pub residency: Option<&'a Residency>,
}

/// Shows every chunk of `arenas` to `visitor`: segment by segment, then those with a mapping of
/// their own.
pub fn walk<M: Memory + ?Sized, V: Visitor + ?Sized>(
    _memory: &M,
    arenas: &Arenas,
    _params: Params<'_>,
    visitor: &mut V,
) -> Outcome {
    for chunk in &arenas.mmapped {
        visitor.chunk(*chunk);
    }
    Outcome { complete: arenas.list.is_empty(), ..Outcome::default() }
}
