//! `/proc/PID/stat`: state, parent, faults, threads, start time.
//!
//! The name is the process's own choice and may hold spaces and `)`: fields are counted from the
//! last `)`. Refuses to read the address fields, which need ptrace rights and are zero without.

use super::text::{decimal, printable};
use crate::sources::Malformed;
use crate::target::ProcessId;
use crate::units::{Bytes, Pages};

/// `PF_KTHREAD` of include/linux/sched.h.
const PF_KTHREAD: u32 = 0x0020_0000;

/// The fields of `stat` that the agent uses, under their names in proc(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: u32,
    /// At most 15 bytes for user processes. A newline comes as `\n` from the kernel; other control
    /// characters are escaped here, invalid UTF-8 is replaced.
    pub comm: String,
    /// `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I`, …
    pub state: char,
    pub ppid: u32,
    /// The `PF_*` flags of the task.
    pub flags: u32,
    pub minflt: u64,
    pub majflt: u64,
    pub num_threads: u32,
    /// Units: clock ticks since boot.
    pub starttime: u64,
    pub vsize: Bytes,
    pub rss: Pages,
}

impl Stat {
    #[must_use]
    pub const fn id(&self) -> ProcessId {
        ProcessId { pid: self.pid, start_time: self.starttime }
    }

    /// By `PF_KTHREAD`, which holds in every pid namespace; pid 2 is kthreadd only in the first.
    #[must_use]
    pub const fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// Exited, its memory given back, but not yet reaped by its parent.
    #[must_use]
    pub const fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Parses `stat` up to field 24 (`rss`).
///
/// Source: proc(5), do_task_stat in fs/proc/array.c.
///
/// # Errors
/// [`Malformed`] if a parenthesis or a field is missing or a number does not fit.
pub fn parse(bytes: &[u8]) -> Result<Stat, Malformed> {
    let malformed = |expected| Malformed::new(1, bytes, expected);
    let open = bytes.iter().position(|&byte| byte == b'(');
    let close = bytes.iter().rposition(|&byte| byte == b')');
    let (Some(open), Some(close)) = (open, close) else {
        return Err(malformed("a name in parentheses"));
    };
    if close < open {
        return Err(malformed("a name in parentheses"));
    }
    let pid = decimal(bytes[..open].trim_ascii()).and_then(|pid| u32::try_from(pid).ok());
    let mut fields = Fields(bytes[close + 1..].trim_ascii_start());
    (|| {
        Some(Stat {
            pid: pid?,
            comm: printable(&bytes[open + 1..close]),
            state: fields.letter()?,
            ppid: fields.small()?,
            // pgrp session tty_nr tpgid
            flags: fields.skip(4).small()?,
            minflt: fields.number()?,
            // cminflt
            majflt: fields.skip(1).number()?,
            // cmajflt utime stime cutime cstime priority nice
            num_threads: fields.skip(7).small()?,
            // itrealvalue
            starttime: fields.skip(1).number()?,
            vsize: Bytes(fields.number()?),
            rss: Pages(fields.number()?),
        })
    })()
    .ok_or_else(|| malformed("the fields of stat"))
}

/// What is left of the space-separated fields.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&byte| byte == b' ').unwrap_or(self.0.len());
        let (field, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        field.trim_ascii_end()
    }

    fn skip(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            self.next();
        }
        self
    }

    fn number(&mut self) -> Option<u64> {
        decimal(self.next())
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn letter(&mut self) -> Option<char> {
        match self.next() {
            [letter] if letter.is_ascii_alphabetic() => Some(char::from(*letter)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_captured_process_gives_its_fields() {
        let stat = parse(include_bytes!("../../../fixtures/process/stat-bash")).unwrap();
        let expected = Stat {
            pid: 25392,
            comm: "bash".into(),
            state: 'S',
            ppid: 25379,
            flags: 0x0040_0000,
            minflt: 218,
            majflt: 1,
            num_threads: 1,
            starttime: 209_294,
            vsize: Bytes(4_464_640),
            rss: Pages(792),
        };
        assert_eq!(stat, expected);
        assert!(!stat.is_kernel_thread());
    }

    #[test]
    fn kthreadd_is_known_by_its_flag_and_has_no_memory() {
        let stat = parse(include_bytes!("../../../fixtures/process/stat-kthreadd")).unwrap();
        assert!(stat.is_kernel_thread());
        assert_eq!((stat.vsize, stat.rss), (Bytes(0), Pages(0)));
    }

    #[test]
    fn a_name_cannot_forge_fields() {
        let line = b"7 (x) R 1 1 (y) S 3 4 5 6 -1 4194304 8 9 10 11 12 13 14 15 20 0 2 0 77 99 5 1";
        let stat = parse(line).unwrap();
        assert_eq!((stat.comm.as_str(), stat.state, stat.ppid), ("x) R 1 1 (y", 'S', 3));
        assert_eq!((stat.num_threads, stat.starttime, stat.rss), (2, 77, Pages(5)));
    }

    #[test]
    fn a_process_in_a_pod_whose_name_misleads_is_read_on_6_1_and_6_12() {
        for (line, pid, ppid, starttime, rss) in [
            (&include_bytes!("../../../fixtures/process/stat-6.1")[..], 140, 137, 1538, 2884),
            (&include_bytes!("../../../fixtures/process/stat-6.12")[..], 192, 188, 1573, 2923),
        ] {
            let stat = parse(line).unwrap();
            assert_eq!((stat.pid, stat.comm.as_str()), (pid, "x (y), pid=1 :)"));
            assert_eq!((stat.ppid, stat.num_threads, stat.starttime), (ppid, 1, starttime));
            assert_eq!(stat.rss, Pages(rss));
        }
    }

    #[test]
    fn a_line_cut_before_rss_is_malformed() {
        let whole = include_bytes!("../../../fixtures/process/stat-bash");
        for cut in [0, 5, 12, 60] {
            assert!(parse(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(parse(b"1 )( S").is_err());
        assert!(parse(b"99999999999 (x) S 1").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_name_moves_the_fields(comm: Vec<u8>, pid: u32, start: u64) {
            let mut line = format!("{pid} (").into_bytes();
            line.extend(&comm);
            let fields = format!(") S 1 1 1 0 -1 0 1 0 2 0 0 0 0 0 20 0 1 0 {start} 4096 3 9\n");
            line.extend(fields.bytes());
            let stat = parse(&line).unwrap();
            prop_assert_eq!(stat.id(), ProcessId { pid, start_time: start });
            prop_assert_eq!((stat.state, stat.majflt, stat.rss), ('S', 2, Pages(3)));
        }
    }
}
