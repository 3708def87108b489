//! One entity of a trace: what the sampler would do with each of its rows.
//!
//! Its first row is put at [`FIRST_SEEN`] on a timeline of its own, so that neither the origin of
//! the trace's time nor what other entities do changes how it is judged.

use super::columns::Row;
use super::news::{Event, Outcome, Told};
use crate::clock::Stamp;
use crate::config::Sampling;
use crate::detect::demand;
use crate::history::{SeriesId, Split};
use crate::sampler::cadence::{FIRST_INTERVAL, next_interval};
use crate::sampler::schedule::Change;
use crate::sampler::wheel::Tick;
use crate::sampler::{Past, Standing, Track};
use crate::target::TargetKind;
use crate::units::Bytes;
use crate::verdict::{Facts, Judged, Params, Scratch};

/// Where an entity's timeline begins: as on a node that has been up for a day.
pub const FIRST_SEEN: Stamp = Stamp(24 * 3_600_000);

/// What all entities are read and judged by.
#[derive(Debug)]
pub struct Rules {
    pub sampling: Sampling,
    pub params: Params,
}

#[derive(Debug)]
pub struct Entity {
    track: Track,
    standing: Standing,
    told: Told,
    first_s: f64,
    last_s: f64,
}

/// What came of a row.
#[derive(Debug, Default)]
pub struct Seen {
    pub is_reading: bool,
    /// In their order.
    pub news: [Option<Event>; 2],
}

impl Entity {
    /// An entity whose first row is at `first_s`. Nobody keeps a history of it: what the judgement
    /// asks of the past it keeps itself.
    #[must_use]
    pub fn new(first_s: f64) -> Self {
        let mut track = Track::new(SeriesId::NONE, FIRST_SEEN);
        track.set_interval(FIRST_INTERVAL / 2);
        let standing = Standing::of(Judged::without_history());
        Self { track, standing, told: Told::default(), first_s, last_s: first_s }
    }

    /// Takes in a row of this entity.
    ///
    /// # Errors
    /// The row lies before the one before it.
    pub fn see(
        &mut self,
        row: &Row<'_>,
        rules: &Rules,
        scratch: &mut Scratch,
    ) -> Result<Seen, String> {
        if row.time_s < self.last_s {
            let (at, before, entity) = (row.time_s, self.last_s, row.entity.escape_debug());
            return Err(format!(
                "time_s is {at}, after {before}: the rows of an entity ('{entity}') must not go \
                 back in time"
            ));
        }
        self.last_s = row.time_s;
        let now = Stamp(FIRST_SEEN.0 + ((row.time_s - self.first_s) * 1000.0).round() as i64);
        let tick = Tick::at(FIRST_SEEN, now);
        if tick < self.track.due {
            return Ok(Seen::default());
        }
        let split = split_of(row);
        let before = std::mem::replace(&mut self.track.split, split);
        self.standing.see(now, &split, &rules.params);
        if split != before {
            let soon = now.plus(self.track.judged_within());
            self.track.hasten_judgement(Tick::at(FIRST_SEEN, soon));
        }
        let facts = facts_of(row, split, now);
        let mut seen = Seen { is_reading: true, ..Seen::default() };
        if self.track.judge_due <= tick {
            let past = Past { window: None, split, interval: self.track.interval() };
            let wait = self.standing.judge(&rules.params, past, now, &facts, scratch);
            self.track.judge_due = Tick::at(FIRST_SEEN, now.plus(wait));
            let outcome = self.outcome(now);
            seen.news = self.told.news(&outcome, row.time_s, rules.params.oom_horizon);
        }
        let change = Change::of(before, split);
        let pace = self.track.pace(&self.standing, change, facts.headroom, 1.0, now);
        let interval = next_interval(&rules.sampling, &pace);
        // The wheel has passed this tick: what is due in it again comes with the next.
        let due = tick.after(interval).max(Tick(tick.0.saturating_add(1)));
        self.track.place(interval, due, now);
        Ok(seen)
    }

    fn outcome(&self, now: Stamp) -> Outcome {
        let standing = &self.standing;
        Outcome {
            state: standing.state(),
            cause: standing.memory.cause,
            rate: standing.rate,
            eta: standing.eta(now),
            confidence: standing.confidence(),
        }
    }
}

/// What the trace does not say of the parts is taken to be none of them, so that the growth is not
/// put down to a part that nobody measured.
fn split_of(row: &Row<'_>) -> Split {
    Split {
        used: row.used,
        anon: row.anon.unwrap_or_default(),
        file: row.file.unwrap_or_default(),
        shmem: row.shmem.unwrap_or_default(),
        swap: Bytes::ZERO,
    }
}

/// An entity may be anything, and goes on where its memory falls to nothing: that is a workload.
fn facts_of(row: &Row<'_>, split: Split, now: Stamp) -> Facts {
    Facts {
        kind: TargetKind::Workload,
        limit: row.limit,
        headroom: row.limit.bytes().map(|limit| limit - demand(&split)),
        unreclaimable: None,
        threads: None,
        open_fds: None,
        restarts: 0,
        age: now.since(FIRST_SEEN),
        kernel: None,
        heap_in_use: row.heap_in_use,
        psi_full_avg10: None,
    }
}
