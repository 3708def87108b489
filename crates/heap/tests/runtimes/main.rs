//! Readers of runtimes against real programs: every figure is held against the program's own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod go;
mod jemalloc;
mod jvm;
mod others;
mod programs;
mod python;
