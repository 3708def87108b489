//! `/proc/meminfo`: how the node's memory is used, in the kernel's own words.

use super::text::{lines, name, number, words};
use crate::sources::{Malformed, ReadError, Roots, read_parsed};
use crate::units::Bytes;
use std::collections::BTreeMap;

const FILE_BYTES_MAX: usize = 64 * 1024;
const EXPECTED: &str = "'Key: number [kB]'";

/// Every line of `/proc/meminfo`.
///
/// Units: bytes, except `HugePages_*`, which count pages. Source: kernel document
/// filesystems/proc, section meminfo. Keys come and go with versions and configuration; only
/// `MemTotal` and `MemFree` are always there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meminfo {
    mem_total: Bytes,
    mem_free: Bytes,
    /// By kernel name, such as `Active(anon)`.
    pub fields: BTreeMap<String, u64>,
}

impl Meminfo {
    #[must_use]
    pub const fn mem_total(&self) -> Bytes {
        self.mem_total
    }

    #[must_use]
    pub const fn mem_free(&self) -> Bytes {
        self.mem_free
    }

    /// What could be had without swapping, by the kernel's estimate. None before Linux 3.14.
    #[must_use]
    pub fn mem_available(&self) -> Option<Bytes> {
        self.bytes("MemAvailable")
    }

    #[must_use]
    pub fn swap_total(&self) -> Option<Bytes> {
        self.bytes("SwapTotal")
    }

    #[must_use]
    pub fn swap_free(&self) -> Option<Bytes> {
        self.bytes("SwapFree")
    }

    #[must_use]
    pub fn buffers(&self) -> Option<Bytes> {
        self.bytes("Buffers")
    }

    #[must_use]
    pub fn cached(&self) -> Option<Bytes> {
        self.bytes("Cached")
    }

    #[must_use]
    pub fn anon_pages(&self) -> Option<Bytes> {
        self.bytes("AnonPages")
    }

    #[must_use]
    pub fn shmem(&self) -> Option<Bytes> {
        self.bytes("Shmem")
    }

    #[must_use]
    pub fn slab(&self) -> Option<Bytes> {
        self.bytes("Slab")
    }

    #[must_use]
    pub fn s_reclaimable(&self) -> Option<Bytes> {
        self.bytes("SReclaimable")
    }

    #[must_use]
    pub fn s_unreclaim(&self) -> Option<Bytes> {
        self.bytes("SUnreclaim")
    }

    /// A field by its kernel name; not for `HugePages_*`, which are counts.
    #[must_use]
    pub fn bytes(&self, key: &str) -> Option<Bytes> {
        self.fields.get(key).copied().map(Bytes)
    }
}

/// Parses `/proc/meminfo`.
///
/// # Errors
/// [`Malformed`] if a line is not `Key: number [kB]`, or `MemTotal` or `MemFree` is missing.
pub fn parse(bytes: &[u8]) -> Result<Meminfo, Malformed> {
    let mut fields = BTreeMap::new();
    let mut last = 0;
    for (at, line) in lines(bytes) {
        let (key, value) = field(line).ok_or_else(|| Malformed::new(at, line, EXPECTED))?;
        fields.insert(name(key), value);
        last = at;
    }
    let required = |key, expected| match fields.get(key) {
        Some(&value) => Ok(Bytes(value)),
        None => Err(Malformed::new(last, b"", expected)),
    };
    Ok(Meminfo {
        mem_total: required("MemTotal", "a line MemTotal")?,
        mem_free: required("MemFree", "a line MemFree")?,
        fields,
    })
}

/// `Key:  number [kB]` → key and bytes, or the count where no unit is given.
pub(super) fn field(line: &[u8]) -> Option<(&[u8], u64)> {
    let colon = line.iter().rposition(|&b| b == b':')?;
    let key = line[..colon].trim_ascii();
    let mut rest = words(&line[colon + 1..]);
    let value = number(rest.next()?)?;
    let value = match (rest.next(), rest.next()) {
        (None, _) => value,
        (Some(b"kB"), None) => value.checked_mul(1024)?,
        _ => return None,
    };
    (!key.is_empty()).then_some((key, value))
}

/// Reads `/proc/meminfo`.
///
/// # Errors
/// As [`read_parsed`].
pub fn read(roots: &Roots) -> Result<Meminfo, ReadError> {
    read_parsed(&roots.proc.join("meminfo"), FILE_BYTES_MAX, parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Captured on Linux 6.18 with `cat /proc/meminfo`.
    const LINUX_6_18: &[u8] = include_bytes!("../../../fixtures/node/meminfo-6.18.txt");
    /// Captured on Linux 6.1 and 6.12 in a small machine.
    const LINUX_6_1: &[u8] = include_bytes!("../../../fixtures/node/meminfo-6.1.txt");
    const LINUX_6_12: &[u8] = include_bytes!("../../../fixtures/node/meminfo-6.12.txt");
    /// Written in the form of Linux 3.10, which lacks MemAvailable.
    const LINUX_3_10: &[u8] = include_bytes!("../../../fixtures/node/meminfo-3.10.txt");

    #[test]
    fn kilobytes_become_bytes_and_hugepages_stay_counts() {
        let meminfo = parse(LINUX_6_18).unwrap();
        assert_eq!(meminfo.fields.len(), 54);
        assert_eq!(meminfo.mem_total(), Bytes::kib(24_684_084));
        assert!(meminfo.fields.contains_key("Active(anon)"));
        assert_eq!(meminfo.bytes("Hugepagesize"), Some(Bytes::mib(2)));
        assert_eq!(meminfo.fields["HugePages_Total"], 0);
        assert_eq!(meminfo.swap_total(), Some(Bytes::ZERO));
        assert_eq!(
            meminfo.slab().unwrap(),
            meminfo.s_reclaimable().unwrap() + meminfo.s_unreclaim().unwrap()
        );
    }

    #[test]
    fn swap_and_what_is_available_are_read_on_6_1_and_6_12() {
        for (text, fields, total, available, swap_free) in
            [(LINUX_6_1, 51, 222_620, 168_384, 12_028), (LINUX_6_12, 53, 217_176, 168_380, 12_388)]
        {
            let meminfo = parse(text).unwrap();
            assert_eq!((meminfo.fields.len(), meminfo.mem_total()), (fields, Bytes::kib(total)));
            assert_eq!(meminfo.mem_available(), Some(Bytes::kib(available)));
            assert_eq!(meminfo.swap_total(), Some(Bytes::kib(16_380)));
            assert_eq!(meminfo.bytes("SwapFree"), Some(Bytes::kib(swap_free)));
        }
    }

    #[test]
    fn an_old_kernel_has_no_mem_available_and_says_none() {
        let meminfo = parse(LINUX_3_10).unwrap();
        assert_eq!(meminfo.mem_available(), None);
        assert_eq!(meminfo.mem_free(), Bytes::kib(238_616));
        assert_eq!(meminfo.fields["HugePages_Total"], 4);
    }

    #[test]
    fn a_bad_line_is_refused_with_its_number() {
        let head = "MemTotal: 1 kB\nMemFree: 1 kB\n";
        for bad in ["Foo 1 kB", "Foo: kB", "Foo: 1 MB", "Foo: 99999999999999999999 kB", ": 1 kB"] {
            let error = parse(format!("{head}{bad}\n").as_bytes()).unwrap_err();
            assert_eq!((error.line, error.text.as_str()), (3, bad));
        }
        assert_eq!(parse(b"MemTotal: 1 kB\n").unwrap_err().expected, "a line MemFree");
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
