//! What of a cgroup changes seldom: its limits, its events, its peak, its pressure.

use super::files::Dir;
use super::layout::Layout;
use super::{stat, v1, v2};
use crate::sources::ReadError;
use crate::sources::psi::{self, Psi};
use crate::units::{Bytes, Limit};
use std::collections::BTreeMap;

/// Limits and events of one cgroup. A file that this kernel or this version lacks is None.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// v2 `memory.max`, v1 `memory.limit_in_bytes`. This cgroup's own; see [`super::tightest`].
    pub max: Limit,
    /// v2 `memory.high`. v1 has nothing that throttles (its soft limit only orders reclaim).
    pub high: Limit,
    /// v2 `memory.low`; its `max`, which protects everything, is `Bytes(u64::MAX)`.
    pub low: Option<Bytes>,
    /// v2 `memory.min`, likewise.
    pub min: Option<Bytes>,
    /// v2 `memory.swap.max`. On v1 `memory.memsw.limit_in_bytes` − `memory.limit_in_bytes`, the
    /// swap that is left when memory is full; with less memory in use v1 allows more.
    pub swap_max: Limit,
    /// v2 `memory.peak` (since 5.19), v1 `memory.max_usage_in_bytes`.
    pub peak: Option<Bytes>,
    pub swap: Option<Bytes>,
    /// v2 `kernel` of `memory.stat` (since 5.18), v1 `memory.kmem.usage_in_bytes`.
    pub kernel: Option<Bytes>,
    /// v2 `memory.events`, which counts what happened here and in all cgroups below. On v1 `max`
    /// from `memory.failcnt`, `oom_kill` (since 4.13), `under_oom` and `oom_kill_disable` from
    /// `memory.oom_control`, all of this cgroup alone.
    pub events: BTreeMap<String, u64>,
    /// v2 `memory.events.local` (since 5.2): of this cgroup alone. `oom_kill` counts where the
    /// victim was, `oom` and `max` where the limit is.
    pub events_local: Option<BTreeMap<String, u64>>,
    /// v2 only: pressure is not accounted by v1's hierarchy.
    pub psi: Option<Psi>,
}

/// Reads the details of the cgroup `path`, as [`Layout::walk`] names it.
///
/// Cost: about a dozen files, 30 µs; for every few seconds, not for every sample.
///
/// # Errors
/// As [`super::Kept::open`] and [`super::Kept::read`].
pub fn read_details(layout: &Layout, path: &str) -> Result<Details, ReadError> {
    let dir = Dir::open(layout, path)?;
    let buf = &mut Vec::new();
    if layout.is_v2() { read_v2(&dir, buf) } else { read_v1(&dir, buf) }
}

/// Reads all of `memory.stat` of the cgroup `path`, under the kernel's keys; at most 64 of them.
///
/// Units: bytes, events and pages as the kernel has them. Cost: 10 µs.
///
/// # Errors
/// As [`read_details`].
pub fn read_memory_stat(layout: &Layout, path: &str) -> Result<BTreeMap<String, u64>, ReadError> {
    let dir = Dir::open(layout, path)?;
    let stat = dir.parse("memory.stat", &mut Vec::new(), stat::parse_events)?;
    stat.ok_or_else(|| dir.missing("memory.stat"))
}

/// `memory.stat` is read last: every memory cgroup has it, so if it is there, a file that was not
/// found before is one that this kernel lacks.
fn read_v2(dir: &Dir, buf: &mut Vec<u8>) -> Result<Details, ReadError> {
    let protection = |limit: Limit| limit.bytes().unwrap_or(Bytes(u64::MAX));
    Ok(Details {
        max: dir.limit("memory.max", buf)?,
        high: dir.limit("memory.high", buf)?,
        low: dir.parse("memory.low", buf, stat::parse_limit)?.map(protection),
        min: dir.parse("memory.min", buf, stat::parse_limit)?.map(protection),
        swap_max: dir.limit("memory.swap.max", buf)?,
        peak: dir.bytes("memory.peak", buf)?,
        swap: dir.bytes("memory.swap.current", buf)?,
        events: dir.parse("memory.events", buf, stat::parse_events)?.unwrap_or_default(),
        events_local: dir.parse("memory.events.local", buf, stat::parse_events)?,
        // Not there, or refused with EOPNOTSUPP where the kernel was booted without PSI.
        psi: psi::read(&dir.path().join("memory.pressure")).ok(),
        kernel: dir
            .parse("memory.stat", buf, v2::parse)?
            .ok_or_else(|| dir.missing("memory.stat"))?
            .kernel,
    })
}

fn read_v1(dir: &Dir, buf: &mut Vec<u8>) -> Result<Details, ReadError> {
    let max = dir.limit("memory.limit_in_bytes", buf)?;
    let memory_and_swap = dir.limit("memory.memsw.limit_in_bytes", buf)?;
    let mut events = dir.parse("memory.oom_control", buf, stat::parse_events)?.unwrap_or_default();
    if let Some(failures) = dir.parse("memory.failcnt", buf, stat::parse_number)? {
        events.insert("max".to_owned(), failures);
    }
    Ok(Details {
        max,
        swap_max: match (memory_and_swap, max) {
            (Limit::At(both), Limit::At(memory)) => Limit::At(both - memory),
            _ => Limit::Max,
        },
        peak: dir.bytes("memory.max_usage_in_bytes", buf)?,
        kernel: dir.bytes("memory.kmem.usage_in_bytes", buf)?,
        events,
        swap: dir
            .parse("memory.stat", buf, v1::parse)?
            .ok_or_else(|| dir.missing("memory.stat"))?
            .swap,
        ..Details::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::cgroup::testbed::{Memcg, Tree, V2_CONTROLLERS, live_v1};

    /// The files of one captured v2 cgroup, by name.
    macro_rules! captured {
        ($cgroup:literal: $($name:literal)*) => {
            [$(($name, include_str!(concat!("../../../fixtures/cgroup/", $cgroup, "/", $name)))),*]
        };
        ($cgroup:literal) => {
            captured!($cgroup: "memory.stat" "memory.max" "memory.high" "memory.low" "memory.min"
                "memory.swap.max" "memory.swap.current" "memory.peak" "memory.events"
                "memory.events.local" "memory.pressure")
        };
    }

    fn v2(files: &[(&str, &str)]) -> Result<Details, ReadError> {
        let tree = Tree::new();
        tree.write("sys/fs/cgroup/cgroup.controllers", V2_CONTROLLERS);
        for (name, text) in files {
            tree.write(&format!("sys/fs/cgroup/a.slice/b.service/{name}"), text);
        }
        read_details(&Layout::detect(&tree.roots()).unwrap(), "/a.slice/b.service")
    }

    fn events(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn a_pod_on_6_12_whose_container_was_killed_and_throttled_is_read_whole() {
        let details = v2(&captured!("v2-6.12-pod")).unwrap();
        assert_eq!((details.max, details.high), (Limit::At(Bytes::mib(32)), Limit::Max));
        assert_eq!((details.low, details.min), (Some(Bytes::mib(4)), Some(Bytes::ZERO)));
        assert_eq!(details.swap_max, Limit::At(Bytes::mib(4)));
        assert_eq!(details.swap, Some(Bytes(4_030_464)));
        assert_eq!(details.peak, Some(Bytes::mib(32)));
        assert_eq!(details.kernel, Some(Bytes(798_720)));
        let counts = [("low", 0), ("high", 269), ("max", 38), ("oom", 1)];
        let kills = [("oom_kill", 1), ("oom_group_kill", 0)];
        assert_eq!(details.events, events(&[&counts[..], &kills[..]].concat()));
        // The limit is the pod's; the victim and the throttling were the container's.
        let local = details.events_local.unwrap();
        assert_eq!((local["max"], local["oom_kill"], local["high"]), (38, 0, 0));
        let psi = details.psi.unwrap();
        assert_eq!((psi.some.avg10, psi.full.unwrap().avg300), (15.29, 1.48));
        assert_eq!(psi.some.total.as_micros(), 4_951_535);
    }

    #[test]
    fn a_container_on_6_1_may_have_peaked_above_its_pods_limit() {
        let details = v2(&captured!("v2-6.1-container")).unwrap();
        assert_eq!((details.max, details.high), (Limit::Max, Limit::At(Bytes::mib(29))));
        assert_eq!((details.low, details.min), (Some(Bytes::mib(4)), Some(Bytes::mib(1))));
        assert_eq!((details.swap_max, details.swap), (Limit::Max, Some(Bytes(4_194_304))));
        // A charge is counted in the cgroup before it is refused above it.
        assert_eq!(details.peak, Some(Bytes(33_808_384)));
        assert_eq!((details.events["high"], details.events["oom_kill"]), (180, 1));
        assert_eq!(details.events_local, Some(details.events));
    }

    #[test]
    fn protection_of_everything_is_the_largest_number() {
        let details = v2(&[("memory.stat", "anon 1\n"), ("memory.min", "max\n")]).unwrap();
        assert_eq!(details.min, Some(Bytes(u64::MAX)));
    }

    #[test]
    fn what_an_older_kernel_lacks_is_none_and_no_limit() {
        let details = v2(&[("memory.stat", "anon 1\n")]).unwrap();
        assert_eq!(details, Details::default());
    }

    #[test]
    fn a_cgroup_without_the_controller_is_absent() {
        assert!(matches!(v2(&[("cgroup.procs", "")]), Err(ReadError::Absent(_))));
    }

    #[test]
    fn limits_failures_and_kills_of_a_real_v1_cgroup_are_read() {
        let Some(layout) = live_v1() else { return };
        let memcg = Memcg::make(&layout, "details");
        let fresh = read_details(&layout, memcg.path()).unwrap();
        assert_eq!((fresh.max, fresh.swap_max, fresh.high), (Limit::Max, Limit::Max, Limit::Max));
        assert_eq!(
            fresh.events,
            events(&[("max", 0), ("oom_kill", 0), ("oom_kill_disable", 0), ("under_oom", 0)])
        );
        assert_eq!(fresh.low, None);

        memcg.set("memory.limit_in_bytes", "16M");
        let died = !memcg.hold_anon(Bytes::mib(64)).is_ready();
        assert!(died, "64 MiB must not fit in 16 MiB");
        let after = read_details(&layout, memcg.path()).unwrap();
        assert_eq!(after.max, Limit::At(Bytes::mib(16)));
        assert!(after.events["max"] > 0, "{after:?}");
        assert!(after.events["oom_kill"] >= 1, "{after:?}");
        assert_eq!(after.peak, Some(Bytes::mib(16)));
        assert!(after.kernel.is_some());
    }

    #[test]
    fn the_swap_limit_of_v1_is_what_is_left_over_memory() {
        let tree = Tree::new();
        tree.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n");
        let file = |name: &str, text: &str| {
            tree.write(&format!("sys/fs/cgroup/memory/a/memory.{name}"), text);
        };
        file("stat", "total_swap 12288\n");
        file("limit_in_bytes", "33554432\n");
        file("memsw.limit_in_bytes", "9223372036854771712\n");
        let layout = Layout::detect(&tree.roots()).unwrap();
        assert_eq!(read_details(&layout, "/a").unwrap().swap_max, Limit::Max);
        file("memsw.limit_in_bytes", "50331648\n");
        let details = read_details(&layout, "/a").unwrap();
        assert_eq!(details.swap_max, Limit::At(Bytes::mib(16)));
        assert_eq!(details.swap, Some(Bytes(12_288)));
    }

    #[test]
    fn details_of_a_removed_cgroup_are_gone() {
        let Some(layout) = live_v1() else { return };
        let memcg = Memcg::make(&layout, "details-gone");
        let path = memcg.path().to_owned();
        let dir = Dir::open(&layout, &path).unwrap();
        drop(memcg);
        assert!(matches!(read_details(&layout, &path), Err(ReadError::Gone)));
        assert!(matches!(read_v1(&dir, &mut Vec::new()), Err(ReadError::Gone)));
    }
}
