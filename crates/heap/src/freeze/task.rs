//! One thread as `/proc/PID/task/TID` shows it. None of these files waits for the target's memory.
//!
//! Source: proc(5).

use std::fs;
use std::path::PathBuf;

fn path(pid: u32, tid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/task/{tid}/{file}"))
}

/// What `stat` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub state: char,
    pub flags: u64,
    pub start_time: u64,
}

impl Stat {
    /// Has ended; only its number is left.
    pub fn is_over(self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// In a system call that no signal interrupts.
    pub fn is_uninterruptible(self) -> bool {
        self.state == 'D'
    }

    pub fn is_kernel_thread(self) -> bool {
        /// `PF_KTHREAD`, include/linux/sched.h.
        const KERNEL_THREAD: u64 = 0x0020_0000;
        self.flags & KERNEL_THREAD != 0
    }
}

/// None where the thread is gone.
pub fn stat(pid: u32, tid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(path(pid, tid, "stat")).ok()?)
}

/// The name in parentheses may hold anything, parentheses too: the last one closes it.
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Behind the state, field 3, lie field 9 and then field 22.
    let flags = fields.nth(5)?.parse().ok()?;
    let start_time = fields.nth(12)?.parse().ok()?;
    Some(Stat { state, flags, start_time })
}

/// Who traces the thread, if anybody does.
pub fn tracer(pid: u32, tid: u32) -> Option<u32> {
    let status = fs::read_to_string(path(pid, tid, "status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?;
    line.trim().parse().ok().filter(|&tracer| tracer != 0)
}

pub fn name(pid: u32, tid: u32) -> String {
    let name = fs::read_to_string(path(pid, tid, "comm")).unwrap_or_default();
    name.trim_end_matches('\n').to_owned()
}

/// The threads there are. None where the process is gone.
pub fn all(pid: u32) -> Option<Vec<u32>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    Some(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// The words and the stack pointer of a thread that waits in the kernel: its arguments, as
/// `syscall` shows them. None for a thread that runs.
pub fn waiting(pid: u32, tid: u32) -> Option<(Vec<u64>, u64)> {
    parse_waiting(&fs::read_to_string(path(pid, tid, "syscall")).ok()?)
}

/// `nr arg arg arg arg arg arg sp pc`, or `-1 sp pc` outside of a system call.
fn parse_waiting(text: &str) -> Option<(Vec<u64>, u64)> {
    let hex = |field: &str| u64::from_str_radix(field.strip_prefix("0x")?, 16).ok();
    let mut words: Vec<u64> =
        text.split_ascii_whitespace().skip(1).map(hex).collect::<Option<_>>()?;
    let _program_counter = words.pop()?;
    let stack_pointer = words.pop()?;
    Some((words, stack_pointer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "42 (a) b) (c) D 1 42 42 0 -1 4194560 97 0 0 0 0 0 0 0 20 0 1 0 2718 9 1";
        let stat = parse_stat(text).unwrap();
        assert_eq!(stat, Stat { state: 'D', flags: 4_194_560, start_time: 2718 });
        assert!(stat.is_uninterruptible() && !stat.is_over() && !stat.is_kernel_thread());
    }

    #[test]
    fn a_waiting_thread_shows_its_arguments_and_its_stack() {
        let text = "0 0x3 0x7ffd10 0x400 0x0 0x0 0x0 0x7ffd00 0x7f00beef\n";
        assert_eq!(parse_waiting(text), Some((vec![3, 0x7f_fd10, 0x400, 0, 0, 0], 0x7f_fd00)));
        assert_eq!(parse_waiting("-1 0x7ffd00 0x7f00beef\n"), Some((vec![], 0x7f_fd00)));
        assert_eq!(parse_waiting("running\n"), None);
    }

    #[test]
    fn this_thread_is_among_its_own() {
        let pid = std::process::id();
        assert!(all(pid).unwrap().contains(&pid));
        assert!(stat(pid, pid).is_some_and(|stat| !stat.is_over()));
        assert_eq!(all(u32::MAX), None);
    }
}
