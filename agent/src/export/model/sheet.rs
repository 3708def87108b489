//! The metrics of one resource as they are written down, and what counters were last time.

use crate::export::catalog::{self as c, Instrument, Kind};
use crate::export::proto::{CUMULATIVE, DELTA, Data, Gauge, Metric, Number, Point, Sum, attribute};
use crate::verdict::{State, Verdict};
use crate::view::Judgement;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash as _, Hasher as _};

/// A count or an amount. Above 2^63 it saturates.
pub(super) fn int(n: u64) -> Number {
    Number::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

pub(super) const fn float(x: f64) -> Number {
    Number::Double(x)
}

/// Counters as the last export had them. Bounded by what one export holds: who was not in the last
/// one is forgotten.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    now: FxHashMap<u64, (Number, u64)>,
    before: FxHashMap<u64, (Number, u64)>,
}

impl Deltas {
    pub(super) fn begin(&mut self) {
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.clear();
    }

    /// What was added since the last export, and when that was; None at first sight. A counter that
    /// fell began anew.
    fn step(&mut self, key: u64, value: Number, now_ns: u64) -> Option<(Number, u64)> {
        self.now.insert(key, (value, now_ns));
        let (last, at) = self.before.get(&key).copied()?;
        let added = match (last, value) {
            (Number::Int(last), Number::Int(now)) if now >= last => Number::Int(now - last),
            (Number::Double(last), Number::Double(now)) if now >= last => {
                Number::Double(now - last)
            }
            _ => value,
        };
        Some((added, at))
    }
}

/// One resource's metrics.
pub(super) struct Sheet<'a> {
    entity: u64,
    start_ns: u64,
    now_ns: u64,
    deltas: Option<&'a mut Deltas>,
    metrics: Vec<Metric>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(
        id: &str,
        start_ns: u64,
        now_ns: u64,
        deltas: Option<&'a mut Deltas>,
    ) -> Self {
        let mut hasher = FxHasher::default();
        id.hash(&mut hasher);
        let metrics = Vec::with_capacity(12);
        Self { entity: hasher.finish(), start_ns, now_ns, deltas, metrics }
    }

    /// Sums from here on began at `start_ns`.
    pub(super) const fn started(&mut self, start_ns: u64) {
        self.start_ns = start_ns;
    }

    /// Adds a point; points of one metric follow one another. Nothing if there is no value.
    pub(super) fn put(
        &mut self,
        instrument: &Instrument,
        value: Option<Number>,
        attributes: &[(&'static str, &str)],
    ) {
        let Some(value) = value else { return };
        if matches!(value, Number::Double(x) if !x.is_finite()) {
            return;
        }
        let Some(point) = self.point(instrument, value, attributes) else { return };
        if let Some(last) = self.metrics.last_mut().filter(|last| last.name == instrument.name) {
            match &mut last.data {
                Some(Data::Gauge(gauge)) => gauge.data_points.push(point),
                Some(Data::Sum(sum)) => sum.data_points.push(point),
                None => {}
            }
            return;
        }
        let data_points = vec![point];
        let is_monotonic = instrument.kind == Kind::Counter;
        let delta = is_monotonic && self.deltas.is_some();
        let aggregation_temporality = if delta { DELTA } else { CUMULATIVE };
        self.metrics.push(Metric {
            name: instrument.name.into(),
            unit: instrument.unit.into(),
            data: Some(match instrument.kind {
                Kind::Gauge => Data::Gauge(Gauge { data_points }),
                _ => Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic }),
            }),
        });
    }

    fn point(
        &mut self,
        instrument: &Instrument,
        value: Number,
        attributes: &[(&'static str, &str)],
    ) -> Option<Point> {
        let mut point = Point {
            start_time_unix_nano: if instrument.kind == Kind::Gauge { 0 } else { self.start_ns },
            time_unix_nano: self.now_ns,
            value: Some(value),
            attributes: attributes.iter().map(|(key, value)| attribute(*key, *value)).collect(),
        };
        if instrument.kind == Kind::Counter
            && let Some(deltas) = &mut self.deltas
        {
            let mut hasher = FxHasher::default();
            (self.entity, instrument.name, attributes).hash(&mut hasher);
            let (added, since) = deltas.step(hasher.finish(), value, self.now_ns)?;
            point.value = Some(added);
            point.start_time_unix_nano = since;
        }
        Some(point)
    }

    pub(super) fn faults(&mut self, of: &Instrument, major: Option<u64>, minor: Option<u64>) {
        self.put(of, major.map(int), &[("system.paging.fault.type", "major")]);
        self.put(of, minor.map(int), &[("system.paging.fault.type", "minor")]);
    }

    /// The state of everyone, and the numbers of suspects.
    pub(super) fn verdict(&mut self, of: &Judgement) {
        self.put(&c::LEAK_STATE, Some(int(rank(of.state))), &[]);
        if of.state < State::LeakSuspected {
            return;
        }
        let cause = serde_json::to_value(of.cause).ok();
        let cause = cause.as_ref().and_then(|cause| cause.as_str()).unwrap_or("unknown");
        let rate = float(of.rate_bytes_per_s.0);
        self.put(&c::LEAK_GROWTH, Some(rate), &[("plimsoll.leak.cause", cause)]);
        self.put(&c::LEAK_CONFIDENCE, Some(float(of.confidence)), &[]);
        for (quantile, seconds) in [
            ("0.1", of.eta_s.map(|eta| eta.p10)),
            ("0.5", of.eta_s.map(|eta| eta.p50)),
            ("0.9", of.eta_s.map(|eta| eta.p90)),
        ] {
            self.put(&c::LEAK_TIME, seconds.map(float), &[("plimsoll.quantile", quantile)]);
        }
    }

    pub(super) fn finish(self) -> Vec<Metric> {
        self.metrics
    }
}

pub(super) fn judgement_of(verdict: &Verdict) -> Judgement {
    Judgement {
        state: verdict.state,
        cause: verdict.cause,
        rate_bytes_per_s: verdict.rate_bytes_per_s,
        eta_s: verdict.eta_s,
        confidence: verdict.confidence,
    }
}

const fn rank(state: State) -> u64 {
    match state {
        State::Ok => 0,
        State::WarmingUp => 1,
        State::LeakSuspected => 2,
        State::OomPredicted => 3,
        State::OomImminent => 4,
    }
}
