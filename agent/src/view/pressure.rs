//! What is shown of the pressure signal: who is asked for memory, why, and what came of it.

use crate::clock::{Clock, Stamp};
use crate::pressure::engine::{News, Standing};
use crate::pressure::ledger::{Ask, End};
use crate::pressure::{Member, Record};
use crate::units::{Bytes, BytesPerSec};
use plimsoll_pressure::Scope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PressureView {
    pub enabled: bool,
    pub dry_run: bool,
    /// Whether the socket could be had.
    pub listening: bool,
    pub socket: Option<String>,
    /// Of this start of the agent.
    pub epoch: u64,
    /// The node and those cgroups with limits that have subscribers inside.
    pub scopes: Vec<ScopeView>,
    pub subscribers: Vec<SubscriberView>,
    /// The last words, newest first, at most 128.
    pub signals: Vec<SignalView>,
    pub totals: PressureTotals,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PressureTotals {
    pub asks: u64,
    pub asked_bytes: u64,
    /// As the subscribers say.
    pub freed_bytes: u64,
    /// Of that, what the headroom showed.
    pub seen_bytes: u64,
    /// Asks that nobody answered by their deadline.
    pub late: u64,
    pub connections: u64,
    pub refused: u64,
    /// Connections closed because the other side was slow, silent, flooding or malformed.
    pub closed: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ScopeView {
    /// `node` or `cgroup:/path`.
    pub scope: String,
    /// `none`, `low`, `medium`, `critical`.
    pub level: String,
    /// RFC 3339: since when it has been at this level.
    pub since: String,
    pub at: String,
    pub limit_bytes: Bytes,
    pub headroom_bytes: Bytes,
    /// How fast the headroom shrinks now.
    pub slope_bytes_per_s: BytesPerSec,
    pub eta_s: Option<f64>,
    /// Share of the last ten seconds in which some or all waited. Units: percent.
    pub psi_some: Option<f64>,
    pub psi_full: Option<f64>,
    /// Wanted back in all, what is under way included.
    pub want_bytes: Bytes,
    pub cause: String,
    pub subscribers: usize,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SubscriberView {
    pub id: u64,
    pub name: String,
    pub pid: Option<u32>,
    pub uid: u32,
    pub cgroup: Option<String>,
    pub level: String,
    pub since: String,
    /// As it claims.
    pub can_free_bytes: Bytes,
    pub used_bytes: Option<Bytes>,
    pub last_answer_at: Option<String>,
    /// It let the last deadline pass: others are asked first.
    pub late: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SignalView {
    pub at: String,
    pub subscriber: String,
    pub scope: String,
    pub level: String,
    pub asked_bytes: Bytes,
    pub freed_bytes: Option<Bytes>,
    pub deadline_s: f64,
    /// null: nothing was sent.
    pub seq: Option<u64>,
    /// `told` (nothing was asked), `open`, `answered`, `partly`, `late`, `moot`, `dry_run`.
    pub outcome: String,
    pub ended_at: Option<String>,
}

/// The data of a `pressure` event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum PressureEvent {
    /// A scope has another level.
    Level(ScopeView),
    /// A subscriber was asked for memory.
    Asked(SignalView),
    /// What came of it.
    Ended(SignalView),
}

impl PressureEvent {
    #[must_use]
    pub fn of(news: &News, clock: Clock) -> Self {
        match news {
            News::Level(scope, standing) => Self::Level(ScopeView::of(scope, standing, 0, clock)),
            News::Asked(record) => Self::Asked(SignalView::of(record, clock)),
            News::Ended(ask, name, end) => Self::Ended(SignalView::ended(ask, name, *end, clock)),
        }
    }
}

impl ScopeView {
    #[must_use]
    pub fn of(scope: &Scope, standing: &Standing, subscribers: usize, clock: Clock) -> Self {
        let strain = &standing.strain;
        Self {
            scope: scope.to_string(),
            level: standing.demand.level.to_string(),
            since: clock.rfc3339(standing.since),
            at: clock.rfc3339(standing.read_at),
            limit_bytes: strain.limit,
            headroom_bytes: strain.headroom,
            slope_bytes_per_s: BytesPerSec(strain.slope),
            eta_s: standing.demand.left.map(|left| left.as_secs_f64()),
            psi_some: strain.psi_some,
            psi_full: strain.psi_full,
            want_bytes: standing.demand.want,
            cause: standing.cause.clone(),
            subscribers,
        }
    }
}

impl SubscriberView {
    #[must_use]
    pub fn of(id: u64, member: &Member, clock: Clock) -> Self {
        Self {
            id,
            name: member.name.clone(),
            pid: member.pid,
            uid: member.uid,
            cgroup: member.cgroup.as_ref().map(|path| path.as_str().to_owned()),
            level: member.level().to_string(),
            since: clock.rfc3339(member.since),
            can_free_bytes: member.can_free,
            used_bytes: member.used,
            last_answer_at: member.answered_at.map(|at| clock.rfc3339(at)),
            late: member.late,
        }
    }
}

impl SignalView {
    #[must_use]
    pub fn of(record: &Record, clock: Clock) -> Self {
        let outcome = match record.end {
            Some(end) => name_of(end),
            None if record.asked == Bytes::ZERO => "told",
            None => "open",
        };
        Self {
            at: clock.rfc3339(record.at),
            subscriber: record.name.clone(),
            scope: record.scope.to_string(),
            level: record.level.to_string(),
            asked_bytes: record.asked,
            freed_bytes: record.freed,
            deadline_s: record.deadline.as_secs_f64(),
            seq: record.seq,
            outcome: outcome.to_owned(),
            ended_at: record.ended_at.map(|at| clock.rfc3339(at)),
        }
    }

    fn ended(ask: &Ask, name: &str, end: End, clock: Clock) -> Self {
        let shown = |at: Stamp| clock.rfc3339(at);
        Self {
            at: shown(ask.at),
            subscriber: name.to_owned(),
            scope: ask.scope.to_string(),
            level: ask.level.to_string(),
            asked_bytes: ask.bytes,
            freed_bytes: ask.freed,
            deadline_s: ask.until.since(ask.at).as_secs_f64(),
            seq: ask.seq,
            outcome: name_of(end).to_owned(),
            ended_at: None,
        }
    }
}

const fn name_of(end: End) -> &'static str {
    match end {
        End::Answered => "answered",
        End::Partly => "partly",
        End::Late => "late",
        End::Moot => "moot",
        End::DryRun => "dry_run",
    }
}
