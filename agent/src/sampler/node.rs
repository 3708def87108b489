//! The node as a target: the latest readings of its memory and its own history.

use super::standing::Standing;
use super::state::Track;
use crate::clock::Stamp;
use crate::history::{History, Split};
use crate::sources::node::{Host, Quick, Slow};
use crate::target::Target;
use crate::units::Bytes;

#[derive(Debug)]
pub struct Node {
    pub host: Host,
    pub track: Track,
    pub quick: Option<Quick>,
    /// What is left before the kernel kills for want of memory, as of the last reading.
    pub headroom: Option<Bytes>,
    pub slow: Option<Slow>,
    pub standing: Standing,
}

impl Node {
    #[must_use]
    pub fn new(host: Host, history: &mut History, now: Stamp) -> Self {
        let track = Track::new(history.open(&Target::Node, now), now);
        Self { host, track, quick: None, headroom: None, slow: None, standing: Standing::default() }
    }

    pub fn take(&mut self, quick: Quick) {
        self.headroom = headroom(&quick);
        self.quick = Some(quick);
    }

    /// Is somebody waiting for memory right now? Readings that could wait do.
    #[must_use]
    pub fn under_pressure(&self) -> bool {
        const SOME_AVG10_MAX: f64 = 10.0;
        let psi = self.quick.as_ref().and_then(|q| q.psi.as_ref().ok());
        psi.is_some_and(|psi| psi.some.avg10 > SOME_AVG10_MAX)
    }
}

/// MemAvailable and free swap.
fn headroom(quick: &Quick) -> Option<Bytes> {
    let meminfo = quick.meminfo.as_ref().ok()?;
    Some(meminfo.mem_available()? + meminfo.swap_free().unwrap_or_default())
}

/// The history's view of the node: used is MemTotal − MemAvailable, which leaves the page cache out
/// already, so its part is zero.
#[must_use]
pub fn split_of(quick: &Quick) -> Option<Split> {
    let meminfo = quick.meminfo.as_ref().ok()?;
    let shmem = meminfo.shmem().unwrap_or_default();
    let free = meminfo.mem_available().unwrap_or(meminfo.mem_free());
    Some(Split {
        used: meminfo.mem_total() - free,
        anon: meminfo.anon_pages().unwrap_or_default(),
        file: Bytes::ZERO,
        shmem,
        swap: meminfo.swap_total().unwrap_or_default() - meminfo.swap_free().unwrap_or_default(),
    })
}
