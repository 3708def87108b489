//! The thin edge: allocator, arguments, log, exit code.

use plimsoll::cli::{self, Outcome};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    todo!()
}
