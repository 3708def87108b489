//! The demo's programs: they really allocate and touch what they claim to.

use rustix::process::{Signal, set_parent_process_death_signal};
use std::path::Path;
use std::time::{Duration, Instant};

const MIB: usize = 1024 * 1024;
const STEP: Duration = Duration::from_millis(125);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// 2 MiB more each second, for ever.
    Leak,
    /// 60 MiB within twenty seconds, then nothing more: a warm-up.
    Plateau,
    /// 8 MiB more each second and all of it given back every eight: a collector's sawtooth.
    Sawtooth,
}

impl Shape {
    pub const ALL: [Self; 3] = [Self::Leak, Self::Plateau, Self::Sawtooth];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Plateau => "plateau",
            Self::Sawtooth => "sawtooth",
        }
    }

    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.name() == name)
    }

    /// What the program holds `after` its start. Units: bytes.
    fn wanted(self, after: Duration) -> usize {
        let bytes = |mib: f64| (mib * MIB as f64) as usize;
        let seconds = after.as_secs_f64();
        match self {
            Self::Leak => bytes(2.0 * seconds),
            Self::Plateau => bytes(3.0 * seconds.min(20.0)),
            Self::Sawtooth => bytes(8.0 * (seconds % 8.0)),
        }
    }
}

/// Is one of the programs until it is killed. Enters `cgroup` first (a directory of the mounted
/// hierarchy), and dies with its parent.
///
/// # Errors
/// When the cgroup cannot be entered or the parent is gone already.
pub fn be(shape: Shape, cgroup: Option<&Path>) -> std::io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Some(cgroup) = cgroup {
        std::fs::write(cgroup.join("cgroup.procs"), "0")?;
    }
    let started = Instant::now();
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let wanted = shape.wanted(started.elapsed()) / (MIB / 4);
        if wanted < held.len() {
            held.clear();
        }
        while held.len() < wanted {
            held.push(filled(held.len()));
        }
        std::thread::park_timeout(STEP);
    }
}

/// A quarter of a MiB that no compression or zero page can hide.
fn filled(seed: usize) -> Vec<u8> {
    let mut state = seed as u64 | 1;
    let mut next = || {
        // Marsaglia's xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..MIB / 32).flat_map(|_| next().to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_leak_wants_ever_more() {
        let peak = |shape: Shape, from: u64, to: u64| {
            (from..to).map(|s| shape.wanted(Duration::from_secs(s))).max().unwrap()
        };
        assert_eq!(peak(Shape::Plateau, 20, 60), peak(Shape::Plateau, 60, 90));
        assert_eq!(peak(Shape::Sawtooth, 0, 8), peak(Shape::Sawtooth, 40, 80));
        assert!(peak(Shape::Leak, 60, 90) > peak(Shape::Leak, 20, 60));
    }

    #[test]
    fn a_filled_block_is_a_quarter_of_a_mebibyte_of_noise() {
        let block = filled(3);
        assert_eq!(block.len(), MIB / 4);
        assert!(block.iter().filter(|&&b| b == 0).count() < block.len() / 64);
    }
}
