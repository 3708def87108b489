//! The last 24 hours (or minutes) of a series, each by its 10th percentile and its median.

use super::HOUR;
use crate::series::{Point, Series, quantile};
use std::borrow::Cow;
use std::collections::VecDeque;

pub const COUNT: usize = 24;

/// One finished stretch.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    nth: f64,
    pub low: f64,
    pub median: f64,
}

#[derive(Debug)]
pub struct Buckets {
    width_s: f64,
    nth: f64,
    open: Vec<f64>,
    done: VecDeque<Bucket>,
}

impl Buckets {
    pub fn new(series: &Series) -> Self {
        let width_s = if series.span_s() < COUNT as f64 * HOUR { 60.0 } else { HOUR };
        Self { width_s, nth: f64::NEG_INFINITY, open: Vec::new(), done: VecDeque::new() }
    }

    /// Units: seconds.
    pub fn width_s(&self) -> f64 {
        self.width_s
    }

    /// Takes a sample in; says whether it finished a bucket. An empty one is left out.
    pub fn add(&mut self, point: Point) -> bool {
        let nth = (point.time_s / self.width_s).floor();
        let is_new = nth > self.nth && !self.open.is_empty();
        if is_new {
            let of = |share| quantile(Cow::Borrowed(&self.open), share).unwrap_or_default();
            self.done.push_back(Bucket { nth: self.nth, low: of(0.1), median: of(0.5) });
            self.open.clear();
            while self.done.front().is_some_and(|first| self.nth - first.nth >= COUNT as f64) {
                self.done.pop_front();
            }
        }
        self.nth = nth;
        self.open.push(point.used);
        is_new
    }

    /// The last 24, if at most a few are missing: number, value.
    pub fn full(&self, value: fn(&Bucket) -> f64) -> Option<Vec<(f64, f64)>> {
        let has_enough = self.done.len() * 10 >= COUNT * 9;
        has_enough.then(|| self.done.iter().map(|one| (one.nth, value(one))).collect())
    }
}
