//! `/sys/devices/system/node/nodeN/meminfo`: the memory of each NUMA node.

use super::meminfo::field;
use super::text::{lines, number};
use crate::sources::{Malformed, ReadError, Roots, read_parsed};
use crate::units::Bytes;

const FILE_BYTES_MAX: usize = 64 * 1024;
/// The kernel's own bound (CONFIG_NODES_SHIFT is at most 10).
const NODES_MAX: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumaNode {
    pub node: u32,
    pub total: Bytes,
    pub free: Bytes,
    /// `MemUsed`, page cache included.
    pub used: Option<Bytes>,
}

/// Parses one node's `meminfo`: lines `Node N Key: number [kB]`.
///
/// # Errors
/// [`Malformed`] if a line has another form, or `MemTotal` or `MemFree` is missing.
pub fn parse(bytes: &[u8]) -> Result<NumaNode, Malformed> {
    let (mut total, mut free, mut used) = (None, None, None);
    let mut id = None;
    let mut last = 0;
    for (at, line) in lines(bytes) {
        let (node, key, value) = node_field(line)
            .ok_or_else(|| Malformed::new(at, line, "'Node N Key: number [kB]'"))?;
        match key {
            b"MemTotal" => total = Some(Bytes(value)),
            b"MemFree" => free = Some(Bytes(value)),
            b"MemUsed" => used = Some(Bytes(value)),
            _ => {}
        }
        id = Some(node);
        last = at;
    }
    match (id, total, free) {
        (Some(node), Some(total), Some(free)) => Ok(NumaNode { node, total, free, used }),
        _ => Err(Malformed::new(last, b"", "MemTotal and MemFree of a node")),
    }
}

fn node_field(line: &[u8]) -> Option<(u32, &[u8], u64)> {
    let rest = line.strip_prefix(b"Node ")?;
    let space = rest.iter().position(|&b| b == b' ')?;
    let node = u32::try_from(number(&rest[..space])?).ok()?;
    let (key, value) = field(&rest[space..])?;
    Some((node, key, value))
}

/// Reads every node, in order. A node that is taken away meanwhile is left out.
///
/// # Errors
/// [`ReadError::Absent`] on a kernel without NUMA; else as [`read_parsed`].
pub fn read(roots: &Roots) -> Result<Vec<NumaNode>, ReadError> {
    let mut nodes = Vec::new();
    for (name, dir) in super::subdirectories(&roots.sys.join("devices/system/node"))? {
        let is_node = name.strip_prefix("node").is_some_and(|n| number(n.as_bytes()).is_some());
        if !is_node || nodes.len() == NODES_MAX {
            continue;
        }
        match read_parsed(&dir.join("meminfo"), FILE_BYTES_MAX, parse) {
            Ok(node) => nodes.push(node),
            Err(ReadError::Absent(_) | ReadError::Gone) => {}
            Err(error) => return Err(error),
        }
    }
    nodes.sort_by_key(|node| node.node);
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Captured on Linux 6.18 with `cat /sys/devices/system/node/node0/meminfo`.
    const LINUX_6_18: &[u8] = include_bytes!("../../../fixtures/node/node0-meminfo-6.18.txt");
    /// Captured on Linux 6.1 and 6.12 in a small machine.
    const LINUX_6_1: &[u8] = include_bytes!("../../../fixtures/node/node0-meminfo-6.1.txt");
    const LINUX_6_12: &[u8] = include_bytes!("../../../fixtures/node/node0-meminfo-6.12.txt");

    #[test]
    fn a_nodes_used_memory_is_its_total_less_its_free() {
        let node = parse(LINUX_6_18).unwrap();
        assert_eq!((node.node, node.total), (0, Bytes::kib(11_757_772)));
        assert_eq!(node.used, Some(node.total - node.free));
    }

    #[test]
    fn the_one_node_of_a_small_machine_is_read_on_6_1_and_6_12() {
        for (text, total, free) in [(LINUX_6_1, 222_620, 163_876), (LINUX_6_12, 217_176, 170_336)] {
            let node = parse(text).unwrap();
            assert_eq!((node.total, node.free), (Bytes::kib(total), Bytes::kib(free)));
            assert_eq!(node.used, Some(Bytes::kib(total - free)));
        }
    }

    #[test]
    fn nodes_with_two_digits_and_without_memory_are_read() {
        let node = parse(b"Node 12 MemTotal: 0 kB\nNode 12 MemFree: 0 kB\n").unwrap();
        assert_eq!((node.node, node.total, node.used), (12, Bytes::ZERO, None));
    }

    #[test]
    fn a_broken_line_is_refused() {
        assert_eq!(parse(b"Node 0 MemTotal: 1 kB\nMemFree: 1 kB\n").unwrap_err().line, 2);
        assert_eq!(parse(b"").unwrap_err().expected, "MemTotal and MemFree of a node");
    }

    #[test]
    fn every_node_of_a_machine_is_listed_in_order() {
        let sys = tempfile::tempdir().unwrap();
        for node in [10, 2, 0] {
            let dir = sys.path().join(format!("devices/system/node/node{node}"));
            std::fs::create_dir_all(&dir).unwrap();
            let text = format!("Node {node} MemTotal: {node} kB\nNode {node} MemFree: 0 kB\n");
            std::fs::write(dir.join("meminfo"), text).unwrap();
        }
        std::fs::create_dir_all(sys.path().join("devices/system/node/power")).unwrap();
        std::fs::create_dir_all(sys.path().join("devices/system/node/node7")).unwrap();
        let roots = Roots { sys: sys.path().into(), ..Roots::default() };
        let nodes: Vec<_> = read(&roots).unwrap().iter().map(|n| (n.node, n.total)).collect();
        assert_eq!(nodes, [(0, Bytes(0)), (2, Bytes::kib(2)), (10, Bytes::kib(10))]);
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
