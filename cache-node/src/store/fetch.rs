//! Asks the processor to fetch memory that will be read soon. Nothing is read or changed by it.
//!
//! A miss of the caches costs as much as a hundred instructions; several that are under way at once
//! cost little more than one. Elsewhere than on `x86_64` nothing is asked.
#![cfg_attr(
    all(target_arch = "x86_64", not(miri)),
    expect(unsafe_code, reason = "the hint to the processor has no safe form")
)]

/// Units: bytes.
const LINE_BYTES: usize = 64;

/// Asks for the line in which `it` begins.
pub fn line_of<T: ?Sized>(it: &T) {
    ask(std::ptr::from_ref(it).cast());
}

/// Asks for the lines that `bytes` lie in.
pub fn lines_of(bytes: &[u8]) {
    bytes.chunks(LINE_BYTES).for_each(line_of);
    // Where it begins within a line, it ends in one more.
    bytes.last().into_iter().for_each(line_of);
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn ask(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: PREFETCHT0 is part of every x86_64 processor. It is a hint: no address makes it
    // fault, and the program sees nothing of what it does. Source: Intel's manual, volume 2.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
const fn ask(_at: *const u8) {}
