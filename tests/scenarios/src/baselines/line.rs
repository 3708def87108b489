//! A least-squares line over a sliding window, in constant time per sample.

use crate::series::Point;

/// Sums over the samples in the window, about an origin near them so that little cancels.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    origin: (f64, f64),
    n: f64,
    t: f64,
    y: f64,
    tt: f64,
    ty: f64,
    yy: f64,
}

/// The line through a window. Units: bytes, seconds.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    pub slope: f64,
    /// Where the line is at the instant asked for.
    pub now: f64,
    /// Share of the variance that the line explains; 0 for a flat series.
    pub r2: f64,
}

impl Line {
    pub fn new(origin: Point) -> Self {
        let origin = (origin.time_s, origin.used);
        Self { origin, n: 0.0, t: 0.0, y: 0.0, tt: 0.0, ty: 0.0, yy: 0.0 }
    }

    pub fn add(&mut self, point: Point) {
        self.weigh(point, 1.0);
    }

    pub fn remove(&mut self, point: Point) {
        self.weigh(point, -1.0);
    }

    fn weigh(&mut self, point: Point, weight: f64) {
        let (t, y) = (point.time_s - self.origin.0, point.used - self.origin.1);
        self.n += weight;
        self.t += weight * t;
        self.y += weight * y;
        self.tt += weight * t * t;
        self.ty += weight * t * y;
        self.yy += weight * y * y;
    }

    /// `None` of fewer than two instants.
    pub fn fit(&self, now_s: f64) -> Option<Fit> {
        let var_t = self.tt - self.t * self.t / self.n;
        if self.n < 2.0 || var_t <= 0.0 {
            return None;
        }
        let cov = self.ty - self.t * self.y / self.n;
        let var_y = self.yy - self.y * self.y / self.n;
        let slope = cov / var_t;
        let mean = self.origin.1 + self.y / self.n;
        let now = mean + slope * (now_s - self.origin.0 - self.t / self.n);
        let r2 = if var_y > 0.0 { cov * cov / (var_t * var_y) } else { 0.0 };
        Some(Fit { slope, now, r2 })
    }
}

/// The window's samples and their line, as time goes on.
#[derive(Debug)]
pub struct Sliding<'a> {
    points: &'a [Point],
    window_s: f64,
    from: usize,
    line: Line,
}

impl<'a> Sliding<'a> {
    /// `None` of no points.
    pub fn new(points: &'a [Point], window_s: f64) -> Option<Self> {
        let line = Line::new(*points.first()?);
        Some(Self { points, window_s, from: 0, line })
    }

    /// Takes the sample in, lets those that are too old go, and fits. To be called for each sample
    /// in turn. Returns the line and the seconds from the window's first sample.
    pub fn step(&mut self, at: usize) -> (Option<Fit>, f64) {
        let now_s = self.points[at].time_s;
        self.line.add(self.points[at]);
        while self.points[self.from].time_s < now_s - self.window_s {
            self.line.remove(self.points[self.from]);
            self.from += 1;
        }
        (self.line.fit(now_s), now_s - self.points[self.from].time_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_slides_is_that_of_its_window() {
        let value = |t: f64| if t < 50.0 { 1e9 } else { 1e9 + 3.0 * t };
        let point = |t: f64| Point { time_s: t, used: value(t), limit: f64::INFINITY };
        let points: Vec<Point> = (0..100).map(|at| point(f64::from(at))).collect();
        let mut sliding = Sliding::new(&points, 20.0).expect("there are points");
        let fits: Vec<_> = (0..100).map(|at| sliding.step(at)).collect();
        let (fit, span_s) = fits[99];
        let fit = fit.expect("there are 21 points");
        assert!((fit.slope - 3.0).abs() < 1e-6 && fit.r2 > 0.999_999, "{fit:?}");
        assert!((fit.now - value(99.0)).abs() < 1e-3 && (span_s - 20.0).abs() < 1e-9);
        assert!(fits[49].0.expect("enough points").slope.abs() < 1e-9);
        assert!(fits[0].0.is_none());
    }
}
