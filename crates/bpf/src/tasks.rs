//! The task iterator: one record of each process with memory of its own, for the whole node at
//! once.
//!
//! Cheap enough to ask whether anything changed; not exact. From Linux 6.2 on what each CPU has not
//! yet added to the counters is missing, up to a batch of pages for each CPU ([`batch_pages`]):
//! confirm with `statm` before a figure is shown. Pids are those of the first pid namespace, so a
//! process in another one is refused.

use crate::edge::{Edge, Refusal, missing, refused};
use crate::iterator::{Iterator, Walk};
use crate::words::Words;
use aya::programs::Iter;
use aya::{Ebpf, include_bytes_aligned};
use std::fs::File;
use std::io::{self, Read as _};

const OBJECT: &[u8] = include_bytes_aligned!("../programs/tasks.bpf.o");
const WHAT: &str = "the task iterator";
const RECORD_BYTES: usize = 32;
/// What the kernel fills in one read: eight pages.
const BUFFER_BYTES: usize = 32 * 1024;
/// `PROC_PID_INIT_INO` of include/linux/proc_ns.h.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// One process. Units: pages; `start_ns` on the boot clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskRecord {
    pub pid: u32,
    pub file_pages: u32,
    pub anon_pages: u32,
    pub shmem_pages: u32,
    pub start_ns: u64,
    /// The inode of its memory cgroup's directory; 0 without one.
    pub memcg_id: u64,
}

impl TaskRecord {
    #[must_use]
    pub fn parse(record: &[u8]) -> Self {
        let words = Words(record);
        Self {
            pid: words.u32(0),
            file_pages: words.u32(4),
            anon_pages: words.u32(8),
            shmem_pages: words.u32(12),
            start_ns: words.u64(16),
            memcg_id: words.u64(24),
        }
    }

    /// Units: pages.
    #[must_use]
    pub const fn rss_pages(&self) -> u64 {
        self.file_pages as u64 + self.anon_pages as u64 + self.shmem_pages as u64
    }
}

/// By how much a counter may be off for each CPU. Units: pages. Source: `percpu_counter_batch` of
/// lib/percpu_counter.c.
#[must_use]
pub fn batch_pages(cpus: usize) -> u64 {
    (2 * cpus as u64).max(32)
}

#[derive(Debug)]
pub struct Tasks {
    /// Before the program, so that it is let go of first.
    iterator: Iterator,
    _loaded: Ebpf,
    buffer: Vec<u8>,
}

impl Tasks {
    /// Loads the program and joins it to the iterator.
    ///
    /// # Errors
    /// [`Refusal`], in one line.
    pub fn open(edge: &Edge) -> Result<Self, Refusal> {
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        if namespace.to_str() != Some(FIRST_PID_NAMESPACE) {
            let why = "this process is not in the node's pid namespace (hostPID)".to_owned();
            return Err(Refusal::Failed { what: WHAT, why });
        }
        let types = edge.types()?;
        let mut loaded = edge.load(OBJECT, WHAT)?;
        let program = loaded.program_mut("tasks").ok_or_else(|| missing(WHAT))?;
        let program: &mut Iter = program.try_into().map_err(refused(WHAT))?;
        program.load("task", types).map_err(refused(WHAT))?;
        let fd = program.fd().map_err(refused(WHAT))?;
        let iterator = Iterator::join(fd, Walk::Tasks).map_err(|e| Refusal::of(WHAT, &e))?;
        Ok(Self { iterator, _loaded: loaded, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Hands every process to `see`, in the order of pids. Returns how many.
    ///
    /// Cost: some 0.3 µs for each process.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn pass(&mut self, mut see: impl FnMut(TaskRecord)) -> io::Result<usize> {
        let mut file = self.iterator.pass()?;
        let (mut held, mut seen) = (0, 0);
        loop {
            let read = read(&mut file, &mut self.buffer[held..])?;
            if read == 0 {
                return Ok(seen);
            }
            held += read;
            let whole = held - held % RECORD_BYTES;
            for record in self.buffer[..whole].chunks_exact(RECORD_BYTES) {
                see(TaskRecord::parse(record));
                seen += 1;
            }
            self.buffer.copy_within(whole..held, 0);
            held -= whole;
        }
    }
}

/// Reads on where a signal came, or where the kernel took a breath between two million tasks.
fn read(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    /// Of either reason, before it is taken for a failure.
    const AGAIN_MAX: usize = 16;
    let mut again = 0;
    loop {
        match file.read(buffer) {
            Err(error) if again < AGAIN_MAX && is_passing(&error) => again += 1,
            answer => return answer,
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}
