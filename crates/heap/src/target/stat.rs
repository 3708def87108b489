//! `/proc/PID/stat` and `/proc/PID/status`: state, start time, owner, what is resident.
//!
//! Source: proc(5), do_task_stat and proc_pid_status in fs/proc/array.c. The name of a process is
//! its own choice and may hold spaces and `)`: fields are counted from the last `)`.

const PF_EXITING: u64 = 0x4;
const PF_KTHREAD: u64 = 0x0020_0000;

/// The fields of `stat` that tell one life of a process from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `R`, `S`, `D`, `T`, `t`, `Z`, `X`, …
    pub state: u8,
    pub flags: u64,
    /// Units: clock ticks since boot.
    pub start_time: u64,
    /// The bottom of the first stack; 0 without the right to know it.
    pub start_stack: u64,
}

impl Stat {
    /// None for what is no line of `stat`.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let close = bytes.iter().rposition(|&byte| byte == b')')?;
        let fields: Vec<&[u8]> = bytes[close + 1..]
            .split(u8::is_ascii_whitespace)
            .filter(|field| !field.is_empty())
            .collect();
        // The first field after the name is the third.
        let number = |field: usize| decimal(fields.get(field - 3)?);
        Some(Self {
            state: *fields.first()?.first()?,
            flags: number(9)?,
            start_time: number(22)?,
            start_stack: number(28).unwrap_or(0),
        })
    }

    #[must_use]
    pub const fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// On its way out: its memory may be half torn down.
    #[must_use]
    pub const fn is_exiting(&self) -> bool {
        self.flags & PF_EXITING != 0
    }
}

/// Selected keys of `status`; None where the kernel lacks one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The effective one.
    pub uid: Option<u32>,
    pub tracer: Option<u32>,
    pub threads: Option<u64>,
    pub rss_bytes: Option<u64>,
    pub anon_bytes: Option<u64>,
    pub file_bytes: Option<u64>,
    pub shmem_bytes: Option<u64>,
    pub swap_bytes: Option<u64>,
    pub hugetlb_bytes: Option<u64>,
}

impl Status {
    /// Keys whose value is not what the kernel writes are left out.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut status = Self::default();
        for line in bytes.split(|&byte| byte == b'\n') {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let value = &line[colon + 1..];
            let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let small = |word: Option<&[u8]>| decimal(word?)?.try_into().ok();
            let slot = match &line[..colon] {
                b"Uid" => {
                    status.uid = small(words.nth(1));
                    continue;
                }
                b"TracerPid" => {
                    status.tracer = small(words.next()).filter(|&tracer| tracer != 0);
                    continue;
                }
                b"Threads" => {
                    status.threads = words.next().and_then(decimal);
                    continue;
                }
                b"VmRSS" => &mut status.rss_bytes,
                b"RssAnon" => &mut status.anon_bytes,
                b"RssFile" => &mut status.file_bytes,
                b"RssShmem" => &mut status.shmem_bytes,
                b"VmSwap" => &mut status.swap_bytes,
                b"HugetlbPages" => &mut status.hugetlb_bytes,
                _ => continue,
            };
            *slot = kilobytes(value);
        }
        status
    }
}

/// The kernel's kB as bytes.
pub(crate) fn kilobytes(value: &[u8]) -> Option<u64> {
    decimal(value.trim_ascii().strip_suffix(b" kB")?.trim_ascii())?.checked_mul(1024)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_from_the_last_parenthesis() {
        let line = b"42 (a) b ) S 1 1 1 0 -1 4194304 5 0 0 0 1 2 0 0 20 0 3 0 9876 100 20 \
            18446744073709551615 1 2 140737488347136 0 0\n";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.start_time), (b'S', 9876));
        assert_eq!(stat.start_stack, 140_737_488_347_136);
        assert!(!stat.is_kernel_thread() && !stat.is_exiting());
        assert_eq!(Stat::parse(b"42 (a"), None);
        assert_eq!(Stat::parse(b"42 (a) S 1 x"), None);
    }

    #[test]
    fn known_keys_of_status_are_read_and_others_passed_over() {
        let text = b"Name:\tx: y\nUid:\t1\t2\t3\t4\nTracerPid:\t0\nVmRSS:\t  12 kB\nRssAnon: 1\n";
        let status = Status::parse(text);
        assert_eq!((status.uid, status.tracer), (Some(2), None));
        assert_eq!((status.rss_bytes, status.anon_bytes), (Some(12 << 10), None));
    }
}
