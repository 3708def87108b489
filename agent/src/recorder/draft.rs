//! What the sampler hands to the recorder's thread: copies, made under its lock in a bounded time.

use super::foretold::Saying;
use super::pins::PinRecord;
use crate::clock::{Clock, Stamp};
use crate::history::{Bucket, Point, Tier, Window};
use crate::units::Bytes;
use crate::view::{Incident, Victim};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Readings of one series in an incident; of more, the newest.
pub const FINE_MAX: usize = 1_200;
/// How far back minutes go in front of them.
pub const SPAN: Duration = Duration::from_secs(3600);
/// Series of victims in one incident.
pub const VICTIM_SERIES_MAX: usize = 4;

/// A kill, with all that is to be worked out of it on the other thread.
#[derive(Clone, Debug)]
pub struct Draft {
    pub clock: Clock,
    pub killed_at: Stamp,
    /// Complete but for series, what was foretold, summary and advice.
    pub incident: Incident,
    pub series: Vec<DraftSeries>,
    pub said: Vec<Told>,
}

/// All that was said of one target.
#[derive(Clone, Debug)]
pub struct Told {
    pub target: String,
    pub sayings: Vec<Saying>,
}

#[derive(Clone, Debug)]
pub struct DraftSeries {
    pub target: String,
    pub role: &'static str,
    pub minutes: Vec<Bucket>,
    pub points: Vec<Point>,
}

impl DraftSeries {
    /// Copies the last hour before `until`: every reading that `pinned` or the window holds, and
    /// minutes before that. Cost: some 100 µs.
    #[must_use]
    pub fn copy(
        target: String,
        role: &'static str,
        window: Option<Window<'_>>,
        pinned: impl Iterator<Item = Point>,
        until: Stamp,
    ) -> Self {
        let from = until.minus(SPAN);
        let mut points: Vec<Point> = pinned.collect();
        let newest = points.last().map_or(Stamp(i64::MIN), |point| point.at);
        let oldest = points.first().map_or(Stamp(i64::MAX), |point| point.at);
        let fine: Vec<Point> = window.iter().flat_map(Window::points).collect();
        let before = fine.iter().take_while(|point| point.at < oldest);
        let before: Vec<Point> = before.copied().collect();
        let after = fine.iter().filter(|point| point.at > newest && point.at >= oldest);
        points.extend(after.copied());
        points.splice(0..0, before);
        points.retain(|point| point.until >= from && point.at <= until);
        points.drain(..points.len().saturating_sub(FINE_MAX));
        let fine_from = points.first().map_or(until, |point| point.at);
        let minutes = window.iter().flat_map(|window| window.buckets(Tier::Minute));
        let minutes =
            minutes.filter(|bucket| bucket.until > from && bucket.until <= fine_from).collect();
        Self { target, role, minutes, points }
    }
}

/// What outlives the agent beside the incidents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoint {
    /// `plimsoll.recorder/1`.
    pub schema: String,
    pub boot_id: String,
    /// The kernel log is of interest from here on. Units: milliseconds on the monotonic clock,
    /// which the kernel's log follows.
    pub began_ms: i64,
    /// It was heard up to here.
    pub heard_ms: i64,
    pub pins: Vec<PinRecord>,
}

/// The value of [`Checkpoint::schema`].
pub const CHECKPOINT_SCHEMA: &str = "plimsoll.recorder/1";
/// The kernel log's clock and ours may differ by this much; what is heard twice is told once.
const CLOCKS_APART_MS: i64 = 60_000;

impl Checkpoint {
    /// From where on the kernel log holds kills that nobody has heard of, for an agent that starts
    /// on the boot `boot_id`. Another boot's log is new from its beginning.
    #[must_use]
    pub fn unheard_since(&self, boot_id: &str) -> Stamp {
        if self.boot_id != boot_id {
            return Stamp(0);
        }
        Stamp(self.began_ms.max(self.heard_ms.saturating_sub(CLOCKS_APART_MS)))
    }
}

/// Further victims of an incident that is written already.
#[derive(Clone, Debug, Default)]
pub struct More {
    pub id: String,
    pub victims: Vec<Victim>,
    pub left_out: u32,
}

/// What the kernel printed of the memory of one task.
#[must_use]
pub fn sum(parts: [Option<Bytes>; 3]) -> Option<Bytes> {
    parts[0].map(|_| parts.into_iter().flatten().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{History, HistoryParams, Split};
    use crate::target::Target;

    #[test]
    fn a_copy_joins_what_was_pinned_with_what_the_history_has_before_and_after() {
        let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(2) });
        let series = history.open(&Target::Node, Stamp(0));
        let split = |s: u64| Split { used: Bytes::mib(1 + s), ..Split::default() };
        for s in 0..600_u64 {
            history.push(series, Stamp(s.cast_signed() * 1000), split(s));
        }
        let window = history.window(series);
        let pinned = window.points().filter(|p| (400_000..500_000).contains(&p.at.0));
        let until = Stamp(550_000);
        let copy = DraftSeries::copy("node".into(), "node", Some(window), pinned, until);
        assert!(copy.points.windows(2).all(|pair| pair[0].at < pair[1].at));
        assert_eq!(copy.points.last().map(|p| p.at), Some(until));
        assert!(copy.points.len() > 250, "{}", copy.points.len());
        let first = copy.points[0].at;
        assert!(!copy.minutes.is_empty() && copy.minutes.iter().all(|m| m.until <= first));
    }

    #[test]
    fn a_restart_looks_back_to_what_was_heard_and_a_reboot_to_its_beginning() {
        let point = Checkpoint {
            boot_id: "a".into(),
            began_ms: 5_000,
            heard_ms: 100_000,
            ..Checkpoint::default()
        };
        assert_eq!(point.unheard_since("a"), Stamp(40_000));
        assert_eq!(point.unheard_since("b"), Stamp(0));
        let young = Checkpoint { heard_ms: 9_000, ..point };
        assert_eq!(young.unheard_since("a"), Stamp(5_000), "what came before it began is not told");
    }
}
