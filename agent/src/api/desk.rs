//! A test double of [`Watch`]: canned documents, hostile names among them, and a small event ring.

use crate::reports::{Declined, Ticket};
use crate::route::silence::{SilenceRefused, Silences, Wish};
use crate::target::TargetKind;
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, Eta, State, TargetLabel, Verdict};
use crate::view::*;
use parking_lot::Mutex;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::broadcast;

/// What a process may call itself: quotes, newlines, markup and, where bytes were not UTF-8, the
/// replacement character.
pub(super) const HOSTILE: &str = "a\"b\\c\nd</script>\u{fffd}\u{1b}[31m";
pub(super) const INCIDENT: &str = "20261121T100900Z-42";
pub(super) const REPORT: &str = "20261121T100900000Z-4242";
pub(super) const RUNNING: &str = "20261121T101000000Z-42";
pub(super) const REFUSED: &str = "20261121T101100000Z-43";
/// Small, so that tests can make a receiver lag.
const CHANNEL: usize = 4;

pub(super) struct Desk {
    pub(super) ready: bool,
    pub(super) panics: bool,
    /// Publishes an event between a subscription and whatever the subscriber does next.
    pub(super) publishes_on_subscribe: bool,
    /// Verdicts in trouble beside the two canned ones.
    pub(super) more_verdicts: usize,
    /// Exports by OTLP, to nobody.
    pub(super) exports: bool,
    pub(super) silences: Mutex<Silences>,
    ring: Mutex<Vec<Event>>,
    sender: broadcast::Sender<Event>,
}

impl Desk {
    pub(super) fn new() -> Self {
        let sender = broadcast::Sender::new(CHANNEL);
        Self {
            ready: true,
            panics: false,
            publishes_on_subscribe: false,
            more_verdicts: 0,
            exports: false,
            silences: Mutex::default(),
            ring: Mutex::default(),
            sender,
        }
    }

    /// Publishes the next event, as the agent does: ring first, then whoever listens.
    pub(super) fn publish(&self, event: EventKind) {
        let mut ring = self.ring.lock();
        let seq = ring.len() as u64 + 1;
        let at = "2026-11-21T10:09:00.000Z".to_owned();
        let event = Event { seq, at, event, data: json!({ "comm": HOSTILE }) };
        ring.push(event.clone());
        let _ = self.sender.send(event);
    }

    pub(super) fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

fn verdict(id: &str, state: State, p50: f64) -> Verdict {
    Verdict {
        target: TargetLabel {
            kind: TargetKind::Process,
            id: id.to_owned(),
            pid: Some(42),
            start_time: Some("2026-11-21T09:00:00.000Z".to_owned()),
            cgroup: Some("/kubepods/pod-1".to_owned()),
            labels: labels(&[("workload", HOSTILE)]),
        },
        state,
        cause: Cause::HeapLeak,
        used_bytes: Bytes::mib(300),
        limit_bytes: Limit::At(Bytes::mib(512)),
        rate_bytes_per_s: BytesPerSec(1024.5),
        eta_s: Some(Eta { p10: p50 / 2.0, p50, p90: f64::INFINITY }),
        confidence: 0.9,
        since: "2026-11-21T10:00:00.000Z".to_owned(),
        evidence: Vec::new(),
    }
}

/// These, and the names of a container in Kubernetes.
fn labels(own: &[(&str, &str)]) -> BTreeMap<String, String> {
    let names =
        [("k8s.namespace.name", "shop"), ("k8s.pod.name", "web-1"), ("k8s.container.name", "app")];
    own.iter().chain(&names).map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

fn kubernetes() -> Option<KubernetesView> {
    Some(KubernetesView {
        namespace: "shop".to_owned(),
        pod: "web-1".to_owned(),
        container: Some("app".to_owned()),
        owner: Some("deployment/web".to_owned()),
        memory_limit_bytes: Some(Bytes::mib(512)),
        memory_request_bytes: Some(Bytes::mib(256)),
    })
}

fn process() -> ProcessView {
    ProcessView {
        id: "process:42@100".to_owned(),
        pid: 42,
        comm: HOSTILE.to_owned(),
        rss_bytes: Bytes::mib(300),
        shmem_bytes: Some(Bytes::mib(1)),
        swap_bytes: Some(Bytes(0)),
        threads: Some(8),
        kubernetes: kubernetes(),
        ..ProcessView::default()
    }
}

fn incident() -> Incident {
    Incident {
        schema: INCIDENT_SCHEMA.to_owned(),
        id: INCIDENT.to_owned(),
        at: "2026-11-21T10:09:00.000Z".to_owned(),
        victims: vec![Victim {
            pid: Some(42),
            comm: Some(HOSTILE.to_owned()),
            labels: labels(&[]),
            ..Victim::default()
        }],
        ..Incident::default()
    }
}

fn report() -> plimsoll_heap::Report {
    let text = include_str!("../../../crates/heap/fixtures/leaking.json");
    let mut report: plimsoll_heap::Report =
        serde_json::from_str(text).expect("the fixture is a report");
    report.identity.exe = Some(HOSTILE.to_owned());
    report
}

fn running() -> ReportSummary {
    let doing = Some("walks the heap".to_owned());
    ReportSummary { id: RUNNING.to_owned(), pid: 42, doing, ..ReportSummary::default() }
}

fn refused() -> ReportSummary {
    ReportSummary {
        id: REFUSED.to_owned(),
        state: ReportState::Refused,
        why: Some("process 43 is gone".to_owned()),
        ..ReportSummary::default()
    }
}

impl Watch for Desk {
    fn node(&self) -> NodeView {
        assert!(!self.panics, "the desk was told to panic");
        NodeView {
            mem_total_bytes: Bytes::mib(4096),
            mem_available_bytes: Some(Bytes::mib(1024)),
            swap_total_bytes: Some(Bytes::mib(512)),
            swap_free_bytes: Some(Bytes::mib(500)),
            used_bytes: Bytes::mib(3072),
            vmstat: [("oom_kill".to_owned(), 3)].into(),
            psi: Some(PsiView {
                some_total_s: 1.5,
                full_total_s: Some(0.25),
                ..PsiView::default()
            }),
            ..NodeView::default()
        }
    }

    fn cgroups(&self) -> Vec<CgroupView> {
        let cgroup = |path: &str, mib| CgroupView {
            path: path.to_owned(),
            usage_bytes: Bytes::mib(mib),
            working_set_bytes: Bytes::mib(mib - 1),
            limit_bytes: Limit::Max,
            ..CgroupView::default()
        };
        let limited = CgroupView {
            limit_bytes: Limit::At(Bytes::mib(512)),
            anon_bytes: Some(Bytes::mib(200)),
            unreclaimable_bytes: Some(Bytes::mib(210)),
            file_bytes: Some(Bytes::mib(90)),
            shmem_bytes: Some(Bytes::mib(1)),
            kernel_bytes: Some(Bytes::mib(9)),
            swap_bytes: Some(Bytes(0)),
            events: [("oom_kill".to_owned(), 2)].into(),
            kubernetes: kubernetes(),
            ..cgroup(HOSTILE, 300)
        };
        let small = (1..=500).map(|n| cgroup(&format!("/small/{n}"), 1));
        [cgroup("/", 900), limited].into_iter().chain(small).collect()
    }

    fn processes(&self, order: ProcessOrder, limit: usize) -> ProcessList {
        let interval_s = f64::from(order == ProcessOrder::Eta);
        let all = std::iter::repeat_n(ProcessView { interval_s, ..process() }, 150);
        ProcessList { total: 150, processes: all.take(limit).collect() }
    }

    fn process(&self, pid: u32) -> Option<ProcessDetail> {
        (pid == 42).then(|| ProcessDetail { view: process(), ..ProcessDetail::default() })
    }

    fn series(&self, query: &SeriesQuery) -> Option<SeriesView> {
        let target = query.target.to_string();
        let known = target == "node" || target == format!("workload:{HOSTILE}");
        known.then(|| SeriesView {
            target,
            metric: query.metric,
            unit: "By".to_owned(),
            points: vec![(query.from_unix_s.unwrap_or(0.0), Some(1.0)), (1e9, None)],
            step_s: query.step_s,
        })
    }

    fn verdicts(&self, state: Option<State>, kind: Option<TargetKind>) -> Vec<Verdict> {
        let more = (0..self.more_verdicts)
            .map(|n| verdict(&format!("process:{n}@1"), State::LeakSuspected, 9e3 + n as f64));
        let mut all: Vec<Verdict> = more.collect();
        all.push(verdict("process:42@100", State::OomPredicted, 600.0));
        all.push(verdict("process:7@100", State::WarmingUp, 60.0));
        let mut workload = verdict("workload:api", State::Ok, 0.0);
        workload.target.kind = TargetKind::Workload;
        all.push(workload);
        all.retain(|verdict| state.is_none_or(|state| verdict.state == state));
        all.retain(|verdict| kind.is_none_or(|kind| verdict.target.kind == kind));
        all
    }

    fn alerts(&self) -> Vec<AlertView> {
        vec![AlertView { name: "OomPredicted".to_owned(), firing: true, ..AlertView::default() }]
    }

    fn health(&self) -> HealthView {
        let source = |name: &str, state, sees: &str, why: Option<&str>| SourceView {
            name: name.to_owned(),
            state,
            sees: sees.to_owned(),
            why: why.map(ToOwned::to_owned),
        };
        HealthView {
            ready: self.ready,
            degraded: true,
            sources: vec![
                source("process", SourceState::Ok, "312 processes", None),
                source("smaps", SourceState::Degraded, "own processes", Some("needs SYS_PTRACE")),
                source("oom_log", SourceState::Unavailable, "", Some("needs CAP_SYSLOG")),
                source("connector", SourceState::Off, "", None),
            ],
        }
    }

    fn pressure(&self) -> pressure::PressureView {
        let scope = pressure::ScopeView {
            scope: format!("cgroup:/{HOSTILE}"),
            level: "medium".to_owned(),
            headroom_bytes: Bytes::mib(40),
            want_bytes: Bytes::mib(20),
            ..pressure::ScopeView::default()
        };
        let subscriber = pressure::SubscriberView {
            name: HOSTILE.to_owned(),
            can_free_bytes: Bytes::mib(300),
            ..pressure::SubscriberView::default()
        };
        pressure::PressureView {
            enabled: true,
            listening: true,
            scopes: vec![scope],
            subscribers: vec![subscriber],
            ..pressure::PressureView::default()
        }
    }

    fn own(&self) -> OwnView {
        OwnView {
            version: "0.1.0".to_owned(),
            uptime_s: 12.5,
            cpu_seconds_total: 0.75,
            rss_bytes: Bytes::mib(20),
            allocator_active_bytes: Some(Bytes::mib(12)),
            history_budget_bytes: Bytes::mib(16),
            samples_total: [("process".to_owned(), 1000), ("cgroup".to_owned(), 50)].into(),
            read_errors_total: [("process".to_owned(), 1)].into(),
            senses_total: [("psi".to_owned(), 2)].into(),
            first_sweep_seconds: Some(0.5),
            reports: ReportFigures {
                taken_total: [("0".to_owned(), 4)].into(),
                ..ReportFigures::default()
            },
            names: NamesFigures {
                enabled: true,
                pods: 1,
                lookups_total: [("answered".to_owned(), 3)].into(),
                age_s: Some(4.0),
                ..NamesFigures::default()
            },
            shed_factor: 1.0,
            ..OwnView::default()
        }
    }

    fn silences(&self) -> Vec<SilenceView> {
        self.silences.lock().list(0)
    }

    fn silence(&self, wish: &Wish) -> Result<SilenceView, SilenceRefused> {
        self.silences.lock().make(wish, 0)
    }

    fn end_silence(&self, id: &str) -> Result<(), SilenceRefused> {
        self.silences.lock().end(id)
    }

    fn export(&self) -> ExportView {
        let lane = LaneView {
            signal: "metrics".to_owned(),
            sent_total: 5,
            dropped_total: [("full".to_owned(), 2)].into(),
            failing: Some("connection refused".to_owned()),
            ..LaneView::default()
        };
        ExportView {
            enabled: self.exports,
            lanes: vec![lane],
            omitted: [("process".to_owned(), 50)].into(),
            ..ExportView::default()
        }
    }

    fn destinations(&self) -> Vec<DestinationView> {
        vec![DestinationView {
            name: "pager".to_owned(),
            kind: "pagerduty".to_owned(),
            sent_total: 7,
            failed_total: 2,
            dropped_total: [("refused".to_owned(), 1)].into(),
            queued: 3,
            queued_bytes: 4096,
            failing: Some("answered 503".to_owned()),
            ..DestinationView::default()
        }]
    }

    fn incidents(&self) -> Vec<IncidentSummary> {
        vec![IncidentSummary {
            limit_bytes: Limit::At(Bytes::mib(512)),
            predicted_before_s: Some(90.0),
            ..incident().in_short(true)
        }]
    }

    fn incident(&self, id: &str) -> Option<Arc<Incident>> {
        Some(Arc::new(incident())).filter(|incident| incident.id == id)
    }

    fn reports(&self) -> Vec<ReportSummary> {
        vec![running(), refused()]
    }

    fn report(&self, id: &str) -> ReportFound {
        match id {
            REPORT => ReportFound::Ready(Arc::new(report())),
            RUNNING => ReportFound::Unfinished(Box::new(running())),
            REFUSED => ReportFound::Unfinished(Box::new(refused())),
            _ => ReportFound::None,
        }
    }

    /// Pid 42 is finished at once, 43 refused, 44 too soon, 45 one too many; others are not there.
    fn take_report(&self, wish: &ReportRequest, _: &str) -> Option<Result<Ticket, Declined>> {
        let (tell, done) = tokio::sync::oneshot::channel();
        let summary = match wish.pid {
            42 => ReportSummary { state: ReportState::Ready, ..running() },
            43 => refused(),
            44 => return Some(Err(Declined::CoolDown(std::time::Duration::from_secs(7)))),
            45 => return Some(Err(Declined::Busy)),
            _ => return None,
        };
        let _ = tell.send(summary);
        Some(Ok(Ticket { id: REPORT.to_owned(), done }))
    }

    fn events_since(&self, after: u64) -> Vec<Event> {
        self.ring.lock().iter().filter(|event| event.seq > after).cloned().collect()
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        let receiver = self.sender.subscribe();
        if self.publishes_on_subscribe {
            self.publish(EventKind::Alert);
        }
        receiver
    }
}
