//! One entity's memory over time.

use std::borrow::Cow;

/// Samples of one entity, in time order.
///
/// Shape: `time_s`, `used` and `limit` are of one length; each part is either of that length or
/// empty, which means that the trace does not have it. Units: bytes, seconds since the trace's
/// origin. A limit that is not there is infinite.
#[derive(Clone, Debug, Default)]
pub struct Series {
    pub name: String,
    pub time_s: Vec<f64>,
    pub used: Vec<f64>,
    pub limit: Vec<f64>,
    pub parts: Parts,
}

/// What `used` is made of, where known. The names are the trace's columns without `_bytes`.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub anon: Vec<f64>,
    pub file: Vec<f64>,
    pub shmem: Vec<f64>,
    pub heap_in_use: Vec<f64>,
}

/// One instant of a series.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub time_s: f64,
    pub used: f64,
    pub limit: f64,
}

impl Series {
    /// First instant and last. Zero for an empty series.
    #[must_use]
    pub fn ends(&self) -> (f64, f64) {
        let first = self.time_s.first().copied().unwrap_or(0.0);
        (first, self.time_s.last().copied().unwrap_or(first))
    }

    /// Units: seconds.
    #[must_use]
    pub fn span_s(&self) -> f64 {
        let (first, last) = self.ends();
        last - first
    }

    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        let both = self.used.iter().zip(&self.limit);
        let points = self.time_s.iter().zip(both);
        points.map(|(&time_s, (&used, &limit))| Point { time_s, used, limit })
    }

    /// Keeps the first `len` samples.
    pub fn truncate(&mut self, len: usize) {
        for column in self.columns_mut() {
            column.truncate(len);
        }
    }

    /// Leaves out the samples whose index `keep` refuses.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        for column in self.columns_mut() {
            let mut at = 0;
            column.retain(|_| {
                at += 1;
                keep(at - 1)
            });
        }
    }

    fn columns_mut(&mut self) -> [&mut Vec<f64>; 7] {
        let Parts { anon, file, shmem, heap_in_use } = &mut self.parts;
        [&mut self.time_s, &mut self.used, &mut self.limit, anon, file, shmem, heap_in_use]
    }
}

/// The middle value, the upper of two; `None` of nothing. NaN sorts last.
#[must_use]
pub fn median(values: Cow<'_, [f64]>) -> Option<f64> {
    quantile(values, 0.5)
}

/// The value that a share of all lie below, without interpolation. `share` is in [0, 1).
#[must_use]
pub fn quantile(values: Cow<'_, [f64]>, share: f64) -> Option<f64> {
    let mut values = values.into_owned();
    let at = (values.len() as f64 * share) as usize;
    (at < values.len()).then(|| *values.select_nth_unstable_by(at, f64::total_cmp).1)
}
