//! From evidence and forecast to one opinion, with hysteresis: a state machine per target.
//!
//! ```text
//! warming_up ─ old enough ─► ok ─ evidence stands ─► leak_suspected ─ p50 ≤ 96 h ─► oom_predicted
//!                             ▲                            │          p50 ≤ 10 min ─► oom_imminent
//!                             └── evidence gone for long ──┴── or given back
//! ```
//!
//! [`Judged::see`] takes in every reading and costs a few ns for a target that does not move: it
//! has a ladder only since its demand first rose by `growth_min` above its lowest. What was before
//! that is read from the history once. [`judge`] looks at what the readings since the last
//! judgement completed. Input: readings and [`Facts`].

use super::album::{Album, Snapshot};
use super::cause::{after_a_look, cause};
use super::outlook::Outlook;
use super::suspicion::{Candidate, Suspicion};
use super::{Cause, Eta, Evidence, Facts, Opinion, State};
use crate::clock::Stamp;
use crate::detect::evidence::weight;
use crate::detect::ladder::LEVELS;
use crate::detect::lives::{Lives, lives};
use crate::detect::{Ladder, Params, demand, ends_in, find, refill};
use crate::forecast::Scratch;
use crate::history::{Split, Window};
use crate::target::TargetKind;
use crate::units::{Bytes, BytesPerSec};
use std::time::Duration;

/// What is remembered of a target between two judgements: 56 bytes while it does not move.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// When the present state was entered.
    pub since: Stamp,
    /// When it was first read, and what was lowest since.
    first: Option<Stamp>,
    lowest: Bytes,
    /// File pages at first.
    file_at_first: Bytes,
    watched: Option<Box<Watched>>,
    pub state: State,
    pub cause: Cause,
}

/// A target that moves. 2 KiB to 6 KiB, by how many time scales its readings fill.
#[derive(Clone, Debug)]
struct Watched {
    ladder: Ladder,
    /// The ladder begins with this reading and history may know more.
    unfilled: bool,
    album: Album,
    candidate: Option<Candidate>,
    suspicion: Option<Suspicion>,
    outlook: Option<Outlook>,
    /// Demand at the last judgement.
    before: f64,
}

impl Watched {
    fn since(at: Stamp, unfilled: bool) -> Box<Self> {
        Box::new(Self {
            ladder: Ladder::starting(at),
            unfilled,
            album: Album::default(),
            candidate: None,
            suspicion: None,
            outlook: None,
            before: 0.0,
        })
    }
}

impl Judged {
    /// For a target whose past is known to nobody else: it has its ladder from the first reading.
    #[must_use]
    pub fn without_history() -> Self {
        // The ladder is made by the first reading that differs from nothing.
        Self { lowest: Bytes(u64::MAX), ..Self::default() }
    }

    /// Takes in one reading; of zero bytes it is one that failed, and is left out.
    pub fn see(&mut self, at: Stamp, split: &Split, growth_min: Bytes) {
        let demand = demand(split);
        if split.used.0 == 0 {
            return;
        }
        if let Some(watched) = &mut self.watched {
            watched.ladder.add(at, demand);
            return;
        }
        if self.first.is_none() {
            let without_history = self.lowest.0 == u64::MAX;
            self.first = Some(at);
            self.lowest = demand;
            self.file_at_first = split.file;
            if without_history {
                let mut watched = Watched::since(at, false);
                watched.ladder.add(at, demand);
                self.watched = Some(watched);
            }
            return;
        }
        self.lowest = self.lowest.min(demand);
        if demand - self.lowest >= growth_min {
            let mut watched = Watched::since(at, true);
            watched.ladder.add(at, demand);
            self.watched = Some(watched);
        }
    }

    /// Whether nothing speaks against this target.
    #[must_use]
    pub fn is_trivial(&self) -> bool {
        self.watched.as_ref().is_none_or(|w| w.candidate.is_none() && w.suspicion.is_none())
    }

    fn enter(&mut self, state: State, now: Stamp) {
        if self.state != state || self.since == Stamp::default() {
            self.state = state;
            self.since = now;
        }
    }
}

/// Judges one target, whose newest reading is `split`. `window` is what history knows of it, asked
/// once when the target begins to move and for restart loops; None where there is no history.
///
/// Cost: 0.1 µs for a target that does not move or completed no cell, 1 to 3 µs for each level
/// that completed one with a rise, 10 µs more for a fit of what is suspected.
#[must_use]
pub fn judge(
    params: &Params,
    window: Option<Window<'_>>,
    split: &Split,
    now: Stamp,
    facts: &Facts,
    memory: &mut Judged,
    scratch: &mut Scratch,
) -> Opinion {
    let present = demand(split).as_f64();
    let reach = facts.headroom.map(|headroom| present + headroom.as_f64());
    let looped = restart_loop(params, window.as_ref(), reach, facts);
    let Some(mut watched) = memory.watched.take() else {
        return match looped {
            Some(looped) => in_a_loop(&looped, split, facts, now, memory),
            None => quiet(params, None, split, now, facts, memory),
        };
    };
    if std::mem::take(&mut watched.unfilled)
        && let Some(ladder) = window.as_ref().and_then(refill)
    {
        watched.ladder = ladder;
    }
    let snapshot = Snapshot::of(now, *split, facts);
    watched.album.offer(snapshot);
    let mut closed = [0; LEVELS];
    let mut count = 0;
    for level in watched.ladder.take_closed() {
        closed[count] = level;
        count += 1;
    }
    let closed = &closed[..count];
    for &level in closed {
        weigh(params, &mut watched, level, reach, now);
    }
    settle(params, &mut watched, present, reach, now);
    watched.before = present;
    let opinion = match (&looped, &mut watched.suspicion) {
        (Some(looped), _) => in_a_loop(looped, split, facts, now, memory),
        (None, Some(suspicion)) => {
            if let Some(reach) = reach {
                let ladder = &watched.ladder;
                Outlook::renew(
                    &mut watched.outlook,
                    suspicion,
                    ladder,
                    closed,
                    reach,
                    now,
                    scratch,
                );
            }
            suspected(params, &watched, &snapshot, split, facts, now, memory)
        }
        (None, None) => quiet(params, Some(&watched.ladder), split, now, facts, memory),
    };
    // What has come to rest needs no ladder; history can give it back.
    let at_rest = watched.suspicion.is_none() && window.is_some() && closed.contains(&REST_LEVEL);
    if !(at_rest && watched.ladder.is_flat(params.growth_min.as_f64() as f32)) {
        memory.watched = Some(watched);
    } else {
        memory.lowest = demand(split);
    }
    opinion
}

/// Cells of 17 minutes: a target that lay flat for many of them has come to rest.
const REST_LEVEL: usize = 5;

/// Looks for evidence on one level.
fn weigh(params: &Params, watched: &mut Watched, level: usize, reach: Option<f64>, now: Stamp) {
    let Some(rise) = find(params, &watched.ladder, level, reach) else { return };
    let weight = weight(&rise, ends_in(&rise, reach));
    match &mut watched.suspicion {
        Some(suspicion) => suspicion.strengthen(&rise, weight, now),
        None => {
            if Candidate::hold(&mut watched.candidate, params, &rise, now) {
                watched.candidate = None;
                watched.suspicion = Some(Suspicion::new(&rise, weight, now));
            }
        }
    }
}

/// Drops a suspicion that no longer stands.
fn settle(params: &Params, watched: &mut Watched, present: f64, reach: Option<f64>, now: Stamp) {
    let Some(suspicion) = &mut watched.suspicion else { return };
    if suspicion.survive_kill(watched.before, present, reach, now) {
        watched.outlook = None;
    } else if !suspicion.stands(params, &watched.ladder, present, now) {
        watched.suspicion = None;
        watched.outlook = None;
        watched.candidate = None;
    }
}

fn quiet(
    params: &Params,
    ladder: Option<&Ladder>,
    split: &Split,
    now: Stamp,
    facts: &Facts,
    memory: &mut Judged,
) -> Opinion {
    let seen = memory.first.map_or(Duration::ZERO, |first| now.since(first));
    let warm = facts.age >= params.warm_up && seen >= params.warm_up.min(facts.age);
    memory.enter(if warm { State::Ok } else { State::WarmingUp }, now);
    memory.cause = page_cache(params, memory.file_at_first, split);
    let Facts { limit, .. } = *facts;
    let rate = ladder.map_or(BytesPerSec(0.0), net_rate);
    let Judged { state, cause, .. } = *memory;
    Opinion { state, cause, used: split.used, limit, rate, ..Opinion::default() }
}

/// Page cache is named as the cause of growth that nobody need fear.
fn page_cache(params: &Params, first: Bytes, split: &Split) -> Cause {
    const NOTABLE: f64 = 0.02;
    let grown = split.file.saturating_sub(first);
    let notable = grown >= params.growth_min && grown.as_f64() >= NOTABLE * split.used.as_f64();
    if notable { Cause::PageCache } else { Cause::Unknown }
}

/// Net change over the finest level that knows it, for the tables: no claim is made from it.
fn net_rate(ladder: &Ladder) -> BytesPerSec {
    let level = (0..LEVELS).find(|&k| ladder.level(k).cells().len() >= 8).unwrap_or(0);
    let cells = ladder.level(level).cells();
    let (Some(first), Some(last)) = (cells.first(), cells.last()) else { return BytesPerSec(0.0) };
    let seconds = f64::from(last.index - first.index) * Ladder::width(level);
    BytesPerSec(f64::from(last.middle - first.middle) / seconds.max(1.0))
}

fn suspected(
    params: &Params,
    watched: &Watched,
    newest: &Snapshot,
    split: &Split,
    facts: &Facts,
    now: Stamp,
    memory: &mut Judged,
) -> Opinion {
    let Some(suspicion) = &watched.suspicion else { return Opinion::default() };
    let eta = watched.outlook.as_ref().map(|outlook| outlook.at(now));
    let foretold = eta.filter(|_| suspicion.weight >= params.weight_to_predict);
    memory.enter(severity(params, foretold, facts, memory.state), now);
    let onset = Stamp((suspicion.onset * 1000.0) as i64);
    memory.cause = match watched.album.at(onset) {
        _ if suspicion.kills > 0 => Cause::RestartLoop,
        Some(then) => {
            let outside = cause(then, newest, suspicion.drift);
            after_a_look(outside, onset, facts.inside.as_ref())
        }
        None => after_a_look(Cause::Unknown, onset, facts.inside.as_ref()),
    };
    Opinion {
        state: memory.state,
        cause: memory.cause,
        used: split.used,
        limit: facts.limit,
        rate: BytesPerSec(suspicion.slope),
        eta,
        confidence: probability(suspicion.weight) * suspicion.freshness(now),
        evidence: evidence(suspicion, facts, now),
    }
}

/// Log-odds as a probability, never quite sure.
fn probability(log_odds: f64) -> f64 {
    (1.0 / (1.0 + (-log_odds).exp())).clamp(0.05, 0.99)
}

/// A workload that is restarted again and again, each life growing.
struct Loop {
    rate: f64,
    rate_low: f64,
    rate_high: f64,
    confidence: f64,
}

fn restart_loop(
    params: &Params,
    window: Option<&Window<'_>>,
    reach: Option<f64>,
    facts: &Facts,
) -> Option<Loop> {
    let outlives = matches!(facts.kind, TargetKind::Workload | TargetKind::Cgroup);
    if !outlives || facts.restarts < params.restarts_min {
        return None;
    }
    let grows = |lives: &Lives| lives.grew >= 2 && lives.grew * 2 >= lives.count;
    // Small lives that come and go, as those of a shell, are in nobody's way.
    let fills = |lives: &Lives| lives.peak >= params.restarts_peak_share * reach.unwrap_or(0.0);
    let lives = lives(window?).filter(|lives| grows(lives) && fills(lives))?;
    Some(Loop {
        rate: lives.rate,
        rate_low: lives.rate_low,
        rate_high: lives.rate_high,
        confidence: (lives.grew as f64 / lives.count as f64).min(0.95),
    })
}

fn in_a_loop(
    looped: &Loop,
    split: &Split,
    facts: &Facts,
    now: Stamp,
    memory: &mut Judged,
) -> Opinion {
    memory.enter(State::LeakSuspected, now);
    memory.cause = Cause::RestartLoop;
    let left = facts.headroom.map(|headroom| {
        let at = |rate: f64| headroom.as_f64() / rate.max(1e-3);
        Eta { p10: at(looped.rate_high), p50: at(looped.rate), p90: at(looped.rate_low) }
    });
    let mut evidence = vec![fact("restarts_1h", facts.restarts.into(), "{restart}")];
    evidence.push(fact("growth_rate", looped.rate, "By/s"));
    Opinion {
        state: memory.state,
        cause: memory.cause,
        used: split.used,
        limit: facts.limit,
        rate: BytesPerSec(looped.rate),
        eta: left,
        confidence: looped.confidence,
        evidence,
    }
}

/// How bad a suspicion is. A worse state is left only when the time left has grown by `relax`.
fn severity(params: &Params, eta: Option<Eta>, facts: &Facts, present: State) -> State {
    let relax = |state: State| if present >= state { params.relax } else { 1.0 };
    let left = eta.map_or(f64::INFINITY, |eta| eta.p50);
    let full = match (facts.headroom, facts.limit.bytes()) {
        (Some(headroom), Some(limit)) => {
            let least = params.headroom_share_min * relax(State::OomImminent);
            eta.is_some() && headroom.as_f64() < least * limit.as_f64()
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

fn fact(what: &str, value: f64, unit: &str) -> Evidence {
    Evidence { what: what.to_owned(), value, unit: unit.to_owned() }
}

fn evidence(suspicion: &Suspicion, facts: &Facts, now: Stamp) -> Vec<Evidence> {
    let mut all = vec![
        fact("growth_rate", suspicion.slope, "By/s"),
        fact("growth", suspicion.growth, "By"),
        fact("growth_span", (now.secs() - suspicion.onset).max(0.0), "s"),
        fact("floor", suspicion.floor, "By"),
        fact("drift", suspicion.drift, "1"),
        fact("log_odds", suspicion.weight, "1"),
    ];
    if suspicion.kills > 0 {
        all.push(fact("kills_at_limit", suspicion.kills.into(), "{kill}"));
    }
    all.extend(facts.threads.map(|n| fact("threads", n.into(), "{thread}")));
    all.extend(facts.open_fds.map(|n| fact("open_fds", n as f64, "{fd}")));
    all.extend(facts.kernel.map(|b| fact("kernel_memory", b.as_f64(), "By")));
    all.extend(facts.heap_in_use.map(|b| fact("heap_in_use", b.as_f64(), "By")));
    all.extend(facts.inside.map(|i| fact("heap_report_confidence", i.confidence, "1")));
    all.extend(facts.unreclaimable.map(|b| fact("unreclaimable", b.as_f64(), "By")));
    all.extend(facts.psi_full_avg10.map(|p| fact("memory_stall_full_avg10", p, "%")));
    if facts.restarts > 0 {
        all.push(fact("restarts_1h", facts.restarts.into(), "{restart}"));
    }
    all
}

#[cfg(test)]
mod tests;
