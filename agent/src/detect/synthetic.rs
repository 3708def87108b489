//! Synthetic pasts for tests, and a run of the judgement over them. Every generator is seeded, and
//! the seed is printed.

use super::Params;
use crate::clock::Stamp;
use crate::history::{History, HistoryParams, Split};
use crate::target::{Target, TargetKind};
use crate::units::{Bytes, Limit};
use crate::verdict::{Facts, Judged, Opinion, Scratch, State, judge};
use std::time::Duration;

pub(crate) const MIB: f64 = 1_048_576.0;
pub(crate) const HOUR: f64 = 3600.0;

/// SplitMix64 (Steele, Lea and Flood 2014): small, seeded, good enough for noise.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        println!("seed {seed}");
        Self(seed)
    }

    /// Uniform in 0…1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Roughly normal with deviation 1: the sum of twelve uniforms less six.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// A split that is all anonymous memory. Units: MiB.
pub(crate) fn anon(mib: f64) -> Split {
    let bytes = Bytes((mib.max(0.1) * MIB) as u64);
    Split { used: bytes, anon: bytes, ..Split::default() }
}

/// What is run: who, how long, how often read, and against which limit.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) kind: TargetKind,
    pub(crate) limit_mib: Option<f64>,
    pub(crate) step_s: f64,
    pub(crate) judge_every_s: f64,
    pub(crate) until_s: f64,
    pub(crate) age_at_start_s: f64,
    pub(crate) restarts: u32,
    pub(crate) threads_per_mib: f64,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            kind: TargetKind::Process,
            limit_mib: Some(512.0),
            step_s: 1.0,
            judge_every_s: 1.0,
            until_s: 120.0,
            age_at_start_s: 0.0,
            restarts: 0,
            threads_per_mib: 0.0,
        }
    }
}

/// Opinions in time order. `t` counts seconds from the first reading.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(pub(crate) Vec<(f64, Opinion)>);

impl Log {
    /// The first opinion of this state or a worse one.
    pub(crate) fn first(&self, state: State) -> Option<&(f64, Opinion)> {
        self.0.iter().find(|(_, opinion)| opinion.state >= state)
    }

    pub(crate) fn at(&self, t: f64) -> &Opinion {
        &self.0.iter().rev().find(|(at, _)| *at <= t).expect("judged before").1
    }

    /// State changes, for messages and for counting flaps.
    pub(crate) fn changes(&self) -> Vec<(f64, State)> {
        let mut changes: Vec<(f64, State)> = Vec::new();
        for (t, opinion) in &self.0 {
            if changes.last().is_none_or(|(_, state)| *state != opinion.state) {
                changes.push((*t, opinion.state));
            }
        }
        changes
    }

    #[track_caller]
    pub(crate) fn assert_silent(&self) {
        assert!(self.0.len() > 5, "hardly judged");
        if let Some((t, opinion)) = self.first(State::LeakSuspected) {
            panic!(
                "accused at {t} s, {:?}, {:?}, {:?}; states {:?}",
                opinion.rate,
                opinion.eta,
                opinion.evidence.iter().map(|e| (&e.what, e.value)).collect::<Vec<_>>(),
                self.changes()
            );
        }
    }

    #[track_caller]
    pub(crate) fn assert_found_by(&self, t_max: f64) -> &Opinion {
        match self.first(State::LeakSuspected) {
            Some((t, opinion)) if *t <= t_max => opinion,
            other => panic!("not found by {t_max} s but {:?}", other.map(|(t, _)| t)),
        }
    }
}

/// Reads `memory` every `step_s` (None is a gap) and judges what has been seen.
pub(crate) fn run(run: &Run, mut memory: impl FnMut(f64) -> Option<Split>) -> Log {
    let (mut judged, mut scratch) = (Judged::default(), Scratch::default());
    let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(1) });
    let params = Params::default();
    let mut log = Log::default();
    // An odd hour of the boot clock, so that nothing is aligned by luck.
    let start = Stamp(987_654_321);
    let series = history.open(&Target::Node, start);
    let mut next_judgement = 0.0;
    for i in 0.. {
        let t = f64::from(i) * run.step_s;
        if t > run.until_s {
            break;
        }
        let Some(split) = memory(t) else { continue };
        let now = start.plus(Duration::from_secs_f64(t));
        history.push(series, now, split);
        judged.see(now, &split, params.growth_min);
        if t < next_judgement {
            continue;
        }
        next_judgement = t + run.judge_every_s;
        let used_mib = split.used.as_f64() / MIB;
        let mib = |mib: f64| Bytes((mib.max(0.0) * MIB) as u64);
        let facts = Facts {
            kind: run.kind,
            limit: run.limit_mib.map_or(Limit::Max, |limit| Limit::At(mib(limit))),
            headroom: run.limit_mib.map(|limit| mib(limit - used_mib) + split.file.min(split.used)),
            unreclaimable: None,
            threads: Some(4 + (used_mib * run.threads_per_mib) as u32),
            open_fds: Some(12),
            restarts: run.restarts,
            age: Duration::from_secs_f64(run.age_at_start_s + t),
            kernel: (run.kind == TargetKind::Cgroup).then_some(Bytes::ZERO),
            heap_in_use: None,
            inside: None,
            psi_full_avg10: None,
        };
        let window = Some(history.window(series));
        let opinion = judge(&params, window, &split, now, &facts, &mut judged, &mut scratch);
        log.0.push((t, opinion));
    }
    log
}
