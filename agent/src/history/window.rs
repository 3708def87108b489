//! What `detect` and `forecast` see of a target's past: read-only, oldest first.

use crate::clock::Stamp;
use crate::units::Bytes;

/// One reading of a target's memory. `used` is what the target's limit is held against: RSS for a
/// process, the sum of RSS for a workload, usage for a cgroup, MemTotal − MemAvailable for the node.
/// The parts need not sum to `used` (the rest is kernel memory); swap is never part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    pub used: Bytes,
    pub anon: Bytes,
    pub file: Bytes,
    pub shmem: Bytes,
    pub swap: Bytes,
}

/// A run of equal readings: the values held from `at` to `until` (equal to `at` for a single one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub at: Stamp,
    pub until: Stamp,
    pub split: Split,
}

/// A closed stretch of time folded into order statistics, weighted by how long each value held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub at: Stamp,
    pub until: Stamp,
    /// 10th percentile of `used`: the floor under a sawtooth.
    pub used_p10: Bytes,
    pub used_max: Bytes,
    /// Medians of each part, `used` among them.
    pub median: Split,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Points as they were read, equal neighbours merged.
    Fine,
    /// Buckets of one minute.
    Minute,
    /// Buckets of one hour.
    Hour,
}

/// stub
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    pub(super) points: &'a [Point],
    pub(super) _p: std::marker::PhantomData<&'a ()>,
}

impl Window<'_> {
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.points.iter().copied()
    }
    pub fn buckets(&self, _tier: Tier) -> impl Iterator<Item = Bucket> + '_ {
        std::iter::empty()
    }
    pub fn first_at(&self) -> Option<Stamp> {
        None
    }
    pub fn last(&self) -> Option<Point> {
        None
    }
}
