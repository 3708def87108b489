//! Bytes of another address space, read in place and without a copy of the whole.
//!
//! Everything that walks a heap takes `impl Memory`, so that the same walk runs over a live
//! process and over a recorded or made-up one.

pub(crate) mod ahead;
pub mod window;

use std::io::IoSliceMut;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use crate::target::Target;

/// An address space that can be read. Addresses are the target's.
pub trait Memory {
    /// Fills `into` from `address` on and returns how many bytes could be read; fewer than asked
    /// for where a page is missing, 0 where the first is.
    fn read(&self, address: u64, into: &mut [u8]) -> usize;

    /// One little-endian word, or None where it cannot be read whole.
    fn word(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        (self.read(address, &mut bytes) == bytes.len()).then(|| u64::from_le_bytes(bytes))
    }
}

/// The memory of a process that goes on running. Needs what ptrace(2) needs to read it.
///
/// Source: process_vm_readv(2).
#[derive(Debug)]
pub struct Live {
    pid: Pid,
    bytes_read: AtomicU64,
}

impl Live {
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { pid: Pid::from_raw(target.pid.cast_signed()), bytes_read: AtomicU64::new(0) }
    }

    /// What has been read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

impl Memory for Live {
    fn read(&self, address: u64, into: &mut [u8]) -> usize {
        let Ok(base) = usize::try_from(address) else { return 0 };
        let remote = [RemoteIoVec { base, len: into.len() }];
        loop {
            match process_vm_readv(self.pid, &mut [IoSliceMut::new(into)], &remote) {
                Ok(count) => {
                    self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
                    return count;
                }
                Err(Errno::EINTR) => {}
                Err(_) => return 0,
            }
        }
    }
}

/// Memory that was recorded or made up, in stretches that do not overlap.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    pub stretches: Vec<(u64, Vec<u8>)>,
}

impl Memory for Recorded {
    fn read(&self, address: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            let at = address.saturating_add(done as u64);
            let piece = self.stretches.iter().find_map(|(start, bytes)| {
                let offset = usize::try_from(at.checked_sub(*start)?).ok()?;
                bytes.get(offset..).filter(|piece| !piece.is_empty())
            });
            let Some(piece) = piece else { break };
            let count = piece.len().min(into.len() - done);
            into[done..done + count].copy_from_slice(&piece[..count]);
            done += count;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_memory_is_read_across_stretches_that_touch() {
        let stretches = vec![(0x1000, vec![1; 8]), (0x1008, vec![2; 8])];
        let memory = Recorded { stretches };
        assert_eq!(memory.word(0x1004), Some(0x0202_0202_0101_0101));
        assert_eq!(memory.read(0x100c, &mut [0; 8]), 4);
        assert_eq!(memory.word(u64::MAX), None);
    }

    #[test]
    fn own_memory_is_read_and_an_unmapped_address_gives_nothing() {
        let live = Live::new(Target { pid: std::process::id(), start_time: 0 });
        let known = Box::new(0x1122_3344_5566_7788_u64);
        let address = std::ptr::from_ref(&*known) as u64;
        assert_eq!(live.word(address), Some(*known));
        assert_eq!(live.word(8), None);
        assert_eq!(live.bytes_read(), 8);
    }
}
