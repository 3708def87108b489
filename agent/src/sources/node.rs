//! The node's memory as a whole: what the kernel says of it in `/proc` and `/sys`.
//!
//! [`read_quick`] is for every second, [`read_slow`] for every minute. Each part is read for
//! itself, so that one file that is missing or forbidden hides no other. Judges nothing.

pub mod buddyinfo;
pub mod host;
pub mod hugepages;
pub mod meminfo;
pub mod numa;
pub mod slabinfo;
mod text;
pub mod vmstat;
pub mod zoneinfo;
pub mod zones;

pub use host::Host;
pub use hugepages::Hugepages;
pub use meminfo::Meminfo;
pub use numa::NumaNode;
pub use slabinfo::Slab;
pub use vmstat::Vmstat;
pub use zones::Zone;

use super::psi::{self, Psi};
use super::{ReadError, Roots};
use std::path::{Path, PathBuf};

/// What moves from second to second.
#[derive(Debug)]
pub struct Quick {
    pub meminfo: Result<Meminfo, ReadError>,
    pub vmstat: Result<Vmstat, ReadError>,
    /// Absent on a kernel without PSI or booted with `psi=0`.
    pub psi: Result<Psi, ReadError>,
}

/// What is worth a look once a minute.
#[derive(Debug)]
pub struct Slow {
    /// Populated zones from whichever of the two files below could be read.
    pub zones: Vec<Zone>,
    /// Whether the zones have free blocks by order and the fragmentation index.
    pub buddyinfo: Result<(), ReadError>,
    /// Whether the zones have watermarks and sizes.
    pub zoneinfo: Result<(), ReadError>,
    /// All caches, largest first. Denied unless root.
    pub slabs: Result<Vec<Slab>, ReadError>,
    pub numa: Result<Vec<NumaNode>, ReadError>,
    pub hugepages: Result<Vec<Hugepages>, ReadError>,
}

/// Reads meminfo, vmstat and memory pressure.
///
/// Cost: 62 µs (two-core VM, Linux 6.18, release build), of which 33 µs are the kernel's making of
/// meminfo and vmstat.
#[must_use]
pub fn read_quick(roots: &Roots) -> Quick {
    Quick {
        meminfo: meminfo::read(roots),
        vmstat: vmstat::read(roots),
        psi: psi::read(&roots.proc.join("pressure/memory")),
    }
}

/// Reads zones, slab caches, NUMA nodes and huge page pools.
///
/// Cost: 0.6 ms on the same VM with 240 slab caches; it grows with CPUs × zones and with slabs.
#[must_use]
pub fn read_slow(roots: &Roots) -> Slow {
    let page_size = host::page_size();
    let buddies = buddyinfo::read(roots);
    let infos = zoneinfo::read(roots);
    let order = hugepages::huge_order(roots, page_size);
    let zones = zones::join(
        buddies.as_deref().unwrap_or_default(),
        infos.as_deref().unwrap_or_default(),
        order,
        page_size,
    );
    Slow {
        zones,
        buddyinfo: buddies.map(drop),
        zoneinfo: infos.map(drop),
        slabs: slabinfo::read(roots, page_size).map(|mut slabs| {
            slabs.sort_by_key(|slab| std::cmp::Reverse(slab.bytes));
            slabs
        }),
        numa: numa::read(roots),
        hugepages: hugepages::read(roots),
    }
}

/// The entries of a sysfs directory, by name.
fn subdirectories(dir: &Path) -> Result<Vec<(String, PathBuf)>, ReadError> {
    let of = |error| ReadError::of(dir, error);
    std::fs::read_dir(dir)
        .map_err(of)?
        .map(|entry| {
            let entry = entry.map_err(of)?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    #[test]
    fn this_machine_is_read_in_a_second_and_in_a_minute() {
        let roots = Roots::default();
        let quick = read_quick(&roots);
        let meminfo = quick.meminfo.unwrap();
        assert!(meminfo.mem_total() > meminfo.mem_available().unwrap());
        assert!(quick.vmstat.unwrap().0["pgfault"] > 0);

        let slow = read_slow(&roots);
        slow.buddyinfo.unwrap();
        slow.zoneinfo.unwrap();
        let free: Bytes = slow.zones.iter().map(|zone| zone.free).sum();
        assert!(free > Bytes::ZERO && free < meminfo.mem_total());
        assert!(slow.zones.iter().all(|zone| zone.unusable_free_index.is_some()));
        if let Ok(slabs) = slow.slabs {
            assert!(slabs.windows(2).all(|pair| pair[0].bytes >= pair[1].bytes));
        }
    }

    #[test]
    fn one_missing_file_hides_no_other() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::write(proc.path().join("vmstat"), "oom_kill 3\n").unwrap();
        std::fs::write(proc.path().join("buddyinfo"), "Node 0, zone Normal 0 2\n").unwrap();
        let nowhere = proc.path().join("sys");
        let roots = Roots { proc: proc.path().into(), sys: nowhere };

        let quick = read_quick(&roots);
        assert_eq!(quick.vmstat.unwrap().oom_kill(), Some(3));
        assert!(matches!(quick.meminfo, Err(ReadError::Absent(_))));
        assert!(matches!(quick.psi, Err(ReadError::Absent(_))));

        let slow = read_slow(&roots);
        assert_eq!(slow.zones[0].free_blocks, [0, 2]);
        assert!(slow.buddyinfo.is_ok() && matches!(slow.zoneinfo, Err(ReadError::Absent(_))));
        assert!(matches!(slow.slabs, Err(ReadError::Absent(_))));
    }
}
