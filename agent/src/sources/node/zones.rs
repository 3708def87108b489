//! The node's zones, joined from `/proc/buddyinfo` and `/proc/zoneinfo`. Reads nothing itself.

use super::buddyinfo::{Buddy, unusable_free_index};
use super::zoneinfo::ZoneInfo;
use crate::units::{Bytes, Pages};

/// One populated zone. What comes from a file that could not be read is None or empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub node: u32,
    pub zone: String,
    pub free: Bytes,
    pub min: Option<Bytes>,
    pub low: Option<Bytes>,
    pub high: Option<Bytes>,
    pub managed: Option<Bytes>,
    /// By order, 0 first; empty without buddyinfo.
    pub free_blocks: Vec<u64>,
    /// The kernel's unusable free space index at the huge page order, 0…1.
    pub unusable_free_index: Option<f64>,
}

/// Joins the two files by node and zone name. Zones without pages are left out.
///
/// The files are read one after the other, so `free` and `free_blocks` may differ by what was
/// allocated in between; `free` is zoneinfo's where there is one.
#[must_use]
pub fn join(buddies: &[Buddy], infos: &[ZoneInfo], huge_order: u32, page_size: Bytes) -> Vec<Zone> {
    let mut zones: Vec<Zone> = infos
        .iter()
        .filter(|info| info.managed != Some(Pages(0)))
        .map(|info| of_info(info, page_size))
        .collect();
    for buddy in buddies {
        let index = Some(unusable_free_index(&buddy.free_blocks, huge_order));
        let known = zones.iter_mut().find(|z| z.node == buddy.node && z.zone == buddy.zone);
        if let Some(zone) = known {
            zone.free_blocks.clone_from(&buddy.free_blocks);
            zone.unusable_free_index = index;
        } else {
            zones.push(Zone { unusable_free_index: index, ..of_buddy(buddy, page_size) });
        }
    }
    zones
}

fn of_info(info: &ZoneInfo, page_size: Bytes) -> Zone {
    let bytes = |pages: Option<Pages>| pages.map(|pages| pages.to_bytes(page_size));
    Zone {
        node: info.node,
        zone: info.zone.clone(),
        free: bytes(info.free).unwrap_or_default(),
        min: bytes(info.min),
        low: bytes(info.low),
        high: bytes(info.high),
        managed: bytes(info.managed),
        free_blocks: Vec::new(),
        unusable_free_index: None,
    }
}

fn of_buddy(buddy: &Buddy, page_size: Bytes) -> Zone {
    let free = (0_u32..).zip(&buddy.free_blocks).fold(0_u64, |sum, (order, &blocks)| {
        sum.saturating_add(blocks.saturating_mul(1_u64.checked_shl(order).unwrap_or(u64::MAX)))
    });
    Zone {
        node: buddy.node,
        zone: buddy.zone.clone(),
        free: Pages(free).to_bytes(page_size),
        min: None,
        low: None,
        high: None,
        managed: None,
        free_blocks: buddy.free_blocks.clone(),
        unusable_free_index: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::node::{buddyinfo, zoneinfo};

    const PAGE: Bytes = Bytes(4096);

    fn captured() -> (Vec<Buddy>, Vec<ZoneInfo>) {
        (
            buddyinfo::parse(include_bytes!("../../../fixtures/node/buddyinfo-6.18.txt")).unwrap(),
            zoneinfo::parse(include_bytes!("../../../fixtures/node/zoneinfo-6.18.txt")).unwrap(),
        )
    }

    #[test]
    fn both_files_together_give_watermarks_and_fragmentation() {
        let (buddies, infos) = captured();
        let zones = join(&buddies, &infos, 9, PAGE);
        let names: Vec<_> = zones.iter().map(|z| z.zone.as_str()).collect();
        assert_eq!(names, ["DMA", "DMA32", "Normal"]);
        assert_eq!(zones[1].low, Some(Pages(5552).to_bytes(PAGE)));
        assert_eq!(zones[1].unusable_free_index, Some(0.002));
        assert_eq!(zones[0].free_blocks, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3]);
    }

    #[test]
    fn either_file_alone_gives_what_it_knows() {
        let (buddies, infos) = captured();
        let of_buddies = join(&buddies, &[], 9, PAGE);
        assert_eq!((of_buddies[0].free, of_buddies[0].min), (Pages(3840).to_bytes(PAGE), None));
        let of_infos = join(&[], &infos, 9, PAGE);
        assert_eq!(of_infos[0].free, of_buddies[0].free);
        assert_eq!((of_infos[0].unusable_free_index, of_infos.len()), (None, 3));
    }

    #[test]
    fn two_nodes_with_zones_of_one_name_stay_apart() {
        let buddy =
            |node| Buddy { node, zone: "Normal".into(), free_blocks: vec![u64::from(node)] };
        let zones = join(&[buddy(1), buddy(2)], &[], 9, PAGE);
        assert_eq!(zones.iter().map(|z| z.free).collect::<Vec<_>>(), [PAGE, Bytes(8192)]);
    }
}
