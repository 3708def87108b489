//! How many blocks there are of which size: each size up to 1 KiB, four steps for each doubling
//! above.

use crate::glibc::{Chunk, State};
use crate::report::SizeClass;

const FINE_BYTES_MAX: u64 = 1032;
const FINE_STEP: u64 = 16;
/// Classes of 24, 40, 56 … 1,032 usable bytes.
const FINE: usize = 64;
const STEPS: u64 = 4;
const CLASSES: usize = FINE + 54 * STEPS as usize;

#[derive(Clone, Debug)]
pub(super) struct Classes(Vec<SizeClass>);

impl Default for Classes {
    fn default() -> Self {
        Self(vec![SizeClass::default(); CLASSES])
    }
}

impl Classes {
    pub(super) fn add(&mut self, chunk: &Chunk) {
        let class = &mut self.0[index(chunk.usable_bytes())];
        match chunk.state {
            State::InUse | State::Mapped => {
                class.in_use_bytes += chunk.bytes;
                class.in_use_count += 1;
            }
            State::Cached | State::Fast | State::Free => {
                class.free_bytes += chunk.bytes;
                class.free_count += 1;
            }
            State::Top | State::Fence => {}
        }
    }

    /// A chunk that was counted as cached is in use, or the other way round.
    pub(super) fn moved(&mut self, chunk: &Chunk, to_in_use: bool) {
        let class = &mut self.0[index(chunk.usable_bytes())];
        let in_use = (&mut class.in_use_bytes, &mut class.in_use_count);
        let free = (&mut class.free_bytes, &mut class.free_count);
        let (from, to) = if to_in_use { (free, in_use) } else { (in_use, free) };
        *from.0 = from.0.saturating_sub(chunk.bytes);
        *from.1 = from.1.saturating_sub(1);
        *to.0 += chunk.bytes;
        *to.1 += 1;
    }

    /// Those that have blocks, by size.
    pub(super) fn list(self) -> Vec<SizeClass> {
        let filled = |class: &SizeClass| class.in_use_count + class.free_count > 0;
        let named = self.0.into_iter().enumerate().filter(|(_, class)| filled(class));
        named
            .map(|(index, class)| {
                let (min_bytes, max_bytes) = limits(index);
                SizeClass { min_bytes, max_bytes, ..class }
            })
            .collect()
    }
}

fn index(usable: u64) -> usize {
    if usable <= FINE_BYTES_MAX {
        return (usable.saturating_sub(8) / FINE_STEP).saturating_sub(1) as usize;
    }
    let doubling = u64::from(usable.ilog2());
    let step = (usable >> (doubling - 2)) & (STEPS - 1);
    (FINE as u64 + (doubling - 10) * STEPS + step).min(CLASSES as u64 - 1) as usize
}

/// The smallest and the largest usable size of a class.
fn limits(index: usize) -> (u64, u64) {
    if index < FINE {
        let max = 24 + FINE_STEP * index as u64;
        return (if index == 0 { 0 } else { max - FINE_STEP + 1 }, max);
    }
    let above = (index - FINE) as u64;
    let (doubling, step) = (10 + above / STEPS, above % STEPS);
    let min = (STEPS + step) << (doubling - 2);
    let max = ((STEPS + step + 1) << (doubling - 2)).wrapping_sub(1);
    (min.max(FINE_BYTES_MAX + 1), max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_lies_within_the_limits_of_its_class() {
        let sizes = (24..5000).step_by(16).chain((12..62).map(|n| (1_u64 << n) + 8));
        for size in sizes {
            let (min, max) = limits(index(size));
            assert!((min..=max).contains(&size), "{size} is not in {min}..={max}");
        }
        for pair in (0..CLASSES).collect::<Vec<_>>().windows(2) {
            assert_eq!(limits(pair[0]).1.wrapping_add(1), limits(pair[1]).0);
        }
    }
}
