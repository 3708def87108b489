//! hsperfdata: a file made up here as HotSpot writes it, then torn and disturbed.

use super::*;
use proptest::prelude::*;

/// One entry: a number, or a text where there is one.
fn entry(name: &str, number: i64, text: Option<&str>) -> Vec<u8> {
    let name_at = 20_u32;
    let data_at = (20 + name.len() as u32 + 1).next_multiple_of(8);
    let data = text
        .map_or_else(|| number.to_le_bytes().to_vec(), |text| [text.as_bytes(), b"\0"].concat());
    let len = (data_at + data.len() as u32).next_multiple_of(8);
    let vector = text.map_or(0, |text| text.len() as u32 + 1);
    let mut entry = Vec::new();
    for word in [len, name_at, vector] {
        entry.extend(word.to_le_bytes());
    }
    entry.extend([if text.is_some() { b'B' } else { b'J' }, 0, 4, 3]);
    entry.extend(data_at.to_le_bytes());
    entry.extend(name.as_bytes());
    entry.resize(data_at as usize, 0);
    entry.extend(data);
    entry.resize(len as usize, 0);
    entry
}

fn file() -> Vec<u8> {
    let entries = [
        entry("sun.os.hrt.frequency", 1000, None),
        entry("sun.gc.lastCause", 0, Some("G1 Evacuation Pause")),
        entry("sun.gc.generation.0.capacity", 100, None),
        entry("sun.gc.generation.1.capacity", 200, None),
        entry("sun.gc.generation.1.maxCapacity", 400, None),
        entry("sun.gc.generation.1.space.0.used", 150, None),
        entry("sun.gc.collector.0.invocations", 7, None),
        entry("sun.gc.collector.0.time", 1500, None),
    ];
    let mut file = 0xcafe_c0c0_u32.to_be_bytes().to_vec();
    file.extend([1, 2, 0, 1]);
    for word in [0_u32, 0, 0, 0, 32, entries.len() as u32] {
        file.extend(word.to_le_bytes());
    }
    file.extend(entries.concat());
    file
}

#[test]
fn generations_collectors_and_the_last_cause_are_read() {
    let stats = stats(&parse(&file()).unwrap());
    assert_eq!(stats["old_used_bytes"], 150);
    assert_eq!(stats["old_max_bytes"], 400);
    assert_eq!(stats["heap_capacity_bytes"], 300);
    assert_eq!(stats["last_cause"], "G1 Evacuation Pause");
    assert_eq!(stats["collectors"][0]["invocations"], 7);
    assert_eq!(stats["collectors"][0]["time_s"], 1.5);
    assert_eq!(stats["classes_loaded"], Value::Null);
}

#[test]
fn another_magic_byte_order_or_version_is_refused() {
    for (at, byte) in [(0, 0), (4, 0), (5, 1)] {
        let mut file = file();
        file[at] = byte;
        assert_eq!(parse(&file), None);
    }
}

proptest! {
    #[test]
    fn a_torn_or_disturbed_file_gives_less_and_breaks_nothing(
        keep in 0_usize..700,
        hits in proptest::collection::vec((6_usize..600, any::<u8>()), 0..40),
    ) {
        let mut file = file();
        for (at, byte) in hits {
            if let Some(slot) = file.get_mut(at) {
                *slot = byte;
            }
        }
        file.truncate(keep);
        if let Some(counters) = parse(&file) {
            prop_assert!(stats(&counters).is_object());
        }
    }
}
