//! `/proc/vmstat`: the counters that tell of reclaim, compaction, faults, swap and OOM kills.
//!
//! Keeps the counters named here and drops the rest (some 190 lines on Linux 6.18).

use super::text::{lines, name, number, words};
use crate::sources::{Malformed, ReadError, Roots, read_parsed};
use std::collections::BTreeMap;

const FILE_BYTES_MAX: usize = 256 * 1024;

const KEPT: [&[u8]; 6] =
    [b"oom_kill", b"pgfault", b"pgmajfault", b"pswpin", b"pswpout", b"thp_fault_alloc"];
const KEPT_PREFIXES: [&[u8]; 7] = [
    b"allocstall",
    b"pgscan_",
    b"pgsteal_",
    b"compact_",
    b"workingset_refault",
    b"thp_fault_fallback",
    b"thp_collapse_alloc",
];

/// Selected counters of `/proc/vmstat`, by kernel name. Units: events or pages since boot; they
/// never fall. A counter this kernel lacks is not in the map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vmstat(pub BTreeMap<String, u64>);

impl Vmstat {
    /// Processes killed by the OOM killer since boot. None before Linux 4.13.
    #[must_use]
    pub fn oom_kill(&self) -> Option<u64> {
        self.0.get("oom_kill").copied()
    }
}

/// Parses `/proc/vmstat`.
///
/// # Errors
/// [`Malformed`] if a line that is kept is not `name number`.
pub fn parse(bytes: &[u8]) -> Result<Vmstat, Malformed> {
    let mut kept = BTreeMap::new();
    for (at, line) in lines(bytes) {
        let mut words = words(line);
        let key = words.next().unwrap_or_default();
        if !is_kept(key) {
            continue;
        }
        let value = words.next().and_then(number);
        let value = value.ok_or_else(|| Malformed::new(at, line, "'name number'"))?;
        kept.insert(name(key), value);
    }
    Ok(Vmstat(kept))
}

fn is_kept(key: &[u8]) -> bool {
    KEPT.contains(&key) || KEPT_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// Reads `/proc/vmstat`.
///
/// # Errors
/// As [`read_parsed`].
pub fn read(roots: &Roots) -> Result<Vmstat, ReadError> {
    read_parsed(&roots.proc.join("vmstat"), FILE_BYTES_MAX, parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Captured on Linux 6.18 with `cat /proc/vmstat`.
    const LINUX_6_18: &[u8] = include_bytes!("../../../fixtures/node/vmstat-6.18.txt");
    /// Captured on Linux 6.1 and 6.12 in a small machine.
    const LINUX_6_1: &[u8] = include_bytes!("../../../fixtures/node/vmstat-6.1.txt");
    const LINUX_6_12: &[u8] = include_bytes!("../../../fixtures/node/vmstat-6.12.txt");

    #[test]
    fn the_counters_of_pressure_are_kept_and_gauges_are_not() {
        let vmstat = parse(LINUX_6_18).unwrap();
        assert_eq!(vmstat.oom_kill(), Some(1));
        assert_eq!(vmstat.0["allocstall_normal"], 0);
        assert_eq!(vmstat.0["workingset_refault_file"], 1_015_383);
        assert!(vmstat.0["pgfault"] > vmstat.0["pgmajfault"]);
        for dropped in ["nr_free_pages", "numa_hit", "pgpgin", "workingset_nodes"] {
            assert!(!vmstat.0.contains_key(dropped), "{dropped}");
        }
        assert_eq!(vmstat.0.len(), 39);
    }

    #[test]
    fn a_kill_and_swapping_show_on_6_1_and_6_12() {
        for (text, kept, out, fed_in, scanned) in
            [(LINUX_6_1, 35, 2014, 22, 12_549), (LINUX_6_12, 37, 79, 25, 4544)]
        {
            let vmstat = parse(text).unwrap();
            assert_eq!((vmstat.oom_kill(), vmstat.0.len()), (Some(1), kept));
            assert_eq!((vmstat.0["pswpout"], vmstat.0["pswpin"]), (out, fed_in));
            assert_eq!(vmstat.0["pgscan_anon"], scanned);
        }
    }

    #[test]
    fn an_old_kernel_lacks_oom_kill_and_says_none() {
        assert_eq!(parse(b"pgfault 7\nallocstall 3\n").unwrap().oom_kill(), None);
    }

    #[test]
    fn a_kept_counter_that_is_no_number_is_refused() {
        assert_eq!(parse(b"nr_x y\noom_kill -1\n").unwrap_err().line, 2);
        assert_eq!(parse(b"pgfault\n").unwrap_err().line, 1);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_damaged_file_never_panics(at in 0..LINUX_6_18.len(), byte in any::<u8>()) {
            let mut bytes = LINUX_6_18.to_vec();
            bytes[at] = byte;
            let _ = parse(&bytes);
        }
    }
}
