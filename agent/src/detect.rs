//! Is there a sustained, unbounded upward trend? Looks at one target's past on several scales.
//!
//! Input: [`Past`], copied out of a history window; output: at most one [`Finding`]. Pure: does no
//! IO, reads no clock, logs nothing, cannot fail. It does not decide what to do about a trend: the
//! forecast says how long is left, the verdict whether to believe it.
//!
//! What is judged is *demand*: what reclaim cannot take back by dropping clean pages, that is
//! `used − file + swap`. Page cache therefore never makes a finding, and a leak that is being
//! swapped out still does.
//!
//! Every scale (fine points, minutes, hours) is tried over its whole span, then over the last half,
//! quarter, …; the longest stretch that holds a trend is the finding, so its span also says when
//! the growth set in. See [`trend`] for the statistics, [`season`] for daily cycles, [`lives`] for
//! leaks that end in a restart.

pub mod cells;
pub mod lives;
mod params;
mod season;
#[cfg(test)]
pub(crate) mod synthetic;
pub mod trend;

pub use cells::{Cell, Past, Scratch};
pub use params::Params;
pub use trend::Trend;

use crate::clock::Stamp;
use crate::history::Tier;
use cells::Work;
use std::time::Duration;

/// Growth whose later rise exceeds the earlier by no more than this is as good as a straight line.
const STRAIGHT: f64 = 1.25;

/// Growth by less than this share in the time before is demand that stood still.
const STILL: f64 = 1.0 / 3.0;

/// A stretch of the past that ends now and in which demand rises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    pub tier: Tier,
    pub trend: Trend,
    /// Growth over the same span just before, as a share of the growth over this one. None where
    /// the target was not seen for so long: the growth may be as old as the target.
    pub before: Option<f64>,
    /// Growth of each part over the stretch. Units: bytes.
    pub parts: Parts,
}

impl Finding {
    /// Whether the growth was seen to set in after demand had stood still.
    #[must_use]
    pub fn set_in(&self) -> bool {
        self.before.is_some_and(|share| share <= STILL)
    }
}

/// How much each part of the memory grew. Units: bytes, negative where it shrank.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// Anonymous memory with what of it was swapped out.
    pub anon: f64,
    pub file: f64,
    pub shmem: f64,
    /// What is neither: kernel memory, where the kernel charges it.
    pub other: f64,
}

/// Looks for rising stretches, longest first on each scale, and returns the first that `believed`
/// accepts; fine points are asked first because what they show is the most urgent.
///
/// Cost: a few µs where nothing rises, about 5 µs for each stretch that is examined in full.
pub fn find(
    params: &Params,
    past: Past<'_>,
    now: Stamp,
    work: &mut Work,
    mut believed: impl FnMut(&Finding) -> bool,
) -> Option<Finding> {
    [Tier::Fine, Tier::Minute, Tier::Hour]
        .into_iter()
        .find_map(|tier| find_on(params, past, now, tier, work, &mut believed))
}

fn find_on(
    params: &Params,
    past: Past<'_>,
    now: Stamp,
    tier: Tier,
    work: &mut Work,
    believed: &mut impl FnMut(&Finding) -> bool,
) -> Option<Finding> {
    let oldest = past.longest_from(tier, now, params.minute_span_min)?;
    let observed_from = past.observed_from()?;
    let shortest = match tier {
        Tier::Fine => params.fine_span_min,
        Tier::Minute => params.minute_span_min,
        Tier::Hour => params.hour_span_min,
    };
    if tier == Tier::Hour {
        season::remove(params, past.hours, &mut work.floors, &mut work.season);
    }
    let mut span = now.since(oldest);
    let mut found = None;
    while span >= shortest {
        let from = now.minus(span);
        work.fold(past, tier, from, now);
        let finding = Trend::of(params, &work.cells, &mut work.slopes)
            .filter(|trend| past.level_before(from) < trend.level)
            .map(|trend| {
                let before = grown_before(past, &trend, from, from.since(observed_from));
                Finding { tier, trend, before, parts: parts(&work.cells) }
            })
            .filter(&mut *believed);
        match finding {
            Some(finding) if finding.trend.steady <= STRAIGHT => return Some(finding),
            // It gains: the stretch may hold the quiet time before; look for where it set in.
            Some(_) => found = finding,
            None if found.is_some() => break,
            None => {}
        }
        span = if found.is_some() { span * 3 / 4 } else { span / 2 };
    }
    found
}

/// How much demand grew over the same span before the stretch, as a share of what it grew in it.
fn grown_before(past: Past<'_>, trend: &Trend, from: Stamp, seen: Duration) -> Option<f64> {
    let span = Duration::from_secs_f64(trend.span);
    if seen < span {
        return None;
    }
    let earlier = from.minus(span);
    let floor = past.floor_between(earlier, earlier.plus(span / 3))?;
    let start = trend.level - trend.growth * 5.0 / 6.0;
    Some((start - floor) / trend.growth)
}

/// Growth of the parts between the first and the last third, stretched to the whole span.
fn parts(cells: &[Cell]) -> Parts {
    let third = (cells.len() / 3).max(1);
    let mean = |cells: &[Cell], part: fn(&Cell) -> f64| {
        cells.iter().map(part).sum::<f64>() / cells.len() as f64
    };
    let grown = |part: fn(&Cell) -> f64| {
        1.5 * (mean(&cells[cells.len() - third..], part) - mean(&cells[..third], part))
    };
    Parts {
        anon: grown(|c| c.anon),
        file: grown(|c| c.file),
        shmem: grown(|c| c.shmem),
        other: grown(|c| c.other),
    }
}

#[cfg(test)]
mod tests;
