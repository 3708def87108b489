//! The heap profile as the Go runtime keeps it: a list of buckets, one for each stack and size.

use super::pclntab::Functions;
use crate::memory::Memory;
use crate::runtimes::bytes::u64_at;
use crate::runtimes::ground::{Ground, Image, find_word};

/// Buckets that are read; a large program has some ten thousand.
const BUCKETS_MAX: usize = 200_000;
/// The deepest stack that any version keeps.
const STACK_MAX: u64 = 1024;
const MEMORY_PROFILE: u64 = 1;
/// The fixed part: next, allnext, kind, hash, size, depth.
const HEAD: usize = 48;
/// Allocations and frees by count and by bytes.
const CYCLE: usize = 32;
/// Words of a program's data that are looked at for the head of the list.
const SEARCH_BYTES_MAX: u64 = 64 << 20;

/// What one stack holds of one size, as far as it was sampled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Return addresses, the innermost first.
    pub stack: Vec<u64>,
    pub count: u64,
    pub bytes: u64,
    next: u64,
}

/// The bucket at `address`, None where none of the profile is.
///
/// Source: Go's `runtime/mprof.go`, `bucket` and `memRecord`, alike since 1.9.
fn bucket(memory: &(impl Memory + ?Sized), address: u64, functions: &Functions) -> Option<Bucket> {
    let mut head = [0; HEAD];
    if !address.is_multiple_of(8) || memory.read(address, &mut head) < HEAD {
        return None;
    }
    let depth = u64_at(&head, 40)?;
    if u64_at(&head, 16)? != MEMORY_PROFILE || !(1..=STACK_MAX).contains(&depth) {
        return None;
    }
    let mut rest = vec![0; depth as usize * 8 + 4 * CYCLE];
    if memory.read(address + HEAD as u64, &mut rest) < rest.len() {
        return None;
    }
    let (stack, record) = rest.split_at(depth as usize * 8);
    let stack: Vec<u64> =
        stack.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    if !functions.covers(stack[0]) {
        return None;
    }
    // The first cycle is what a collection has confirmed; the other three are on their way.
    let word = |cycle: usize, at: usize| u64_at(record, cycle * CYCLE + at);
    let mut net = (0_u64, 0_u64);
    for cycle in 0..4 {
        net.0 = net.0.wrapping_add(word(cycle, 0)?.wrapping_sub(word(cycle, 8)?));
        net.1 = net.1.wrapping_add(word(cycle, 16)?.wrapping_sub(word(cycle, 24)?));
    }
    // A bucket that changes while it is read may be off by one free.
    let net = if net.0.cast_signed() < 0 || net.1.cast_signed() < 0 { (0, 0) } else { net };
    Some(Bucket { stack, count: net.0, bytes: net.1, next: u64_at(&head, 8)? })
}

/// All buckets from `head` on, and whether the list came to its end.
pub fn walk(
    memory: &(impl Memory + ?Sized),
    head: u64,
    functions: &Functions,
) -> (Vec<Bucket>, bool) {
    let mut found = Vec::new();
    let mut at = head;
    while at != 0 && found.len() < BUCKETS_MAX {
        let Some(bucket) = bucket(memory, at, functions) else { return (found, false) };
        at = bucket.next;
        found.push(bucket);
    }
    (found, at == 0)
}

/// The head of the list in a program without symbols: the word of its data that begins the longest
/// chain of buckets.
pub fn search(ground: &Ground<'_>, image: &Image<'_>, functions: &Functions) -> Option<u64> {
    let mut best = (0, 0);
    let memory = ground.memory();
    find_word(memory, image, SEARCH_BYTES_MAX, |_, word| {
        if word.is_multiple_of(8)
            && ground.is_writable(word)
            && bucket(memory, word, functions).is_some()
        {
            let (chain, whole) = walk(memory, word, functions);
            if whole && chain.len() > best.0 {
                best = (chain.len(), word);
            }
        }
        None::<()>
    });
    (best.0 > 0).then_some(best.1)
}

/// Count and bytes of all allocations of which that many were sampled, at one sample in `rate`.
///
/// Source: `runtime/pprof`'s `scaleHeapSample`: samples are Poisson distributed.
#[must_use]
pub fn estimate(count: u64, bytes: u64, rate: u64) -> (f64, f64) {
    if count == 0 || bytes == 0 {
        return (0.0, 0.0);
    }
    let (count, bytes) = (count as f64, bytes as f64);
    if rate <= 1 {
        return (count, bytes);
    }
    let scale = 1.0 / (1.0 - (-(bytes / count) / rate as f64).exp());
    (count * scale, bytes * scale)
}
