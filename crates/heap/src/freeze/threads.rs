//! Stops every thread of a process, those born meanwhile too, and reads their registers.
//!
//! A thread that was told to stop runs no more instructions of the program: it stops where it is,
//! or on its way back from the kernel. One that waits in the kernel where no signal reaches it (a
//! disk, a parent in vfork) does therefore not hold up the pause; of its registers only those that
//! the kernel shows are known.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::registers::{self, Registers};
use super::task;
use crate::{Refusal, Target};

/// More threads than this are not stopped.
const THREADS_MAX: usize = 32_768;
/// How long a thread must be seen uninterruptible before it is not waited for.
const UNINTERRUPTIBLE: Duration = Duration::from_millis(10);
/// Between two looks at threads that have not stopped yet.
const LOOK_AGAIN: Duration = Duration::from_micros(20);

/// One thread of a process that stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub tid: u32,
    pub name: String,
    pub stack_pointer: Option<u64>,
    /// Where its own storage lies (`fs` base), where the machine keeps that in a register.
    pub thread_pointer: Option<u64>,
    /// All registers that may hold an address.
    pub registers: Vec<u64>,
    /// False for a thread that waits in the kernel: only the arguments of its call are known.
    pub complete: bool,
}

/// Seizes and stops all threads. The calling thread holds them until it ends.
pub fn stop(target: Target, deadline: Instant) -> Result<Vec<Thread>, Refusal> {
    let pid = target.pid;
    check(target)?;
    let mut stopping = Stopping { pid, deadline, known: BTreeSet::new(), stopped: BTreeMap::new() };
    while stopping.seize_new()? {}
    // A pid cannot pass to another process while a thread of it is held: this is the same one
    // from here on, or never was.
    check(target)?;
    if stopping.stopped.is_empty() {
        return Err(Refusal::Zombie { pid });
    }
    Ok(stopping.stopped.into_values().collect())
}

/// The process is still the one that was meant, and is one that can be stopped.
fn check(target: Target) -> Result<(), Refusal> {
    let pid = target.pid;
    let leader = task::stat(pid, pid).ok_or(Refusal::Gone { pid })?;
    if leader.start_time != target.start_time {
        return Err(Refusal::Gone { pid });
    }
    if leader.is_kernel_thread() {
        return Err(Refusal::KernelThread { pid });
    }
    if pid == std::process::id() {
        let why = "a process cannot stop itself and look on".into();
        return Err(Refusal::Denied { pid, why });
    }
    Ok(())
}

struct Stopping {
    pid: u32,
    deadline: Instant,
    /// Seized, or seen to have ended.
    known: BTreeSet<u32>,
    stopped: BTreeMap<u32, Thread>,
}

impl Stopping {
    /// Stops the threads that were not there at the last look. Returns whether there were any:
    /// only a look that finds none proves that nobody is left to give birth to another.
    fn seize_new(&mut self) -> Result<bool, Refusal> {
        let there = task::all(self.pid).ok_or(Refusal::Gone { pid: self.pid })?;
        if there.len() > THREADS_MAX {
            let why = format!("{} threads, {THREADS_MAX} are the most", there.len());
            return Err(Refusal::Unavailable { what: "a pause", why });
        }
        let new: Vec<u32> = there.into_iter().filter(|tid| self.known.insert(*tid)).collect();
        let mut pending = Vec::new();
        for &tid in &new {
            if self.seize(tid)? {
                pending.push(tid);
            }
        }
        self.wait(pending)?;
        Ok(!new.is_empty())
    }

    /// Returns whether there is a thread to wait for.
    fn seize(&self, tid: u32) -> Result<bool, Refusal> {
        let thread = Pid::from_raw(tid.cast_signed());
        let seized = ptrace::seize(thread, ptrace::Options::empty());
        match seized.and_then(|()| ptrace::interrupt(thread)) {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(error) => self.refused(tid, error),
        }
    }

    fn refused(&self, tid: u32, error: Errno) -> Result<bool, Refusal> {
        let pid = self.pid;
        if task::stat(pid, tid).is_none_or(task::Stat::is_over) {
            return Ok(false);
        }
        if let Some(tracer) = task::tracer(pid, tid) {
            return Err(Refusal::Traced { pid, tracer });
        }
        let hint = "run as the same user or with CAP_SYS_PTRACE, and see kernel.yama.ptrace_scope";
        Err(Refusal::Denied { pid, why: format!("the kernel says {error} to ptrace; {hint}") })
    }

    fn wait(&mut self, mut pending: Vec<u32>) -> Result<(), Refusal> {
        let since = Instant::now();
        loop {
            let mut left = Vec::new();
            for tid in pending {
                if !self.is_settled(tid, since)? {
                    left.push(tid);
                }
            }
            let Some(first) = left.first() else { return Ok(()) };
            if Instant::now() >= self.deadline {
                let why = format!("thread {first} did not stop within the limit");
                return Err(Refusal::Unavailable { what: "a pause", why });
            }
            thread::park_timeout(LOOK_AGAIN);
            pending = left;
        }
    }

    /// Registers can be read of a stopped thread only: reading them is how to find out. Nothing
    /// waits for the thread in the sense of wait(2), so no signal that it was about to take is
    /// taken from it.
    fn is_settled(&mut self, tid: u32, since: Instant) -> Result<bool, Refusal> {
        match registers::read(Pid::from_raw(tid.cast_signed())) {
            Ok(registers) if registers.narrow => Err(Refusal::Unavailable {
                what: "a walk of a 32-bit process",
                why: "only heaps of 64-bit programs are known".into(),
            }),
            Ok(registers) => {
                self.keep(tid, registers, true);
                Ok(true)
            }
            Err(error) if registers::is_not_stopped(error) => Ok(self.is_unreachable(tid, since)),
            Err(error) => self.refused(tid, error).map(|there| !there),
        }
    }

    /// Ended meanwhile, or waiting where no signal reaches.
    fn is_unreachable(&mut self, tid: u32, since: Instant) -> bool {
        match task::stat(self.pid, tid) {
            None => true,
            Some(stat) if stat.is_over() => true,
            Some(stat) if stat.is_uninterruptible() && since.elapsed() >= UNINTERRUPTIBLE => {
                let (words, stack_pointer) = task::waiting(self.pid, tid).unwrap_or_default();
                let thread_pointer = None;
                let known = Registers { stack_pointer, thread_pointer, words, narrow: false };
                self.keep(tid, known, false);
                true
            }
            Some(_) => false,
        }
    }

    fn keep(&mut self, tid: u32, registers: Registers, complete: bool) {
        let thread = Thread {
            tid,
            name: task::name(self.pid, tid),
            stack_pointer: (registers.stack_pointer != 0).then_some(registers.stack_pointer),
            thread_pointer: registers.thread_pointer.filter(|&pointer| pointer != 0),
            registers: registers.words,
            complete,
        };
        self.stopped.insert(tid, thread);
    }
}
