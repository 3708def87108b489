//! How large the cache may be at the start: what `-m` says, held against the cgroup's limit.

use super::policy::FLOOR_BYTES_MIN;
use super::{Bytes, MIB};
use plimsoll_pressure::own::Own;
use std::fmt;

/// memcached's own default, where nothing bounds the process. Units: bytes.
const WITHOUT_LIMIT: Bytes = 64 * MIB;

/// The program itself, its threads and the kernel's part of its connections.
const OVERHEAD_BYTES: Bytes = 16 * MIB;

/// The cache's share of a cgroup's limit, in percent.
const SHARE_PERCENT: Bytes = 80;

/// What the store is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub limit_bytes: Bytes,
    /// What the limit can be raised to later. Reserving costs no memory.
    pub reserve_bytes: Bytes,
    /// The tightest cgroup limit, where there is one.
    pub cgroup_bytes: Option<Bytes>,
    /// What was asked for, if it was more than can be had.
    pub clamped_from: Option<Bytes>,
}

impl Budget {
    /// `asked`: `-m`; None: a share of the cgroup's limit, or memcached's default.
    #[must_use]
    pub fn of(asked: Option<Bytes>, own: &Own) -> Self {
        Self::within(asked, own.limit().map(|b| b.0), own.node_bytes().map(|b| b.0))
    }

    fn within(asked: Option<Bytes>, cgroup: Option<Bytes>, node: Option<Bytes>) -> Self {
        let node = node.unwrap_or(Bytes::MAX);
        let cgroup = cgroup.filter(|limit| *limit < node);
        let share = cgroup.map(share_of);
        let most = cgroup.map_or(Bytes::MAX, |limit| limit.saturating_sub(OVERHEAD_BYTES));
        let wish = asked.unwrap_or_else(|| share.unwrap_or(WITHOUT_LIMIT));
        let is_too_much = wish > most.max(FLOOR_BYTES_MIN);
        let limit_bytes = if is_too_much { share.unwrap_or(wish) } else { wish };
        let bound = if node == Bytes::MAX { limit_bytes } else { cgroup.unwrap_or(node) };
        Self {
            limit_bytes,
            reserve_bytes: bound.max(limit_bytes),
            cgroup_bytes: cgroup,
            clamped_from: is_too_much.then_some(wish),
        }
    }
}

/// 80 %, less what the program itself needs; never below what is worth running.
fn share_of(limit: Bytes) -> Bytes {
    let share = limit / 100 * SHARE_PERCENT;
    let whole_segments = share.saturating_sub(OVERHEAD_BYTES) / MIB * MIB;
    whole_segments.max(FLOOR_BYTES_MIN.min(limit / 2))
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: Bytes| bytes / MIB;
        write!(f, "{} MiB for the cache", mib(self.limit_bytes))?;
        match (self.clamped_from, self.cgroup_bytes) {
            (Some(asked), Some(limit)) => write!(
                f,
                ": the {} MiB asked for do not fit into the cgroup's limit of {} MiB with what \
                 the program itself needs; raise that limit or lower -m",
                mib(asked),
                mib(limit)
            ),
            (None, Some(limit)) => write!(f, ", in a cgroup of {} MiB", mib(limit)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: Option<Bytes> = Some(16 << 30);

    #[test]
    fn without_a_limit_it_is_what_memcached_takes() {
        let budget = Budget::within(None, None, NODE);
        assert_eq!((budget.limit_bytes, budget.reserve_bytes), (64 * MIB, 16 << 30));
        assert_eq!(budget.to_string(), "64 MiB for the cache");
    }

    #[test]
    fn a_cgroup_lends_a_share_of_its_limit() {
        let budget = Budget::within(None, Some(256 * MIB), NODE);
        assert_eq!((budget.limit_bytes, budget.reserve_bytes), (188 * MIB, 256 * MIB));
        assert_eq!(budget.clamped_from, None);
    }

    #[test]
    fn more_than_the_cgroup_is_clamped_and_said() {
        let budget = Budget::within(Some(1 << 30), Some(256 * MIB), NODE);
        assert_eq!(budget.limit_bytes, 188 * MIB);
        let said = budget.to_string();
        assert!(said.contains("the 1024 MiB asked for do not fit"), "{said}");
        let fits = Budget::within(Some(220 * MIB), Some(256 * MIB), NODE);
        assert_eq!((fits.limit_bytes, fits.clamped_from), (220 * MIB, None));
    }

    #[test]
    fn a_tiny_cgroup_still_gets_something() {
        assert_eq!(Budget::within(None, Some(20 * MIB), NODE).limit_bytes, 8 * MIB);
        assert_eq!(Budget::within(None, Some(10 * MIB), NODE).limit_bytes, 5 * MIB);
    }

    #[test]
    fn a_limit_above_the_nodes_memory_bounds_nothing() {
        let budget = Budget::within(Some(32 << 30), Some(64 << 30), NODE);
        assert_eq!((budget.limit_bytes, budget.reserve_bytes), (32 << 30, 32 << 30));
        assert_eq!(budget.cgroup_bytes, None);
    }
}
