//! From findings and forecast to one opinion, with hysteresis: a state machine per target.
//!
//! ```text
//! warming_up ─ old enough ─► ok ─ evidence stands ─► leak_suspected ─ p50 ≤ 96 h ─► oom_predicted
//!                             ▲                            │          p50 ≤ 10 min ─► oom_imminent
//!                             └── evidence gone for long ──┴── or given back
//! ```
//!
//! Evidence must hold in several judgements and for a tenth of its span before it is believed; it
//! must be gone for a third of the time that it stood before it is dropped. In between the last
//! slope is carried on, with the headroom of now. Input: a history window and [`Facts`].

use super::cause::{Counts, cause, confidence};
use super::{Cause, Eta, Evidence, Facts, Opinion, State};
use crate::clock::Stamp;
use crate::detect::cells::{Work, demand, floor};
use crate::detect::lives::lives;
use crate::detect::{Finding, Params, Past, Scratch, find};
use crate::forecast::{Course, forecast};
use crate::history::{Bucket, Tier, Window};
use crate::target::TargetKind;
use crate::units::{Bytes, BytesPerSec};
use std::time::Duration;

/// What is remembered of a target between two judgements. A trivial one need not be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judged {
    /// When the present state was entered.
    pub since: Stamp,
    /// When minutes and hours were last searched.
    searched: Stamp,
    /// When the evidence that now stands was first and last seen.
    evidence_first: Stamp,
    evidence_last: Stamp,
    /// Bytes per second and seconds, as [`Course`]; narrow, because 10,000 may be kept.
    slope: f32,
    slope_low: f32,
    slope_high: f32,
    noise: f32,
    span: f32,
    /// Demand on the line when evidence was last seen, and the growth until then. Units: MiB.
    level: f32,
    growth: f32,
    confidence: f32,
    counts: Counts,
    streak: u8,
    pub state: State,
    pub cause: Cause,
}

impl Judged {
    /// Whether nothing speaks against this target. Forgetting this then loses since when that is
    /// so, and costs one more search of minutes and hours.
    #[must_use]
    pub const fn is_trivial(&self) -> bool {
        self.streak == 0
    }

    fn course(&self) -> Course {
        Course {
            slope: self.slope.into(),
            slope_low: self.slope_low.into(),
            slope_high: self.slope_high.into(),
            noise: self.noise.into(),
            span: self.span.into(),
        }
    }

    fn suspected(&self) -> bool {
        self.state >= State::LeakSuspected
    }

    fn enter(&mut self, state: State, now: Stamp) {
        if self.state != state || self.since == Stamp::default() {
            self.state = state;
            self.since = now;
        }
    }
}

/// What speaks for growth at one moment.
struct Case {
    course: Course,
    level: f64,
    growth: f64,
    cause: Cause,
    confidence: f64,
}

/// Judges one target. `memory` is what was left by its last judgement.
///
/// Cost: one pass over the fine points where none lies lower than now, and once a minute over all
/// buckets; else some µs more. Allocates only the evidence of what is suspected.
#[must_use]
pub fn judge(
    params: &Params,
    window: Window<'_>,
    now: Stamp,
    facts: &Facts,
    memory: &mut Judged,
    scratch: &mut Scratch,
) -> Opinion {
    if memory.is_trivial() && facts.restarts < params.restarts_min {
        let recent = now.since(memory.searched) < params.coarse_interval;
        if calm(params, &window, !recent) {
            if !recent {
                memory.searched = now;
            }
            return quiet(params, &window, now, facts, memory);
        }
        if recent {
            let (past, work) = scratch.take_fine(&window);
            if find(params, past, now, work, |_| true).is_none() {
                let rate = net_rate(params, past);
                return Opinion { rate, ..quiet(params, &window, now, facts, memory) };
            }
        }
    }
    memory.searched = now;
    let (past, work) = scratch.take(&window);
    judge_past(params, past, now, facts, memory, work)
}

/// Whether demand was never lower than it is now, but for less than any finding needs.
fn calm(params: &Params, window: &Window<'_>, coarse: bool) -> bool {
    let Some(last) = window.last() else { return true };
    let low = demand(&last.split).saturating_sub(params.growth_min);
    let lower = |bucket: Bucket| floor(&bucket) < low.as_f64();
    let lower_once = window.points().any(|p| p.split.used.0 > 0 && demand(&p.split) < low)
        || coarse && window.buckets(Tier::Minute).any(lower)
        || coarse && window.buckets(Tier::Hour).any(lower);
    !lower_once
}

fn quiet(
    params: &Params,
    window: &Window<'_>,
    now: Stamp,
    facts: &Facts,
    memory: &mut Judged,
) -> Opinion {
    let last = window.last();
    let bucket = |tier| window.buckets(tier).next().map(|b| b.median);
    let first = bucket(Tier::Hour)
        .or_else(|| bucket(Tier::Minute))
        .or_else(|| window.points().next().map(|p| p.split));
    memory.enter(resting(params, window.first_at(), now, facts), now);
    memory.cause = Cause::Unknown;
    if let (Some(first), Some(last)) = (first, last) {
        memory.cause = resting_cause(params, first.file, last.split.file, last.split.used);
    }
    let used = last.map(|p| p.split.used).unwrap_or_default();
    opinion(memory, facts, used, BytesPerSec(0.0))
}

/// The state of a target against which nothing speaks.
fn resting(params: &Params, observed_from: Option<Stamp>, now: Stamp, facts: &Facts) -> State {
    let seen = observed_from.map_or(Duration::ZERO, |from| now.since(from));
    if facts.age < params.warm_up || seen < params.fine_span_min {
        State::WarmingUp
    } else {
        State::Ok
    }
}

/// Page cache is named as the cause of growth that nobody need fear.
fn resting_cause(params: &Params, first: Bytes, last: Bytes, used: Bytes) -> Cause {
    let grown = last.saturating_sub(first);
    let notable =
        grown >= params.growth_min && grown.as_f64() >= params.growth_share_min * used.as_f64();
    if notable { Cause::PageCache } else { Cause::Unknown }
}

/// The judgement itself, on slices.
pub(crate) fn judge_past(
    params: &Params,
    past: Past<'_>,
    now: Stamp,
    facts: &Facts,
    memory: &mut Judged,
    work: &mut Work,
) -> Opinion {
    let split = past.points.last().map(|p| p.split).unwrap_or_default();
    let present = demand(&split).as_f64();
    let case = restart_case(params, past, facts)
        .or_else(|| trend_case(params, past, now, facts, memory, work));
    match &case {
        Some(case) => strengthen(params, case, now, facts, memory),
        None if memory.suspected() => weaken(params, present, now, memory),
        None => memory.streak = 0,
    }
    if !memory.suspected() {
        memory.enter(resting(params, past.observed_from(), now, facts), now);
        let oldest = past.hours.first().or(past.minutes.first()).map(|b| b.median.file);
        let oldest = oldest.or(past.points.first().map(|p| p.split.file)).unwrap_or_default();
        memory.cause = resting_cause(params, oldest, split.file, split.used);
        return opinion(memory, facts, split.used, net_rate(params, past));
    }
    let eta = facts.headroom.and_then(|h| forecast(params, &memory.course(), h));
    memory.enter(severity(params, eta, facts, memory.state), now);
    let mut opinion = opinion(memory, facts, split.used, BytesPerSec(memory.slope.into()));
    opinion.eta = eta;
    // Evidence that is no longer seen counts less the longer it is gone.
    let stood = now.since(memory.evidence_first).as_secs_f64().max(1.0);
    let gone = now.since(memory.evidence_last).as_secs_f64();
    opinion.confidence = f64::from(memory.confidence) * (1.0 - (gone / stood).min(0.9));
    opinion.evidence = evidence(memory, facts);
    opinion
}

fn opinion(memory: &Judged, facts: &Facts, used: Bytes, rate: BytesPerSec) -> Opinion {
    let (state, cause, limit) = (memory.state, memory.cause, facts.limit);
    Opinion { state, cause, used, limit, rate, ..Opinion::default() }
}

/// Net change over the fine points, for the tables: no claim is made from it.
fn net_rate(params: &Params, past: Past<'_>) -> BytesPerSec {
    let (Some(first), Some(last)) = (past.points.first(), past.points.last()) else {
        return BytesPerSec(0.0);
    };
    let span = last.until.since(first.at);
    if span < params.fine_span_min {
        return BytesPerSec(0.0);
    }
    let grown = demand(&last.split).as_f64() - demand(&first.split).as_f64();
    BytesPerSec(grown / span.as_secs_f64())
}

/// A workload that is restarted again and again, each life growing.
fn restart_case(params: &Params, past: Past<'_>, facts: &Facts) -> Option<Case> {
    let outlives = matches!(facts.kind, TargetKind::Workload | TargetKind::Cgroup);
    if !outlives || facts.restarts < params.restarts_min {
        return None;
    }
    let lives = lives(past).filter(|lives| lives.grew >= 2 && lives.grew * 2 >= lives.count)?;
    let span = past.points.last()?.until.since(past.observed_from()?).as_secs_f64();
    let course = Course {
        slope: lives.rate,
        slope_low: lives.rate_low,
        slope_high: lives.rate_high,
        noise: 0.0,
        span: span / lives.count as f64,
    };
    Some(Case {
        course,
        level: demand(&past.points.last()?.split).as_f64(),
        growth: lives.rate * course.span,
        cause: Cause::RestartLoop,
        confidence: (lives.grew as f64 / lives.count as f64).min(0.95),
    })
}

fn trend_case(
    params: &Params,
    past: Past<'_>,
    now: Stamp,
    facts: &Facts,
    memory: &Judged,
    work: &mut Work,
) -> Option<Case> {
    let seen = past.observed_from().map_or(Duration::ZERO, |from| now.since(from));
    let finding = find(params, past, now, work, |finding| {
        grows_enough(params, finding)
            && (memory.suspected() || believed(params, facts, seen, finding))
    })?;
    let trend = &finding.trend;
    // The last third's median lies a sixth of the span back on the line.
    let level = trend.level + trend.slope * trend.span / 6.0;
    let at_onset = if memory.is_trivial() { Counts::of(facts) } else { memory.counts };
    let since_onset = now.since(memory.evidence_first).as_secs_f64() * trend.slope;
    let cause = cause(&finding, facts, at_onset, Bytes(since_onset.max(0.0) as u64));
    let confidence = confidence(&finding);
    Some(Case { course: trend.into(), level, growth: trend.growth, cause, confidence })
}

fn grows_enough(params: &Params, finding: &Finding) -> bool {
    let share = match finding.tier {
        Tier::Fine | Tier::Minute => params.growth_share_min,
        Tier::Hour => params.growth_share_min / 10.0,
    };
    finding.trend.growth >= share * finding.trend.level
}

/// Whether a trend is more than a warm-up, a burst or a ramp: how far it has already gone on the
/// way to the limit, against how it began.
fn believed(params: &Params, facts: &Facts, seen: Duration, finding: &Finding) -> bool {
    let trend = &finding.trend;
    let eta = facts.headroom.and_then(|h| forecast(params, &trend.into(), h));
    let left = eta.map_or(f64::INFINITY, |eta| eta.p50);
    let straight = trend.steady >= params.steady_min_from_start
        && finding.before.is_none_or(|share| share * params.steady_min_from_start <= 1.0);
    let seen = seen.min(facts.age);
    if seen < params.warm_up {
        return straight && left <= (params.warm_up - seen).as_secs_f64();
    }
    if !finding.set_in() && !straight {
        return false;
    }
    let patience = match finding.set_in() {
        true if left <= params.imminent.as_secs_f64() => params.patience_pressing,
        true => params.patience,
        false => params.patience_from_start,
    };
    finding.tier == Tier::Hour || left <= patience * trend.span
}

/// Takes one more piece of evidence; from enough of it a suspicion.
fn strengthen(params: &Params, case: &Case, now: Stamp, facts: &Facts, memory: &mut Judged) {
    if memory.streak == 0 {
        memory.evidence_first = now;
        memory.counts = Counts::of(facts);
    }
    memory.evidence_last = now;
    memory.streak = memory.streak.saturating_add(1);
    let Course { slope, slope_low, slope_high, noise, span } = case.course;
    memory.slope = slope as f32;
    memory.slope_low = slope_low as f32;
    memory.slope_high = slope_high as f32;
    memory.noise = noise as f32;
    memory.span = span as f32;
    memory.level = to_mib(case.level);
    memory.growth = to_mib(case.growth);
    memory.confidence = case.confidence as f32;
    let hold = Duration::from_secs_f64(params.hold_share * span.clamp(0.0, 1e9))
        .clamp(params.hold_min, params.hold_max);
    let stood = memory.streak >= params.confirm && now.since(memory.evidence_first) >= hold;
    if memory.suspected() || stood {
        memory.cause = case.cause;
        if !memory.suspected() {
            memory.enter(State::LeakSuspected, now);
        }
    }
}

/// No trend is seen any more. The suspicion stands while demand keeps at least half the slope, and
/// then for a third of the time that it stood; it falls at once when half the growth is given back.
fn weaken(params: &Params, present: f64, now: Stamp, memory: &mut Judged) {
    let present = to_mib(present);
    let elapsed = now.since(memory.evidence_last).as_secs_f64() as f32;
    let expected = to_mib(f64::from(memory.slope)) * elapsed;
    let stood = memory.evidence_last.since(memory.evidence_first);
    let patience = stood.mul_f64(params.clear_share).clamp(params.clear_min, params.clear_max);
    let given_back = present < memory.level - 0.5 * memory.growth;
    let grows_on = present >= memory.level + 0.5 * expected;
    let gone = now.since(memory.evidence_last) > patience;
    if given_back || (gone && !grows_on) {
        *memory = Judged::default();
    } else if gone {
        // It grows on where the tests no longer see it: the line is carried to here.
        memory.evidence_last = now;
        memory.level = present;
    }
}

/// How bad a suspicion is. A worse state is left only when the time left has grown by `relax`.
fn severity(params: &Params, eta: Option<Eta>, facts: &Facts, present: State) -> State {
    let relax = |state: State| if present >= state { params.relax } else { 1.0 };
    let left = eta.map_or(f64::INFINITY, |eta| eta.p50);
    let full = match (facts.headroom, facts.limit.bytes()) {
        (Some(headroom), Some(limit)) => {
            let least = params.headroom_share_min * relax(State::OomImminent);
            headroom.as_f64() < least * limit.as_f64()
        }
        _ => false,
    };
    let within = |limit: Duration, state| left <= limit.as_secs_f64() * relax(state);
    if full || within(params.imminent, State::OomImminent) {
        State::OomImminent
    } else if within(params.oom_horizon, State::OomPredicted) {
        State::OomPredicted
    } else {
        State::LeakSuspected
    }
}

fn evidence(memory: &Judged, facts: &Facts) -> Vec<Evidence> {
    let fact = |what: &str, value: f64, unit: &str| Evidence {
        what: what.to_owned(),
        value,
        unit: unit.to_owned(),
    };
    let mib = Bytes::mib(1).as_f64();
    let mut all = vec![
        fact("growth_rate", memory.slope.into(), "By/s"),
        fact("growth_rate_p10", memory.slope_low.into(), "By/s"),
        fact("growth_rate_p90", memory.slope_high.into(), "By/s"),
        fact("growth", f64::from(memory.growth) * mib, "By"),
        fact("growth_span", memory.span.into(), "s"),
        fact("floor", f64::from(memory.level) * mib, "By"),
        fact("noise", memory.noise.into(), "By"),
    ];
    all.extend(facts.threads.map(|n| fact("threads", n.into(), "{thread}")));
    all.extend(facts.open_fds.map(|n| fact("open_fds", n as f64, "{fd}")));
    all.extend(facts.kernel.map(|b| fact("kernel_memory", b.as_f64(), "By")));
    all.extend(facts.unreclaimable.map(|b| fact("unreclaimable", b.as_f64(), "By")));
    all.extend(facts.heap_in_use.map(|b| fact("heap_in_use", b.as_f64(), "By")));
    all.extend(facts.psi_full_avg10.map(|p| fact("memory_stall_full_avg10", p, "%")));
    if facts.restarts > 0 {
        all.push(fact("restarts_1h", facts.restarts.into(), "{restart}"));
    }
    all
}

fn to_mib(bytes: f64) -> f32 {
    (bytes / Bytes::mib(1).as_f64()) as f32
}

#[cfg(test)]
mod tests;
