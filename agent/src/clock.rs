//! The agent's timeline: milliseconds on the boot clock, and its mapping to wall time for display.
//!
//! History is kept on CLOCK_BOOTTIME because it never steps and goes on through suspend and
//! through restarts of the agent; wall time is only shown and exported. Nothing below `app` and
//! `sampler` reads a clock: they are handed a [`Stamp`].

use std::time::Duration;

/// An instant on the boot clock. Units: milliseconds since boot; negative for history that was
/// recorded before this boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

impl Stamp {
    /// Time from `earlier` to here, zero if `earlier` lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    #[must_use]
    pub fn plus(self, ahead: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX)))
    }

    #[must_use]
    pub fn minus(self, back: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(back.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Seconds from the timeline's zero, for regression.
    #[must_use]
    pub fn secs(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

/// Reads both clocks once and converts between them afterwards.
///
/// The offset is read anew by [`Clock::now`]'s callers through [`Clock::resync`], so that a
/// stepped wall clock moves what is displayed and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall_minus_boot_ms: i64,
}

impl Clock {
    #[must_use]
    pub fn start() -> Self {
        let mut clock = Self { wall_minus_boot_ms: 0 };
        clock.resync();
        clock
    }

    /// Now, on the boot clock. Cost: one vDSO call or one syscall, below 0.3 µs.
    #[must_use]
    pub fn now(self) -> Stamp {
        Stamp(ms(rustix::time::clock_gettime(rustix::time::ClockId::Boottime)))
    }

    /// Takes the present offset of the wall clock. Returns by how many milliseconds it stepped.
    pub fn resync(&mut self) -> i64 {
        let offset =
            ms(rustix::time::clock_gettime(rustix::time::ClockId::Realtime)) - self.now().0;
        let step = offset - self.wall_minus_boot_ms;
        self.wall_minus_boot_ms = offset;
        step
    }

    /// Wall time of `at`. Units: milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_ms(self, at: Stamp) -> i64 {
        at.0.saturating_add(self.wall_minus_boot_ms)
    }

    /// The instant on the boot clock at which the wall clock shows `unix_ms`.
    #[must_use]
    pub const fn stamp_of_unix_ms(self, unix_ms: i64) -> Stamp {
        Stamp(unix_ms.saturating_sub(self.wall_minus_boot_ms))
    }

    /// RFC 3339, UTC, milliseconds: `2026-11-21T10:09:00.123Z`.
    #[must_use]
    pub fn rfc3339(self, at: Stamp) -> String {
        rfc3339_of_unix_ms(self.unix_ms(at))
    }
}

/// RFC 3339, UTC, of a Unix time in milliseconds; the epoch if it lies outside year −9999…9999.
#[must_use]
pub fn rfc3339_of_unix_ms(unix_ms: i64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{stamp:.3}")
}

fn ms(t: rustix::time::Timespec) -> i64 {
    t.tv_sec * 1000 + t.tv_nsec / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_round_trips_through_the_boot_clock() {
        let clock = Clock::start();
        let now = clock.now();
        assert_eq!(clock.stamp_of_unix_ms(clock.unix_ms(now)), now);
        assert_eq!(rfc3339_of_unix_ms(1_763_719_740_123), "2025-11-21T10:09:00.123Z");
    }
}
