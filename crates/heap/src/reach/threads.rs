//! Where each thread's stack and own storage lie.
//!
//! glibc keeps a record of each thread at its thread pointer; in it, at places that differ between
//! versions, lie the address and the size of the stack. They are found by what they must be: a page
//! boundary below the stack pointer, and a size that reaches just beyond the record. What that does
//! not find is searched whole, as a mapping like any other.
//!
//! Source: `struct pthread` and `tcbhead_t` of glibc (nptl/descr.h, x86_64/nptl/tls.h).

use std::ops::Range;

use crate::freeze::Thread;
use crate::maps::{self, Mapping};
use crate::memory::Memory;

use super::roots::ThreadMemory;

const PAGE_BYTES: u64 = 4096;
/// More than the record of a thread has in any version (2,304 bytes in 2.36).
const RECORD_BYTES: usize = 4096;
/// The end of a stack is this near its record, which lies at its top.
const RECORD_TO_END_MAX: u64 = 2 * PAGE_BYTES;
/// Of the record of the first thread, which has no stack around it.
const FIRST_RECORD_BYTES: u64 = 2304;
/// To what records are aligned.
const RECORD_ALIGN: u64 = 64;
const STACK_BYTES_MAX: u64 = 1 << 40;
/// More mappings than this are not looked at for the stack of a thread that ended.
const LOOKED_AT_MAX: usize = 4096;

/// What is known of `thread`'s memory. `tls_bytes` is what each thread has of variables.
pub fn memory_of(
    memory: &(impl Memory + ?Sized),
    mappings: &[Mapping],
    thread: &Thread,
    tls_bytes: u64,
) -> ThreadMemory {
    let mut known = ThreadMemory { stack_pointer: thread.stack_pointer, ..Default::default() };
    let pointer = thread.thread_pointer;
    let stack = thread.stack_pointer.and_then(|stack_pointer| {
        let recorded = pointer.and_then(|at| recorded_stack(memory, at, Some(stack_pointer)));
        recorded.or_else(|| {
            let first = maps::holding(mappings, stack_pointer)?;
            (first.name == "[stack]").then(|| first.range())
        })
    });
    known.tls = pointer.map(|at| {
        let end = stack.as_ref().filter(|stack| stack.contains(&at));
        let end = end.map_or(at.saturating_add(FIRST_RECORD_BYTES), |stack| stack.end);
        at.saturating_sub(tls_bytes) & !7..end
    });
    known.stack = stack;
    known
}

/// The stack that the record at `record` names, if there is one and `inside` lies in it.
fn recorded_stack(
    memory: &(impl Memory + ?Sized),
    record: u64,
    inside: Option<u64>,
) -> Option<Range<u64>> {
    let mut bytes = [0; RECORD_BYTES];
    let count = memory.read(record, &mut bytes);
    let (words, _) = bytes[..count].as_chunks::<8>();
    words.windows(2).find_map(|pair| {
        let [start, size] = [pair[0], pair[1]].map(u64::from_le_bytes);
        let end = start.checked_add(size)?;
        let fits = start != 0
            && start.is_multiple_of(PAGE_BYTES)
            && size < STACK_BYTES_MAX
            && start < record
            && record < end
            && end - record <= RECORD_TO_END_MAX
            && inside.is_none_or(|inside| start <= inside && inside < end);
        fits.then_some(start..end)
    })
}

/// The stacks of threads that have ended, kept for the next: what lies in them nobody can reach.
/// Their records are left out, which still own memory.
pub fn ended(
    memory: &(impl Memory + ?Sized),
    mappings: &[Mapping],
    threads: &[Thread],
) -> Vec<Range<u64>> {
    let with_guard = mappings.windows(2).filter(|pair| {
        let (guard, stack) = (&pair[0], &pair[1]);
        let guards = !guard.readable && !guard.writable && guard.end == stack.start;
        guards && stack.writable && !stack.shared && stack.inode == 0 && stack.name.is_empty()
    });
    let stacks = with_guard.take(LOOKED_AT_MAX).filter_map(|pair| {
        let mapping = &pair[1];
        let used = threads.iter().flat_map(|thread| [thread.thread_pointer, thread.stack_pointer]);
        if used.flatten().any(|pointer| mapping.contains(pointer)) {
            return None;
        }
        let record = record_at_end(memory, mapping)?;
        let stack = recorded_stack(memory, record, None)?;
        Some(stack.start.max(mapping.start)..record)
    });
    stacks.collect()
}

/// A record names its own address twice, as its first and its third word.
fn record_at_end(memory: &(impl Memory + ?Sized), mapping: &Mapping) -> Option<u64> {
    let start = mapping.end.saturating_sub(RECORD_TO_END_MAX).max(mapping.start);
    let mut bytes = [0; RECORD_TO_END_MAX as usize];
    let wanted = usize::try_from(mapping.end - start).ok()?;
    let count = memory.read(start, &mut bytes[..wanted]);
    let (words, _) = bytes[..count].as_chunks::<8>();
    let named = words.windows(3).zip((start..).step_by(8)).find(|(words, at)| {
        at.is_multiple_of(RECORD_ALIGN)
            && u64::from_le_bytes(words[0]) == *at
            && u64::from_le_bytes(words[2]) == *at
    });
    named.map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory from `START` on, zero but for what was written.
    struct Made(Vec<u8>);
    const START: u64 = 0x10_0000;
    const END: u64 = 0x11_0000;
    const RECORD: u64 = END - 0x900;

    impl Made {
        fn with(words: &[(u64, u64)]) -> Self {
            let mut bytes = vec![0; (END - START) as usize];
            for (address, word) in words {
                let at = (address - START) as usize;
                bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
            }
            Self(bytes)
        }
    }

    impl Memory for Made {
        fn read(&self, address: u64, into: &mut [u8]) -> usize {
            let Some(from) = address.checked_sub(START) else { return 0 };
            let from = (from as usize).min(self.0.len());
            let count = into.len().min(self.0.len() - from);
            into[..count].copy_from_slice(&self.0[from..from + count]);
            count
        }
    }

    fn thread(stack_pointer: u64) -> Thread {
        Thread {
            tid: 1,
            name: String::new(),
            stack_pointer: Some(stack_pointer),
            thread_pointer: Some(RECORD),
            registers: vec![],
            complete: true,
        }
    }

    fn mappings() -> Vec<Mapping> {
        let guard = Mapping { start: START - 0x1000, end: START, ..Mapping::default() };
        let stack = Mapping {
            start: START,
            end: END,
            readable: true,
            writable: true,
            ..Mapping::default()
        };
        vec![guard, stack]
    }

    /// The guard belongs to the stack.
    const STACK: [(u64, u64); 2] =
        [(RECORD + 0x690, START - 0x1000), (RECORD + 0x698, END - START + 0x1000)];

    #[test]
    fn a_stack_is_found_in_its_threads_record_wherever_it_stands_there() {
        // A pair that looks like one but does not hold the stack pointer comes first.
        let decoy = [(RECORD + 8, RECORD & !0xfff), (RECORD + 16, 0x1000)];
        let words = [&decoy[..], &STACK].concat();
        let known = memory_of(&Made::with(&words), &mappings(), &thread(START + 0x8008), 0x100);
        assert_eq!(known.stack, Some(START - 0x1000..END));
        assert_eq!(known.tls, Some(RECORD - 0x100..END));
    }

    #[test]
    fn without_a_record_no_part_of_the_mapping_is_taken_for_unused() {
        let known = memory_of(&Made::with(&[]), &mappings(), &thread(START + 0x8008), 0x100);
        assert_eq!(known.stack, None);
        assert_eq!(known.tls, Some(RECORD - 0x100..RECORD + FIRST_RECORD_BYTES));
    }

    #[test]
    fn the_stack_of_a_thread_that_ended_is_told_from_one_in_use_and_from_any_other_mapping() {
        let selves = [(RECORD, RECORD), (RECORD + 16, RECORD)];
        let made = Made::with(&[&selves[..], &STACK].concat());
        assert_eq!(ended(&made, &mappings(), &[]).first(), Some(&(START..RECORD)));
        assert!(ended(&made, &mappings(), &[thread(START + 8)]).is_empty());
        assert!(ended(&Made::with(&STACK), &mappings(), &[]).is_empty());
        assert!(ended(&made, &mappings()[1..], &[]).is_empty());
    }
}
