//! Memory of cgroups, v1 and v2, in one form.
//!
//! [`Layout`] finds where the memory hierarchy is mounted and lists it; [`Kept`] reads usage from
//! two kept file descriptors, the hot path; [`read_details`] reads limits, events and pressure,
//! which change seldom; [`limit`] finds the limit that really binds. Input is the cgroup
//! filesystem under the sys root and `self/mountinfo` under the proc root.
//!
//! Changes nothing of a cgroup, makes none, follows no symlink and never asks which processes
//! are in one to learn their names. What [`Notices`] writes only asks to be told of events.

mod details;
mod files;
mod kept;
pub mod layout;
pub mod limit;
pub mod mountinfo;
mod notices;
pub mod stat;
#[cfg(test)]
pub(crate) mod testbed;
pub mod v1;
pub mod v2;
mod walk;

pub use details::{Details, read_details, read_memory_stat};
pub use kept::{Kept, read_usage_at};
pub use layout::{Layout, Version};
pub use limit::{Tightest, tightest};
pub use notices::{Notice, Notices};
pub use walk::Walked;

use crate::units::Bytes;

/// What one cgroup and all below it use, as far as this kernel tells.
///
/// `usage` and the parts come from two files read one after the other, and the kernel flushes its
/// per-CPU counters lazily (v1: `usage_in_bytes` runs ahead by up to 64 pages per CPU; v2: at most
/// 2 s behind), so parts need not sum to `usage`. Source: kernel documents cgroup-v1/memory and
/// cgroup-v2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// v2 `memory.current`, v1 `memory.usage_in_bytes`. It includes kernel memory on both.
    pub usage: Bytes,
    /// v2 `anon`, v1 `total_rss`: anonymous memory, transparent huge pages included.
    pub anon: Option<Bytes>,
    /// Page cache *without* shmem, on both versions; v2 `file` and v1 `total_cache` include it.
    pub file: Option<Bytes>,
    /// tmpfs, memfd and System V shared memory: reclaimed only by swapping.
    pub shmem: Option<Bytes>,
    pub inactive_file: Option<Bytes>,
    /// All kernel memory but sockets. v2 since 5.18; v1 never (see [`Details::kernel`]).
    pub kernel: Option<Bytes>,
    pub kernel_stack: Option<Bytes>,
    pub pagetables: Option<Bytes>,
    pub percpu: Option<Bytes>,
    pub sock: Option<Bytes>,
    pub slab_reclaimable: Option<Bytes>,
    pub slab_unreclaimable: Option<Bytes>,
    /// v1 `total_swap`, where swap is accounted. On v2 it is a file of its own:
    /// [`Details::swap`].
    pub swap: Option<Bytes>,
}

impl Usage {
    /// The kubelet's working set: usage − `inactive_file`, never below zero.
    #[must_use]
    pub fn working_set(&self) -> Bytes {
        self.usage - self.inactive_file.unwrap_or(Bytes::ZERO)
    }

    /// What reclaim cannot free without swap: anon + shmem + unreclaimable kernel memory.
    ///
    /// A lower bound where the kernel does not tell its own part (v1 never does). None where it
    /// does not tell anon and shmem apart from the rest.
    #[must_use]
    pub fn unreclaimable(&self) -> Option<Bytes> {
        Some(self.anon? + self.shmem? + self.kernel_unreclaimable())
    }

    /// `kernel` leaves out sockets and has reclaimable slab; before 5.18 the parts are summed.
    fn kernel_unreclaimable(&self) -> Bytes {
        let or_zero = |part: Option<Bytes>| part.unwrap_or(Bytes::ZERO);
        let kernel = match self.kernel {
            Some(kernel) => kernel - or_zero(self.slab_reclaimable),
            None => [self.kernel_stack, self.pagetables, self.percpu, self.slab_unreclaimable]
                .into_iter()
                .map(or_zero)
                .sum(),
        };
        kernel + or_zero(self.sock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_set_never_falls_below_zero() {
        let usage = |inactive_file| Usage {
            usage: Bytes::mib(10),
            inactive_file: Some(Bytes::mib(inactive_file)),
            ..Usage::default()
        };
        assert_eq!(usage(4).working_set(), Bytes::mib(6));
        assert_eq!(usage(11).working_set(), Bytes::ZERO, "the two files are read apart");
        assert_eq!(Usage { usage: Bytes(7), ..Usage::default() }.working_set(), Bytes(7));
    }

    #[test]
    fn unreclaimable_memory_counts_kernel_parts_once_whether_summed_or_not() {
        let parts = Usage {
            anon: Some(Bytes(1)),
            shmem: Some(Bytes(2)),
            kernel_stack: Some(Bytes(10)),
            pagetables: Some(Bytes(20)),
            percpu: Some(Bytes(40)),
            slab_unreclaimable: Some(Bytes(80)),
            slab_reclaimable: Some(Bytes(1000)),
            sock: Some(Bytes(4)),
            ..Usage::default()
        };
        assert_eq!(parts.unreclaimable(), Some(Bytes(157)));
        let with_sum = Usage { kernel: Some(Bytes(1160)), ..parts };
        assert_eq!(with_sum.unreclaimable(), Some(Bytes(167)));
        assert_eq!(Usage { shmem: None, ..parts }.unreclaimable(), None);
    }
}
