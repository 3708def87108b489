//! Synthetic pasts for tests: readings folded into the very points and buckets that history keeps,
//! and a run of the judgement over them. Every generator is seeded, and the seed is printed.

use super::Params;
use super::cells::{Past, Work};
use crate::clock::Stamp;
use crate::history::{Bucket, Point, Split};
use crate::target::TargetKind;
use crate::units::{Bytes, Limit};
use crate::verdict::{Facts, Judged, Opinion, State, judge_past};
use std::time::Duration;

pub(crate) const MIB: f64 = 1_048_576.0;
pub(crate) const HOUR: f64 = 3600.0;
const POINTS_MAX: usize = 250;
const MINUTES_MAX: usize = 1440;
const HOURS_MAX: usize = 336;

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

/// What history would keep of a run of readings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    points: Vec<Point>,
    minutes: Vec<Bucket>,
    hours: Vec<Bucket>,
    minute: Vec<(Stamp, Split)>,
    hour: Vec<(Stamp, Split)>,
}

impl Kept {
    pub(crate) fn push(&mut self, at: Stamp, split: Split) {
        match self.points.last_mut() {
            Some(last) if last.split == split => last.until = at,
            _ => self.points.push(Point { at, until: at, split }),
        }
        close(&mut self.minute, &mut self.minutes, at, 60_000);
        close(&mut self.hour, &mut self.hours, at, 3_600_000);
        self.minute.push((at, split));
        self.hour.push((at, split));
        trim(&mut self.points, POINTS_MAX);
        trim(&mut self.minutes, MINUTES_MAX);
        trim(&mut self.hours, HOURS_MAX);
    }

    pub(crate) fn past(&self) -> Past<'_> {
        Past { points: &self.points, minutes: &self.minutes, hours: &self.hours }
    }
}

fn trim<T>(kept: &mut Vec<T>, most: usize) {
    if kept.len() > most + most / 4 {
        kept.drain(..kept.len() - most);
    }
}

fn close(open: &mut Vec<(Stamp, Split)>, into: &mut Vec<Bucket>, at: Stamp, width_ms: i64) {
    let Some((first, _)) = open.first() else { return };
    let slot = first.0.div_euclid(width_ms);
    if at.0.div_euclid(width_ms) == slot {
        return;
    }
    let rank = |of: fn(&Split) -> Bytes, share: f64| {
        let mut values: Vec<Bytes> = open.iter().map(|(_, split)| of(split)).collect();
        values.sort_unstable();
        values[((values.len() - 1) as f64 * share) as usize]
    };
    into.push(Bucket {
        at: *first,
        until: Stamp((slot + 1) * width_ms),
        used_p10: rank(|s| s.used, 0.1),
        used_max: rank(|s| s.used, 1.0),
        median: Split {
            used: rank(|s| s.used, 0.5),
            anon: rank(|s| s.anon, 0.5),
            file: rank(|s| s.file, 0.5),
            shmem: rank(|s| s.shmem, 0.5),
            swap: rank(|s| s.swap, 0.5),
        },
    });
    open.clear();
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

/// Reads `memory` every `step_s` (None is a gap) and judges what has been kept.
pub(crate) fn run(run: &Run, mut memory: impl FnMut(f64) -> Option<Split>) -> Log {
    let (mut kept, mut work, mut judged) = (Kept::default(), Work::default(), Judged::default());
    let params = Params::default();
    let mut log = Log::default();
    // An odd hour of the boot clock, so that nothing is aligned by luck.
    let start = Stamp(987_654_321);
    let mut next_judgement = 0.0;
    for i in 0.. {
        let t = f64::from(i) * run.step_s;
        if t > run.until_s {
            break;
        }
        let Some(split) = memory(t) else { continue };
        let now = start.plus(Duration::from_secs_f64(t));
        kept.push(now, split);
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
            psi_full_avg10: None,
        };
        let opinion = judge_past(&params, kept.past(), now, &facts, &mut judged, &mut work);
        log.0.push((t, opinion));
    }
    log
}
