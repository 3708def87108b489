//! `/proc/slabinfo`: what the kernel's own object caches hold. Readable by root only.

use super::text::{lines, name, number, words};
use crate::sources::{Malformed, ReadError, Roots, read_parsed};
use crate::units::{Bytes, Pages};

const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One slab cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slab {
    pub name: String,
    pub active_objects: u64,
    pub objects: u64,
    pub object_size: Bytes,
    /// Memory of all its slabs, whether their objects are in use or not.
    pub bytes: Bytes,
}

/// Parses `/proc/slabinfo` version 2, in the file's order.
///
/// Source: `cache_show` in the kernel's mm/slab_common.c. With SLUB several caches of one object
/// size may be merged under the name of one of them.
///
/// # Errors
/// [`Malformed`] if the version is another or a line lacks a figure.
pub fn parse(bytes: &[u8], page_size: Bytes) -> Result<Vec<Slab>, Malformed> {
    let mut lines = lines(bytes);
    let version = "slabinfo - version: 2.x";
    let (at, head) = lines.next().unwrap_or((1, b""));
    if !head.starts_with(b"slabinfo - version: 2.") {
        return Err(Malformed::new(at, head, version));
    }
    lines
        .filter(|(_, line)| !line.starts_with(b"#"))
        .map(|(at, line)| {
            cache(line, page_size).ok_or_else(|| Malformed::new(at, line, "a slab cache"))
        })
        .collect()
}

/// `name active num objsize objperslab pagesperslab : tunables … : slabdata active num shared`;
/// a name may hold spaces, so the figures are taken from the right.
fn cache(line: &[u8], page_size: Bytes) -> Option<Slab> {
    let mut sections = line.split(|&b| b == b':');
    let objects = sections.next()?;
    let slabdata = sections.find_map(|s| s.trim_ascii().strip_prefix(b"slabdata"))?;
    let slabs = words(slabdata).nth(1).and_then(number)?;

    let mut figures = words(objects).rev();
    let pages_per_slab = number(figures.next()?)?;
    let _objects_per_slab = number(figures.next()?)?;
    let object_size = number(figures.next()?)?;
    let objects = number(figures.next()?)?;
    let active_objects = number(figures.next()?)?;
    let mut name_words: Vec<String> = figures.map(name).collect();
    name_words.reverse();
    if name_words.is_empty() {
        return None;
    }
    Some(Slab {
        name: name_words.join(" "),
        active_objects,
        objects,
        object_size: Bytes(object_size),
        bytes: Pages(slabs.checked_mul(pages_per_slab)?).to_bytes(page_size),
    })
}

/// Reads `/proc/slabinfo`.
///
/// Cost: it walks every slab of every cache under a lock (milliseconds on a node with millions of
/// dentries), so once a minute is often enough.
///
/// # Errors
/// [`ReadError::Denied`] unless root; else as [`read_parsed`].
pub fn read(roots: &Roots, page_size: Bytes) -> Result<Vec<Slab>, ReadError> {
    read_parsed(&roots.proc.join("slabinfo"), FILE_BYTES_MAX, |bytes| parse(bytes, page_size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: Bytes = Bytes(4096);
    /// Captured on Linux 6.18 with `cat /proc/slabinfo`; most caches cut out.
    const LINUX_6_18: &[u8] = include_bytes!("../../../fixtures/node/slabinfo-6.18.txt");
    /// Captured on Linux 6.1 and 6.12 in a small machine.
    const LINUX_6_1: &[u8] = include_bytes!("../../../fixtures/node/slabinfo-6.1.txt");
    const LINUX_6_12: &[u8] = include_bytes!("../../../fixtures/node/slabinfo-6.12.txt");

    #[test]
    fn a_caches_bytes_are_its_slabs() {
        let slabs = parse(LINUX_6_18, PAGE).unwrap();
        let find = |name| slabs.iter().find(|s| s.name == name).unwrap();
        let dentry = find("dentry");
        assert_eq!((dentry.active_objects, dentry.objects), (149_269, 149_310));
        assert_eq!((dentry.object_size, dentry.bytes), (Bytes(192), Bytes(7110 * 4096)));
        assert_eq!(find("radix_tree_node").bytes, Bytes(5154 * 2 * 4096));
    }

    #[test]
    fn slabs_of_several_pages_are_counted_whole_on_6_1_and_6_12() {
        for (text, tasks, slabs) in [(LINUX_6_1, 60, 20), (LINUX_6_12, 65, 24)] {
            let caches = parse(text, PAGE).unwrap();
            let task_struct = caches.iter().find(|s| s.name == "task_struct").unwrap();
            assert_eq!(
                (task_struct.active_objects, task_struct.bytes),
                (tasks, Bytes(slabs * 8 * 4096))
            );
        }
    }

    #[test]
    fn a_name_may_hold_spaces_and_debug_figures_may_follow() {
        let text = "slabinfo - version: 2.1 (statistics)\nmy cache 1 2 64 64 1 : tunables 0 0 0 \
                    : slabdata 1 3 0 : globalstat 1 2 3\n";
        let slabs = parse(text.as_bytes(), PAGE).unwrap();
        assert_eq!((slabs[0].name.as_str(), slabs[0].bytes), ("my cache", Bytes(3 * 4096)));
    }

    #[test]
    fn another_version_and_short_lines_are_refused() {
        assert_eq!(parse(b"", PAGE).unwrap_err().line, 1);
        assert_eq!(parse(b"slabinfo - version: 3.0\n", PAGE).unwrap_err().line, 1);
        for bad in ["x", "1 2 3 4 5 : tunables 0 : slabdata 1 1 0", "n 1 2 3 4 5 : slabdata 1"] {
            let text = format!("slabinfo - version: 2.1\n# name\n{bad}\n");
            assert_eq!(parse(text.as_bytes(), PAGE).unwrap_err().line, 3, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let headed = [b"slabinfo - version: 2.1\n", bytes.as_slice()].concat();
            let _ = (parse(&bytes, PAGE), parse(&headed, PAGE));
        }

        #[test]
        fn a_damaged_file_never_panics(at in 0..LINUX_6_18.len(), byte in any::<u8>()) {
            let mut bytes = LINUX_6_18.to_vec();
            bytes[at] = byte;
            let _ = parse(&bytes, PAGE);
        }
    }
}
