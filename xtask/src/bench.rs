//! Benchmarks with their peers beside them, in one run on one machine.

pub mod cache;
pub mod closed_loop;
pub mod cost;
pub mod detection;
pub mod export;
pub mod flock;
pub mod floor;
pub mod heap;
pub mod live;
pub mod peers;
pub mod sampling;
pub mod stall;
pub mod subject;

use crate::Outcome;

/// A bench's own helper process.
pub fn program(args: &[&str]) -> Outcome {
    match args {
        ["cache", rest @ ..] => cache::program(rest),
        ["heap", rest @ ..] => heap::program(rest),
        ["stall", gib] => stall::program(gib),
        _ => Err(format!("no such bench program: {args:?}")),
    }
}
