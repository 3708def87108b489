//! `/proc/PID/status`: the parts of the resident set, swap, peak and owner of a process.
//!
//! Costs about five times `statm`, so it is read for the few processes that matter. Keys that this
//! kernel or a kernel thread lacks are `None`. Refuses nothing but values that are not numbers: the
//! name may hold any bytes, which is why no UTF-8 is asked for.

use super::text::{decimal, for_each_key, kilobytes};
use crate::sources::Malformed;
use crate::units::Bytes;

/// Selected keys of `status`. Kernel threads have none of the memory keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The effective uid, as `ps` shows it.
    pub uid: Option<u32>,
    pub threads: Option<u32>,
    pub vm_peak: Option<Bytes>,
    pub vm_size: Option<Bytes>,
    /// The largest resident set so far.
    pub vm_hwm: Option<Bytes>,
    pub vm_rss: Option<Bytes>,
    /// Since Linux 4.5, as the two below.
    pub rss_anon: Option<Bytes>,
    pub rss_file: Option<Bytes>,
    pub rss_shmem: Option<Bytes>,
    /// Anonymous memory that is swapped out; shmem in swap is not in it.
    pub vm_swap: Option<Bytes>,
    /// Not part of the resident set.
    pub hugetlb_pages: Option<Bytes>,
}

/// Parses `status`. The kernel's kB become bytes.
///
/// Source: proc(5), proc_pid_status in fs/proc/array.c.
///
/// # Errors
/// [`Malformed`] with the line of a known key whose value is not what the kernel writes.
pub fn parse(bytes: &[u8]) -> Result<Status, Malformed> {
    let mut status = Status::default();
    for_each_key(bytes, |key, value| {
        let slot = match key {
            b"Uid" => {
                let effective = value.split(u8::is_ascii_whitespace).nth(1);
                status.uid = Some(effective.and_then(small).ok_or("four user ids")?);
                return Ok(());
            }
            b"Threads" => {
                status.threads = Some(small(value).ok_or("a count of threads")?);
                return Ok(());
            }
            b"VmPeak" => &mut status.vm_peak,
            b"VmSize" => &mut status.vm_size,
            b"VmHWM" => &mut status.vm_hwm,
            b"VmRSS" => &mut status.vm_rss,
            b"RssAnon" => &mut status.rss_anon,
            b"RssFile" => &mut status.rss_file,
            b"RssShmem" => &mut status.rss_shmem,
            b"VmSwap" => &mut status.vm_swap,
            b"HugetlbPages" => &mut status.hugetlb_pages,
            _ => return Ok(()),
        };
        *slot = Some(kilobytes(value).ok_or("an amount in kB")?);
        Ok(())
    })?;
    Ok(status)
}

fn small(value: &[u8]) -> Option<u32> {
    u32::try_from(decimal(value)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_captured_process_gives_its_parts_in_bytes() {
        let status = parse(include_bytes!("../../../fixtures/process/status-bash")).unwrap();
        assert_eq!(status.uid, Some(0));
        assert_eq!(status.threads, Some(1));
        assert_eq!(status.vm_rss, Some(Bytes::kib(3184)));
        assert_eq!(status.rss_anon, Some(Bytes::kib(272)));
        assert_eq!(status.rss_file, Some(Bytes::kib(2912)));
        assert_eq!(status.rss_shmem, Some(Bytes::ZERO));
        assert_eq!(status.vm_swap, Some(Bytes::ZERO));
    }

    #[test]
    fn a_users_process_on_6_1_and_6_12_gives_its_parts() {
        for (text, rss, anon) in [
            (&include_bytes!("../../../fixtures/process/status-6.1")[..], 11_536, 10_188),
            (&include_bytes!("../../../fixtures/process/status-6.12")[..], 11_772, 10_424),
        ] {
            let status = parse(text).unwrap();
            assert_eq!((status.uid, status.threads), (Some(1000), Some(1)));
            assert_eq!(
                (status.vm_rss, status.rss_anon),
                (Some(Bytes::kib(rss)), Some(Bytes::kib(anon)))
            );
            assert_eq!(status.rss_shmem, Some(Bytes::kib(1344)));
        }
    }

    #[test]
    fn a_kernel_thread_has_no_memory_keys_rather_than_zeros() {
        let status = parse(include_bytes!("../../../fixtures/process/status-kthreadd")).unwrap();
        let expected = Status { uid: Some(0), threads: Some(1), ..Status::default() };
        assert_eq!(status, expected);
    }

    #[test]
    fn the_effective_uid_is_taken() {
        assert_eq!(parse(b"Uid:\t1000\t0\t0\t0\n").unwrap().uid, Some(0));
    }

    #[test]
    fn a_name_that_is_not_utf8_does_no_harm() {
        let status = parse(b"Name:\t\xff\xfe\\nVmRSS: 1 kB\nVmRSS:\t 8 kB\n").unwrap();
        assert_eq!(status.vm_rss, Some(Bytes::kib(8)));
    }

    #[test]
    fn a_wrong_value_is_reported_with_its_line() {
        let wrong = parse(b"Name:\tx\nVmRSS:\t lots kB\n").unwrap_err();
        assert_eq!((wrong.line, wrong.expected), (2, "an amount in kB"));
        assert!(parse(b"Uid:\t1000\n").is_err());
        assert!(parse(b"Threads:\t4294967296\n").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn arbitrary_values_never_panic(value: Vec<u8>) {
            for key in ["Uid", "Threads", "VmRSS"] {
                let _ = parse(&[key.as_bytes(), b":", &value].concat());
            }
        }
    }
}
