//! `memory.stat` of cgroup v2. Pure: takes bytes, allocates nothing.

use super::Usage;
use super::stat::Lines;
use crate::sources::Malformed;
use crate::units::Bytes;

/// How many keys [`parse`] wants; all of them stand in the first half of the file since 5.18, so
/// that the counters behind them are not even looked at.
const WANTED: usize = 11;

/// Parses v2's `memory.stat`. `usage` is left at zero: it stands in `memory.current`.
///
/// Units: bytes. Values are hierarchical: they include all cgroups below. Source: kernel document
/// cgroup-v2, memory interface files. Unknown keys are skipped, keys that older kernels lack stay
/// None. Cost: 0.3 µs.
///
/// # Errors
/// [`Malformed`] if a wanted value is not decimal.
pub fn parse(stat: &[u8]) -> Result<Usage, Malformed> {
    let mut usage = Usage::default();
    let mut file_and_shmem = None;
    let mut found = 0;
    for line in Lines::of(stat) {
        let field = match line.key {
            b"anon" => &mut usage.anon,
            b"file" => &mut file_and_shmem,
            b"kernel" => &mut usage.kernel,
            b"kernel_stack" => &mut usage.kernel_stack,
            b"pagetables" => &mut usage.pagetables,
            b"percpu" => &mut usage.percpu,
            b"sock" => &mut usage.sock,
            b"shmem" => &mut usage.shmem,
            b"inactive_file" => &mut usage.inactive_file,
            b"slab_reclaimable" => &mut usage.slab_reclaimable,
            b"slab_unreclaimable" => &mut usage.slab_unreclaimable,
            _ => continue,
        };
        *field = line.bytes()?;
        found += 1;
        if found == WANTED {
            break;
        }
    }
    usage.file = file_and_shmem.map(|sum| sum - usage.shmem.unwrap_or(Bytes::ZERO));
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_part_of_a_6_1_and_a_6_12_kernel_is_found_and_file_is_without_shmem() {
        let v6_1 = parse(include_bytes!("../../../fixtures/cgroup/v2-6.1.memory.stat")).unwrap();
        assert_eq!(
            v6_1,
            Usage {
                usage: Bytes::ZERO,
                anon: Some(Bytes(412_090_368)),
                file: Some(Bytes(838_860_800)),
                shmem: Some(Bytes(67_108_864)),
                inactive_file: Some(Bytes(612_368_384)),
                kernel: Some(Bytes(41_615_360)),
                kernel_stack: Some(Bytes(2_359_296)),
                pagetables: Some(Bytes(5_963_776)),
                percpu: Some(Bytes(233_472)),
                sock: Some(Bytes(8192)),
                slab_reclaimable: Some(Bytes(27_648_512)),
                slab_unreclaimable: Some(Bytes(4_874_240)),
                swap: None,
            }
        );
        let v6_12 = parse(include_bytes!("../../../fixtures/cgroup/v2-6.12.memory.stat")).unwrap();
        assert_eq!(v6_12.anon, Some(Bytes(257_949_696)));
        assert_eq!(v6_12.file, Some(Bytes(12_189_696)));
        assert_eq!(v6_12.kernel, Some(Bytes(3_973_120)));
        assert_eq!(v6_12.slab_unreclaimable, Some(Bytes(989_880)));
    }

    #[test]
    fn keys_that_an_old_kernel_lacks_are_none() {
        let v5_4 = parse(include_bytes!("../../../fixtures/cgroup/v2-5.4.memory.stat")).unwrap();
        assert_eq!((v5_4.kernel, v5_4.pagetables, v5_4.percpu), (None, None, None));
        assert_eq!(v5_4.kernel_stack, Some(Bytes(737_280)));
        assert_eq!(v5_4.unreclaimable(), Some(Bytes(44_191_744 + 135_168 + 737_280 + 2_519_040)));
    }

    #[test]
    fn a_value_that_is_not_a_number_names_its_line() {
        let error = parse(b"anon 1\nfile 2\npgfault junk\nkernel 1.5\n").unwrap_err();
        assert_eq!((error.line, error.text.as_str()), (4, "1.5"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn arbitrary_values_of_real_keys_never_panic(
            keys in prop::collection::vec("(anon|file|shmem|sock|kernel) [0-9a-f-]{0,22}\n?", 0..9)
        ) {
            let _ = parse(keys.concat().as_bytes());
        }
    }
}
