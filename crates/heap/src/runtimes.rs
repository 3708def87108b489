//! Which allocators and runtimes a process has, and what each says of itself when it is read from
//! outside: unfrozen, bounded, nothing written into the target.
//!
//! glibc's heap is not read here but in `glibc`. What cannot be read is named and said to be not
//! introspectable; nothing is guessed.

pub mod cached;
pub mod elf;
pub mod go;
pub mod jemalloc;
pub mod jvm;
pub mod place;
pub mod python;
