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

    const V6_1: &[u8] = include_bytes!("../../../fixtures/cgroup/v2-6.1-container/memory.stat");
    const V6_12: &[u8] = include_bytes!("../../../fixtures/cgroup/v2-6.12-pod/memory.stat");

    #[test]
    fn every_part_of_a_6_1_and_a_6_12_kernel_is_found_and_file_is_without_shmem() {
        let v6_1 = parse(V6_1).unwrap();
        assert_eq!(
            v6_1,
            Usage {
                usage: Bytes::ZERO,
                anon: Some(Bytes(21_909_504)),
                file: Some(Bytes(3_391_488 - 1_048_576)),
                shmem: Some(Bytes(1_048_576)),
                inactive_file: Some(Bytes(2_342_912)),
                kernel: Some(Bytes(720_896)),
                kernel_stack: Some(Bytes(81_920)),
                pagetables: Some(Bytes(282_624)),
                percpu: Some(Bytes(0)),
                sock: Some(Bytes(0)),
                slab_reclaimable: Some(Bytes(10_568)),
                slab_unreclaimable: Some(Bytes(113_616)),
                swap: None,
            }
        );
        let v6_12 = parse(V6_12).unwrap();
        assert_eq!(v6_12.anon, Some(Bytes(22_097_920)));
        assert_eq!(v6_12.file, Some(Bytes(3_391_488 - 1_048_576)));
        assert_eq!(v6_12.kernel, Some(Bytes(798_720)));
        assert_eq!(v6_12.slab_unreclaimable, Some(Bytes(125_352)));
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
