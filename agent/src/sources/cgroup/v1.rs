//! `memory.stat` of cgroup v1. Pure: takes bytes, allocates nothing.

use super::Usage;
use super::stat::Lines;
use crate::sources::Malformed;
use crate::units::Bytes;

/// How many `total_` keys [`parse`] wants; nothing stands behind the last of them that it needs.
const WANTED: usize = 5;

/// Parses v1's `memory.stat`. `usage` is left at zero: it stands in `memory.usage_in_bytes`.
///
/// Units: bytes. The `total_` keys, which include all cgroups below, are preferred; the plain ones
/// fill in where a kernel does not print them. v1 has no keys for kernel memory. `total_rss` is
/// anonymous memory with huge pages (before 5.8 also swap cache), not what processes call RSS;
/// `total_cache` includes shmem, which is taken off. Source: kernel document cgroup-v1/memory.
/// Cost: 0.5 µs.
///
/// # Errors
/// [`Malformed`] if a wanted value is not decimal.
pub fn parse(stat: &[u8]) -> Result<Usage, Malformed> {
    let mut own = Parts::default();
    let mut total = Parts::default();
    let mut found = 0;
    for line in Lines::of(stat) {
        if let Some(key) = line.key.strip_prefix(b"total_") {
            let Some(field) = total.field(key) else { continue };
            *field = line.bytes()?;
            found += 1;
            if found == WANTED {
                break;
            }
        } else if let Some(field) = own.field(line.key) {
            *field = line.bytes()?;
        }
    }
    let shmem = total.shmem.or(own.shmem);
    let cache = total.cache.or(own.cache);
    Ok(Usage {
        anon: total.rss.or(own.rss),
        file: cache.map(|cache| cache - shmem.unwrap_or(Bytes::ZERO)),
        shmem,
        inactive_file: total.inactive_file.or(own.inactive_file),
        swap: total.swap.or(own.swap),
        ..Usage::default()
    })
}

/// The wanted keys, once of the cgroup alone and once with all below it.
#[derive(Default)]
struct Parts {
    cache: Option<Bytes>,
    rss: Option<Bytes>,
    shmem: Option<Bytes>,
    swap: Option<Bytes>,
    inactive_file: Option<Bytes>,
}

impl Parts {
    #[inline]
    fn field(&mut self, key: &[u8]) -> Option<&mut Option<Bytes>> {
        match key {
            b"cache" => Some(&mut self.cache),
            b"rss" => Some(&mut self.rss),
            b"shmem" => Some(&mut self.shmem),
            b"swap" => Some(&mut self.swap),
            b"inactive_file" => Some(&mut self.inactive_file),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn totals_are_preferred_and_file_is_cache_without_shmem() {
        let stat = include_bytes!("../../../fixtures/cgroup/v1-6.18-root.memory.stat");
        assert_eq!(
            parse(stat).unwrap(),
            Usage {
                anon: Some(Bytes(135_356_416)),
                file: Some(Bytes(1_332_543_488 - 9_084_928)),
                shmem: Some(Bytes(9_084_928)),
                inactive_file: Some(Bytes(866_549_760)),
                swap: Some(Bytes::ZERO),
                ..Usage::default()
            }
        );
    }

    #[test]
    fn plain_keys_fill_in_for_totals_and_missing_keys_are_none() {
        let usage = parse(b"cache 100\nrss 7\ntotal_cache 300\n").unwrap();
        assert_eq!(usage.anon, Some(Bytes(7)));
        assert_eq!(usage.file, Some(Bytes(300)));
        assert_eq!((usage.shmem, usage.swap, usage.inactive_file), (None, None, None));
        assert_eq!(usage.kernel, None, "v1 does not tell");
    }

    #[test]
    fn a_value_that_is_not_a_number_names_its_line() {
        assert_eq!(parse(b"cache 1\nrss_huge x\ntotal_rss -5\n").unwrap_err().line, 3);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn arbitrary_values_of_real_keys_never_panic(
            lines in prop::collection::vec("(total_)?(rss|cache|shmem) [0-9a-f-]{0,22}\n?", 0..9)
        ) {
            let _ = parse(lines.concat().as_bytes());
        }
    }
}
