//! One number that everything which grows is taken from: segments, index, ghost, buffers.
//!
//! It only counts. Who finds no room makes some (see `room`) or refuses.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What bytes are used for.
#[derive(Clone, Copy, Debug)]
pub enum Line {
    Segments,
    Index,
    Ghost,
    Charges,
}

/// How many kinds of [`Line`] there are.
const LINES: usize = 4;

#[derive(Debug)]
pub struct Budget {
    limit: AtomicU64,
    used: AtomicU64,
    lines: [AtomicU64; LINES],
}

impl Budget {
    pub fn new(limit_bytes: u64) -> Self {
        Self { limit: limit_bytes.into(), used: 0.into(), lines: Default::default() }
    }

    pub fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    pub fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Relaxed);
    }

    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    pub fn line(&self, line: Line) -> u64 {
        self.lines[line as usize].load(Relaxed)
    }

    /// Bytes left; 0 when more than the limit is in use.
    pub fn left(&self) -> u64 {
        self.limit().saturating_sub(self.used())
    }

    /// Bytes in use above the limit, after it was lowered.
    pub fn over(&self) -> u64 {
        self.used().saturating_sub(self.limit())
    }

    /// Takes `bytes` if `keep` more are left afterwards.
    pub fn take(&self, line: Line, bytes: u64, keep: u64) -> bool {
        let limit = self.limit();
        let fits = |used: u64| {
            let next = used.checked_add(bytes)?;
            (next.checked_add(keep)? <= limit).then_some(next)
        };
        let taken = self.used.fetch_update(Relaxed, Relaxed, fits).is_ok();
        if taken {
            self.lines[line as usize].fetch_add(bytes, Relaxed);
        }
        taken
    }

    pub fn put_back(&self, line: Line, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
        self.lines[line as usize].fetch_sub(bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_stays_below_the_limit_and_returns() {
        let budget = Budget::new(100);
        assert!(budget.take(Line::Index, 60, 0));
        assert!(!budget.take(Line::Charges, 30, 20), "would leave 10 of the 20 to keep");
        assert!(budget.take(Line::Charges, 40, 0));
        assert!(!budget.take(Line::Ghost, 1, 0));
        budget.set_limit(70);
        assert_eq!((budget.left(), budget.over()), (0, 30));
        budget.put_back(Line::Index, 60);
        assert_eq!((budget.left(), budget.line(Line::Index)), (30, 0));
        assert!(!budget.take(Line::Ghost, u64::MAX, 1), "sums do not wrap around");
    }
}
