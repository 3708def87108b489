//! Growth within each life of a workload that keeps being restarted.
//!
//! A life ends where demand falls to less than half of its peak. A median over lives of their rates
//! is a trend that no single life is long enough to show. It cannot tell a batch job that is run
//! over and over from a leak that ends in kills: for that the caller knows the restarts.

use super::demand::demand;
use crate::history::{Tier, Window};

/// What the lives have in common. Units: bytes per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lives {
    /// Ended lives and the present one.
    pub count: usize,
    /// How many of them grew by at least a quarter.
    pub grew: usize,
    /// Median of what the ended ones had at most. Units: bytes.
    pub peak: f64,
    /// Median of the rates of those that grew.
    pub rate: f64,
    /// Ends of the rates: the slowest and the fastest.
    pub rate_low: f64,
    pub rate_high: f64,
}

const LIVES_MAX: usize = 8;

#[derive(Clone, Copy)]
struct Life {
    from: (f64, f64),
    to: (f64, f64),
    peak: f64,
}

/// Cuts the past into lives; None where demand never collapsed.
#[must_use]
pub fn lives(window: &Window<'_>) -> Option<Lives> {
    let points = || window.points().filter(|p| p.split.used.0 > 0);
    let first_point = points().next().map_or(f64::MAX, |p| p.at.secs());
    let minutes = window.buckets(Tier::Minute).filter(|b| b.median.used.0 > 0);
    let minutes = minutes.map(|b| (b.at.secs(), demand(&b.median).as_f64()));
    let points = points().map(|p| (p.at.secs(), demand(&p.split).as_f64()));
    let readings = minutes.take_while(|(t, _)| *t < first_point).chain(points);

    let mut rates = [0.0; LIVES_MAX];
    let mut peaks = [0.0; LIVES_MAX];
    let (mut ended, mut grew) = (0, 0);
    let mut keep = |life: Life| {
        let span = life.to.0 - life.from.0;
        if span > 0.0 && life.to.1 >= 1.25 * life.from.1 {
            rates[grew % LIVES_MAX] = (life.to.1 - life.from.1) / span;
            grew += 1;
        }
    };
    let mut life: Option<Life> = None;
    for reading in readings {
        match &mut life {
            Some(now) if reading.1 >= 0.5 * now.peak => {
                now.peak = now.peak.max(reading.1);
                now.to = reading;
            }
            other => {
                if let Some(past) = other.take() {
                    keep(past);
                    peaks[ended % LIVES_MAX] = past.peak;
                    ended += 1;
                }
                life = Some(Life { from: reading, to: reading, peak: reading.1 });
            }
        }
    }
    life.map(&mut keep);
    if ended == 0 || grew == 0 {
        return None;
    }
    let rates = &mut rates[..grew.min(LIVES_MAX)];
    rates.sort_unstable_by(f64::total_cmp);
    let peaks = &mut peaks[..ended.min(LIVES_MAX)];
    peaks.sort_unstable_by(f64::total_cmp);
    Some(Lives {
        count: ended + 1,
        grew,
        peak: peaks[peaks.len() / 2],
        rate: rates[rates.len() / 2],
        rate_low: rates[0],
        rate_high: rates[rates.len() - 1],
    })
}
