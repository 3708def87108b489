//! From verdicts to alerts: who is told, once, and when it is over.
//!
//! A state machine without IO: it is handed verdicts and returns what changed; the API lists what
//! stands, [`crate::route`] tells it to people. One alert for each target, which escalates from
//! `LeakSuspected` over `OomPredicted` to `OomImminent` and takes the milder name again without a
//! new notice. Growth that a process, its workload, its cgroups and the node all show is told of
//! once, by whichever of them saw it first; the others stay silent as long as that one tells most
//! of it. It refuses to route, to group further and to wait: that is for [`crate::route`].

pub mod log;
mod text;

pub(crate) use text::plain;

use crate::clock::{Clock, Stamp};
use crate::config::AlertsConfig;
use crate::target::{Target, TargetKind};
use crate::verdict::{State, Verdict};
use crate::view::{AlertView, Severity};
use std::collections::BTreeMap;
use std::time::Duration;

/// The names that alerts have; of one target the later are the worse.
pub const NAMES: [&str; 4] = ["LeakSuspected", "OomPredicted", "OomImminent", "OomKill"];
/// Alerts kept at most, resolved ones among them.
pub const ALERTS_MAX: usize = 512;
/// A kill is an event, not a condition: its alert resolves itself after this.
const OOM_KILL_STANDS: Duration = Duration::from_secs(3600);
/// Below this time left a predicted OOM is critical. Units: seconds.
const CRITICAL_ETA_S: f64 = 3600.0;

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Firing,
    /// It got a worse name or a higher severity.
    Escalated,
    /// It still fires after `repeat_interval`.
    Repeated,
    Resolved,
}

/// A change worth telling, with the alert as it is now.
#[derive(Clone, Debug)]
pub struct AlertChange {
    pub kind: ChangeKind,
    pub alert: AlertView,
}

/// A kill by the kernel's OOM killer, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct OomKill {
    pub victim_pid: Option<u32>,
    pub victim_comm: Option<String>,
    /// The task whose allocation ran into the limit.
    pub killer_comm: Option<String>,
    /// Path of the cgroup whose limit was reached; None if the node was out of memory.
    pub memcg: Option<String>,
    pub victim_rss: Option<crate::units::Bytes>,
    /// Of the cgroup's owner and the victim's workload.
    pub labels: BTreeMap<String, String>,
    /// The id of its incident: `/api/v1/incidents/{id}`.
    pub incident: Option<String>,
}

#[derive(Debug)]
struct Alert {
    view: AlertView,
    target: Option<Target>,
    told: Stamp,
    /// When it was resolved, or for a kill when it will be.
    ends: Option<Stamp>,
}

/// All alerts, firing and lately resolved.
#[derive(Debug)]
pub struct Alerts {
    repeat_interval: Duration,
    alerts: Vec<Alert>,
    next_id: u64,
    dropped_total: u64,
}

impl Alerts {
    #[must_use]
    pub fn new(config: &AlertsConfig) -> Self {
        let repeat_interval = config.repeat_interval;
        Self { repeat_interval, alerts: Vec::new(), next_id: 1, dropped_total: 0 }
    }

    /// Takes the newest verdict on `target`. Returns a change only if it should be told.
    pub fn update(
        &mut self,
        target: &Target,
        verdict: &Verdict,
        now: Stamp,
        clock: Clock,
    ) -> Option<AlertChange> {
        let firing = self.firing(target);
        if verdict.state < State::LeakSuspected || self.suppressed(target, verdict) {
            return firing.map(|at| self.resolve_at(at, now, clock));
        }
        match firing {
            Some(at) => self.renew(at, verdict, now),
            None => Some(self.fire(target, verdict, now, clock)),
        }
    }

    /// Resolves what fires for a target that has ended.
    pub fn ended(&mut self, target: &Target, now: Stamp, clock: Clock) -> Option<AlertChange> {
        self.firing(target).map(|at| self.resolve_at(at, now, clock))
    }

    /// Raises a one-shot alert for a kill.
    pub fn oom_kill(&mut self, kill: &OomKill, now: Stamp, clock: Clock) -> AlertChange {
        let (summary, description) = text::of_kill(kill);
        let plain = |(name, value): (&String, &String)| (name.clone(), text::plain(value));
        let mut labels: BTreeMap<String, String> = kill.labels.iter().map(plain).collect();
        let mut label = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                labels.insert(name.to_owned(), text::plain(&value));
            }
        };
        label("pid", kill.victim_pid.map(|pid| pid.to_string()));
        label("comm", kill.victim_comm.clone());
        label("killer", kill.killer_comm.clone());
        label("cgroup", kill.memcg.clone());
        label("incident", kill.incident.clone());
        let target = kill.memcg.as_ref().map_or("node".to_owned(), |path| format!("cgroup:{path}"));
        let view = AlertView {
            name: "OomKill".to_owned(),
            severity: Severity::Critical,
            firing: true,
            summary,
            description,
            starts_at: clock.rfc3339(now),
            target,
            labels,
            ..AlertView::default()
        };
        let ends = Some(now.plus(OOM_KILL_STANDS));
        self.add(Alert { view, target: None, told: now, ends })
    }

    /// Resolves kills that have stood long enough. Call it about once a minute.
    pub fn tick(&mut self, now: Stamp, clock: Clock) -> Vec<AlertChange> {
        let over = |alert: &Alert| alert.view.firing && alert.ends.is_some_and(|end| end <= now);
        let due: Vec<usize> = (0..self.alerts.len()).filter(|&i| over(&self.alerts[i])).collect();
        due.into_iter().map(|at| self.resolve_at(at, now, clock)).collect()
    }

    /// Everything kept: firing before resolved, worst first, then newest first.
    #[must_use]
    pub fn list(&self) -> Vec<AlertView> {
        let mut views: Vec<AlertView> = self.alerts.iter().rev().map(|a| a.view.clone()).collect();
        views.sort_by_key(|view| (!view.firing, std::cmp::Reverse(rank(view.severity))));
        views
    }

    /// Alerts forgotten because more than [`ALERTS_MAX`] were kept, or never taken up.
    #[must_use]
    pub const fn dropped_total(&self) -> u64 {
        self.dropped_total
    }

    fn firing(&self, target: &Target) -> Option<usize> {
        self.alerts.iter().position(|a| a.view.firing && a.target.as_ref() == Some(target))
    }

    /// Whether another alert already tells of the same growth: that of the workload or of a cgroup
    /// around a process or workload, or one from within that explains most of what grows here.
    fn suppressed(&self, target: &Target, verdict: &Verdict) -> bool {
        let firing = self.alerts.iter().filter(|alert| alert.view.firing);
        let mut others = firing.filter(|alert| alert.target.as_ref() != Some(target));
        others.any(|alert| {
            let Some((other, told)) = alert.target.as_ref().zip(alert.view.verdict.as_ref()) else {
                return false;
            };
            let gives_way = matches!(target, Target::Process(_) | Target::Workload(_));
            let told_around = gives_way && *other != Target::Node && encloses(other, verdict);
            told_around || encloses(target, told) && explains(told, verdict)
        })
    }

    fn fire(
        &mut self,
        target: &Target,
        verdict: &Verdict,
        now: Stamp,
        clock: Clock,
    ) -> AlertChange {
        let mut view = AlertView {
            firing: true,
            starts_at: clock.rfc3339(now),
            target: target.to_string(),
            ..AlertView::default()
        };
        show(&mut view, verdict);
        let target = Some(target.clone());
        self.add(Alert { view, target, told: now, ends: None })
    }

    /// Keeps a firing alert up to date. Tells of it if it got worse, or again after a while.
    fn renew(&mut self, at: usize, verdict: &Verdict, now: Stamp) -> Option<AlertChange> {
        let alert = &mut self.alerts[at];
        let before = (rank(alert.view.severity), state_rank(&alert.view.name));
        show(&mut alert.view, verdict);
        let after = (rank(alert.view.severity), state_rank(&alert.view.name));
        let kind = if after.0 > before.0 || after.1 > before.1 {
            ChangeKind::Escalated
        } else if now.since(alert.told) >= self.repeat_interval {
            ChangeKind::Repeated
        } else {
            return None;
        };
        alert.told = now;
        Some(AlertChange { kind, alert: alert.view.clone() })
    }

    fn resolve_at(&mut self, at: usize, now: Stamp, clock: Clock) -> AlertChange {
        let alert = &mut self.alerts[at];
        alert.view.firing = false;
        alert.view.ends_at = Some(clock.rfc3339(now));
        alert.ends = Some(now);
        AlertChange { kind: ChangeKind::Resolved, alert: alert.view.clone() }
    }

    fn add(&mut self, mut alert: Alert) -> AlertChange {
        alert.view.id = format!("a{}", self.next_id);
        self.next_id += 1;
        let change = AlertChange { kind: ChangeKind::Firing, alert: alert.view.clone() };
        if self.alerts.len() >= ALERTS_MAX {
            self.dropped_total += 1;
            let resolved = self.alerts.iter().enumerate().filter(|(_, a)| !a.view.firing);
            // All firing: the oldest gives way, for the newest is what is happening now.
            let oldest = resolved.min_by_key(|(_, a)| a.ends).map_or(0, |(at, _)| at);
            self.alerts.remove(oldest);
        }
        self.alerts.push(alert);
        change
    }
}

/// Whether `around` holds the target of `inner`. The root cgroup holds all but says nothing of it.
fn encloses(around: &Target, inner: &Verdict) -> bool {
    let label = &inner.target;
    match around {
        Target::Node => label.kind != TargetKind::Node,
        Target::Cgroup(path) => label.cgroup.as_deref().is_some_and(|own| is_within(own, path)),
        Target::Workload(name) => {
            let own = label.labels.get("workload");
            label.kind == TargetKind::Process && own.is_some_and(|own| **own == **name)
        }
        Target::Process(_) => false,
    }
}

/// Whether `part` accounts for at least half of the growth of `whole`, and is about as urgent.
fn explains(part: &Verdict, whole: &Verdict) -> bool {
    let urgency = |verdict: &Verdict| match verdict.state {
        State::OomImminent => 2,
        State::OomPredicted => 1,
        _ => 0,
    };
    part.rate_bytes_per_s.0 * 2.0 >= whole.rate_bytes_per_s.0 && urgency(part) + 1 >= urgency(whole)
}

fn is_within(path: &str, ancestor: &str) -> bool {
    path == ancestor
        || (ancestor != "/"
            && path.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/')))
}

fn show(view: &mut AlertView, verdict: &Verdict) {
    let (name, severity) = match verdict.state {
        State::OomImminent => ("OomImminent", Severity::Critical),
        State::OomPredicted if verdict.eta_s.is_some_and(|eta| eta.p50 < CRITICAL_ETA_S) => {
            ("OomPredicted", Severity::Critical)
        }
        State::OomPredicted => ("OomPredicted", Severity::Warning),
        _ => ("LeakSuspected", Severity::Warning),
    };
    let (summary, description) = text::of_verdict(verdict);
    name.clone_into(&mut view.name);
    view.severity = severity;
    view.summary = summary;
    view.description = description;
    let target = &verdict.target;
    let plain = |(name, value): (&String, &String)| (name.clone(), text::plain(value));
    view.labels = target.labels.iter().map(plain).collect();
    if let Some(pid) = target.pid {
        view.labels.insert("pid".to_owned(), pid.to_string());
    }
    if let Some(cgroup) = &target.cgroup {
        view.labels.insert("cgroup".to_owned(), text::plain(cgroup));
    }
    view.verdict = Some(verdict.clone());
}

const fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Critical => 2,
    }
}

fn state_rank(name: &str) -> u8 {
    match name {
        "OomImminent" => 2,
        "OomPredicted" => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
