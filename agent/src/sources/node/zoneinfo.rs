//! `/proc/zoneinfo`: the size of each zone and the watermarks at which reclaim sets in.
//!
//! Keeps the handful of figures named here; the per-node statistics are in `/proc/vmstat` too.

use super::text::{lines, number, words, zone_header};
use crate::sources::{Malformed, ReadError, Roots, read_parsed};
use crate::units::Pages;

/// A machine with hundreds of CPUs and several nodes prints a pageset for each pair.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One zone, including zones without pages (`managed` is 0).
///
/// Below `low` kswapd reclaims until `high`; below `min` allocations reclaim for themselves.
/// Source: kernel document admin-guide/sysctl/vm (min_free_kbytes, watermark_scale_factor).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneInfo {
    pub node: u32,
    pub zone: String,
    pub free: Option<Pages>,
    pub min: Option<Pages>,
    pub low: Option<Pages>,
    pub high: Option<Pages>,
    /// Pages the buddy allocator manages: present less what was reserved at boot.
    pub managed: Option<Pages>,
}

/// Parses `/proc/zoneinfo`.
///
/// # Errors
/// [`Malformed`] if a zone's headline or one of the kept figures cannot be read.
pub fn parse(bytes: &[u8]) -> Result<Vec<ZoneInfo>, Malformed> {
    let mut zones: Vec<ZoneInfo> = Vec::new();
    for (at, line) in lines(bytes) {
        if line.starts_with(b"Node ") {
            let (node, zone, _) =
                zone_header(line).ok_or_else(|| Malformed::new(at, line, "'Node N, zone NAME'"))?;
            let (free, min, low, high, managed) = Default::default();
            zones.push(ZoneInfo { node, zone, free, min, low, high, managed });
            continue;
        }
        let Some(zone) = zones.last_mut() else {
            return Err(Malformed::new(at, line, "'Node N, zone NAME'"));
        };
        let mut words = words(line);
        let slot = match words.next() {
            Some(b"pages") if words.next() == Some(b"free") => &mut zone.free,
            Some(b"min") => &mut zone.min,
            Some(b"low") => &mut zone.low,
            Some(b"high") => &mut zone.high,
            Some(b"managed") => &mut zone.managed,
            _ => continue,
        };
        let value = words.next().and_then(number);
        *slot = Some(Pages(value.ok_or_else(|| Malformed::new(at, line, "a number of pages"))?));
    }
    Ok(zones)
}

/// Reads `/proc/zoneinfo`.
///
/// # Errors
/// As [`read_parsed`].
pub fn read(roots: &Roots) -> Result<Vec<ZoneInfo>, ReadError> {
    read_parsed(&roots.proc.join("zoneinfo"), FILE_BYTES_MAX, parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Captured on Linux 6.18 with `cat /proc/zoneinfo`.
    const LINUX_6_18: &[u8] = include_bytes!("../../../fixtures/node/zoneinfo-6.18.txt");
    /// Captured on Linux 6.1 and 6.12 in a small machine.
    const LINUX_6_1: &[u8] = include_bytes!("../../../fixtures/node/zoneinfo-6.1.txt");
    const LINUX_6_12: &[u8] = include_bytes!("../../../fixtures/node/zoneinfo-6.12.txt");

    #[test]
    fn watermarks_are_the_zones_not_those_of_its_pagesets() {
        let zones = parse(LINUX_6_18).unwrap();
        let names: Vec<_> = zones.iter().map(|z| z.zone.as_str()).collect();
        assert_eq!(names, ["DMA", "DMA32", "Normal", "Movable", "Device"]);
        let dma32 = &zones[1];
        assert_eq!((dma32.min, dma32.low), (Some(Pages(4442)), Some(Pages(5552))));
        assert_eq!((dma32.high, dma32.managed), (Some(Pages(6662)), Some(Pages(772_915))));
        assert_eq!(dma32.free, Some(Pages(772_915)));
        assert_eq!(zones[4].managed, Some(Pages(0)));
    }

    #[test]
    fn zones_without_memory_and_those_with_it_are_read_on_6_1_and_6_12() {
        for (text, free, marks, managed) in [
            (LINUX_6_1, 37_161, [427, 533, 639], 51_815),
            (LINUX_6_12, 38_776, [422, 527, 632], 50_454),
        ] {
            let zones = parse(text).unwrap();
            let names: Vec<_> = zones.iter().map(|z| z.zone.as_str()).collect();
            assert_eq!(names, ["DMA", "DMA32", "Normal", "Movable", "Device"]);
            let dma32 = &zones[1];
            assert_eq!((dma32.free, dma32.managed), (Some(Pages(free)), Some(Pages(managed))));
            assert_eq!([dma32.min, dma32.low, dma32.high], marks.map(|mark| Some(Pages(mark))));
            assert_eq!(zones[2].managed, Some(Pages(0)));
        }
    }

    #[test]
    fn a_figure_without_a_number_is_refused_with_its_line() {
        assert_eq!(parse(b"Node 0, zone DMA\n  pages free x\n").unwrap_err().line, 2);
        assert_eq!(parse(b"Node 0, zone DMA\n\n   min\n").unwrap_err().line, 3);
        assert_eq!(parse(b"  pages free 1\n").unwrap_err().line, 1);
        assert_eq!(parse(b"Node 0\n").unwrap_err().line, 1);
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
