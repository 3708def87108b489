//! `/sys/kernel/mm/hugepages` and `transparent_hugepage`: the pools of huge pages and their sizes.

use super::text::number;
use crate::sources::{Malformed, ReadError, Roots, read_bounded};
use crate::units::Bytes;
use std::path::Path;

/// One pool of hugetlb pages. Units: pages of `size`. Source: kernel document
/// admin-guide/mm/hugetlbpage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hugepages {
    pub size: Bytes,
    pub total: u64,
    pub free: u64,
    /// Promised to mappings but not yet faulted in; part of `free`.
    pub reserved: u64,
    /// Above the configured number; part of `total`.
    pub surplus: u64,
}

/// Reads every pool, smallest pages first.
///
/// # Errors
/// [`ReadError::Absent`] on a kernel without hugetlbfs; else as [`read_bounded`], and `Malformed`
/// if a file does not hold one number.
pub fn read(roots: &Roots) -> Result<Vec<Hugepages>, ReadError> {
    let mut pools = Vec::new();
    for (name, dir) in super::subdirectories(&roots.sys.join("kernel/mm/hugepages"))? {
        let Some(size) = page_size_of(&name) else { continue };
        pools.push(Hugepages {
            size,
            total: read_number(&dir.join("nr_hugepages"))?,
            free: read_number(&dir.join("free_hugepages"))?,
            reserved: read_number(&dir.join("resv_hugepages"))?,
            surplus: read_number(&dir.join("surplus_hugepages"))?,
        });
    }
    pools.sort_by_key(|pool| pool.size);
    Ok(pools)
}

/// `hugepages-2048kB` → 2 MiB.
fn page_size_of(name: &str) -> Option<Bytes> {
    let kib = name.strip_prefix("hugepages-")?.strip_suffix("kB")?;
    number(kib.as_bytes())?.checked_mul(1024).map(Bytes)
}

/// The order of a transparent huge page: how many times a page doubles to make one.
///
/// From `transparent_hugepage/hpage_pmd_size`; on a kernel without THP what one table of 8-byte
/// entries maps, which is the same on 64-bit x86 and arm (4 KiB pages: order 9).
#[must_use]
pub fn huge_order(roots: &Roots, page_size: Bytes) -> u32 {
    let path = roots.sys.join("kernel/mm/transparent_hugepage/hpage_pmd_size");
    let pages = match read_number(&path) {
        Ok(size) => size / page_size.0.max(1),
        Err(_) => page_size.0 / 8,
    };
    pages.checked_ilog2().unwrap_or(0)
}

fn read_number(path: &Path) -> Result<u64, ReadError> {
    let bytes = read_bounded(path, 64)?;
    number(bytes.trim_ascii()).ok_or_else(|| ReadError::Malformed {
        path: path.to_owned(),
        what: Malformed::new(1, &bytes, "a number"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(pools: &[(&str, [&str; 4])]) -> (tempfile::TempDir, Roots) {
        let sys = tempfile::tempdir().unwrap();
        for (pool, values) in pools {
            let dir = sys.path().join("kernel/mm/hugepages").join(pool);
            std::fs::create_dir_all(&dir).unwrap();
            for (file, value) in ["nr", "free", "resv", "surplus"].iter().zip(values) {
                std::fs::write(dir.join(format!("{file}_hugepages")), value).unwrap();
            }
        }
        let roots = Roots { sys: sys.path().into(), ..Roots::default() };
        (sys, roots)
    }

    #[test]
    fn pools_are_listed_by_page_size() {
        let (_sys, roots) = tree(&[
            ("hugepages-1048576kB", ["1\n", "1\n", "0\n", "0\n"]),
            ("hugepages-2048kB", ["20\n", "8\n", "3\n", "2\n"]),
        ]);
        let pools = read(&roots).unwrap();
        let small = Hugepages { size: Bytes::mib(2), total: 20, free: 8, reserved: 3, surplus: 2 };
        assert_eq!((pools.len(), &pools[0], pools[1].size), (2, &small, Bytes::mib(1024)));
    }

    #[test]
    fn what_is_not_a_number_names_its_file() {
        let (_sys, roots) = tree(&[("hugepages-2048kB", ["20\n", "-8\n", "3\n", "2\n"])]);
        let error = read(&roots).unwrap_err().to_string();
        assert!(error.contains("free_hugepages") && error.contains("'-8"), "{error}");
    }

    #[test]
    fn the_huge_order_is_nine_with_4_kib_pages_even_without_thp() {
        let (sys, roots) = tree(&[]);
        assert_eq!(huge_order(&roots, Bytes(4096)), 9);
        assert_eq!(huge_order(&roots, Bytes::kib(64)), 13);
        let thp = sys.path().join("kernel/mm/transparent_hugepage");
        std::fs::create_dir_all(&thp).unwrap();
        std::fs::write(thp.join("hpage_pmd_size"), "4194304\n").unwrap();
        assert_eq!(huge_order(&roots, Bytes(4096)), 10);
    }
}
