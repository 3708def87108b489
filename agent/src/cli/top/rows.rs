//! The rows of the three tables and the columns that fit a width. Pure.

use super::model::Tab;
use super::{Snapshot, Sort};
use crate::cli::text;
use crate::target::TargetKind;
use crate::units::{Bytes, Limit};
use crate::verdict::{State, Verdict};
use crate::view::{CgroupView, Judgement, KubernetesView, ProcessView};
use crate::workload::names;
use std::collections::{BTreeMap, HashSet};

/// One target as the tables show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    /// Text form of the target.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) pid: Option<u32>,
    pub(super) used: Bytes,
    pub(super) anon: Option<Bytes>,
    pub(super) limit: Limit,
    pub(super) judgement: Judgement,
}

/// The rows of `tab` whose name, pid or cause holds `filter`, in the order of `sort`.
pub(super) fn rows(snapshot: &Snapshot, tab: Tab, sort: Sort, filter: &str) -> Vec<Row> {
    let mut rows = match tab {
        Tab::Processes => processes(snapshot),
        Tab::Workloads => workloads(snapshot),
        Tab::Cgroups => snapshot.cgroups.iter().map(of_cgroup).collect(),
    };
    let filter = filter.to_lowercase();
    rows.retain(|row| filter.is_empty() || matches(row, &filter));
    let urgency = |row: &Row| {
        let judged = &row.judgement;
        text::urgency(judged.state, judged.eta_s, judged.rate_bytes_per_s)
    };
    rows.sort_by(|a, b| {
        let first = match sort {
            Sort::Urgency => urgency(a).cmp(&urgency(b)),
            Sort::Used => b.used.cmp(&a.used),
            Sort::Anon => b.anon.cmp(&a.anon),
            Sort::Rate => b.judgement.rate_bytes_per_s.0.total_cmp(&a.judgement.rate_bytes_per_s.0),
            Sort::TimeLeft => left(a).total_cmp(&left(b)),
            Sort::Name => a.name.cmp(&b.name),
        };
        first.then(b.used.cmp(&a.used)).then_with(|| a.id.cmp(&b.id))
    });
    rows
}

fn left(row: &Row) -> f64 {
    row.judgement.eta_s.map_or(f64::INFINITY, |eta| eta.p50)
}

fn matches(row: &Row, filter: &str) -> bool {
    row.name.to_lowercase().contains(filter)
        || row.pid.is_some_and(|pid| pid.to_string().contains(filter))
        || text::state(row.judgement.state).to_lowercase().contains(filter)
        || text::cause(row.judgement.cause).contains(filter)
}

/// The processes that were listed, and those the list left out although something is wrong.
fn processes(snapshot: &Snapshot) -> Vec<Row> {
    let listed = &snapshot.processes.processes;
    let known: HashSet<&str> = listed.iter().map(|process| process.id.as_str()).collect();
    let unlisted = snapshot.verdicts.iter().filter(|verdict| {
        verdict.target.kind == TargetKind::Process
            && verdict.state >= State::LeakSuspected
            && !known.contains(verdict.target.id.as_str())
    });
    listed.iter().map(of_process).chain(unlisted.map(of_verdict)).collect()
}

fn of_process(process: &ProcessView) -> Row {
    Row {
        id: process.id.clone(),
        name: match &process.kubernetes {
            Some(own) => format!("{} in {}", process.comm, place(own)),
            None => process.comm.clone(),
        },
        pid: Some(process.pid),
        used: process.rss_bytes,
        anon: Some(process.anon_bytes),
        limit: process.limit_bytes,
        judgement: process.judgement.clone(),
    }
}

fn of_cgroup(cgroup: &CgroupView) -> Row {
    Row {
        id: cgroup.id.clone(),
        name: cgroup.kubernetes.as_ref().map_or_else(|| cgroup.path.clone(), place),
        pid: None,
        used: cgroup.working_set_bytes,
        anon: cgroup.anon_bytes,
        limit: cgroup.limit_bytes,
        judgement: cgroup.judgement.clone(),
    }
}

/// `NAMESPACE/POD/CONTAINER`.
fn place(own: &KubernetesView) -> String {
    let container = own.container.iter().flat_map(|container| ["/", container.as_str()]);
    let all = [own.namespace.as_str(), "/", own.pod.as_str()].into_iter().chain(container);
    all.collect()
}

fn of_verdict(verdict: &Verdict) -> Row {
    let target = &verdict.target;
    Row {
        id: target.id.clone(),
        name: target.labels.get("comm").unwrap_or(&target.id).clone(),
        pid: target.pid,
        used: verdict.used_bytes,
        anon: None,
        limit: verdict.limit_bytes,
        judgement: Judgement {
            state: verdict.state,
            cause: verdict.cause,
            rate_bytes_per_s: verdict.rate_bytes_per_s,
            eta_s: verdict.eta_s,
            confidence: verdict.confidence,
        },
    }
}

/// Workloads by the processes they have now; their judgement is their own verdict.
fn workloads(snapshot: &Snapshot) -> Vec<Row> {
    let mut by_name: BTreeMap<&str, Row> = BTreeMap::new();
    for verdict in snapshot.verdicts.iter().filter(|v| v.target.kind == TargetKind::Workload) {
        let name = verdict.target.id.strip_prefix("workload:").unwrap_or(&verdict.target.id);
        let shown = names::shown_workload(name, &verdict.target.labels);
        by_name.insert(name, Row { name: shown, ..of_verdict(verdict) });
    }
    for process in &snapshot.processes.processes {
        let row = by_name.entry(&process.workload).or_insert_with(|| Row {
            id: format!("workload:{}", process.workload),
            name: process.kubernetes.as_ref().map_or_else(
                || process.workload.clone(),
                |own| {
                    let program = process.workload.rsplit('/').next().unwrap_or(&process.comm);
                    format!("{}/{program}", place(own))
                },
            ),
            ..Row::default()
        });
        row.anon = Some(row.anon.unwrap_or_default() + process.anon_bytes);
        let judged = snapshot.verdicts.iter().any(|verdict| verdict.target.id == row.id);
        if !judged {
            row.used += process.rss_bytes;
        }
    }
    by_name.into_values().collect()
}

/// A column and how wide it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) columns: usize,
    right: bool,
    cell: fn(&Row) -> String,
}

impl Column {
    pub(super) fn cell(&self, row: &Row) -> String {
        text::pad(&(self.cell)(row), self.columns, self.right)
    }
}

/// Fewer columns than this make no name.
const NAME_MIN: usize = 12;

const STATE: Column = column("STATE", 10, false, |r| text::state(r.judgement.state).into());
const NAME: Column = column("NAME", NAME_MIN, false, |r| r.name.clone());
const PID: Column = column("PID", 7, true, |r| dash(r.pid));
const USED: Column = column("USED", 9, true, |r| r.used.to_string());
const ANON: Column = column("ANON", 9, true, |r| dash(r.anon));
const LIMIT: Column = column("LIMIT", 9, true, |r| text::limit(r.limit));
const RATE: Column = column("RATE", 13, true, |r| text::rate(r.judgement.rate_bytes_per_s));
const LEFT: Column =
    column("TIME LEFT", 9, true, |r| dash(r.judgement.eta_s.map(|eta| text::span(eta.p50))));
const CAUSE: Column = column("CAUSE", 15, false, |r| text::cause(r.judgement.cause).into());

const fn column(
    title: &'static str,
    columns: usize,
    right: bool,
    cell: fn(&Row) -> String,
) -> Column {
    Column { title, columns, right, cell }
}

fn dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// The columns that fit `width`, the most telling first to stay; the name takes what is left.
pub(super) fn columns(width: usize, tab: Tab) -> Vec<Column> {
    const SHOWN: [Column; 9] = [STATE, NAME, PID, USED, ANON, LIMIT, RATE, LEFT, CAUSE];
    const BY_WORTH: [Column; 9] = [NAME, USED, STATE, LEFT, RATE, PID, LIMIT, CAUSE, ANON];
    let mut free = width;
    let mut chosen = Vec::new();
    for column in BY_WORTH {
        if column.title == PID.title && tab != Tab::Processes {
            continue;
        }
        let needed = column.columns + usize::from(!chosen.is_empty());
        if needed <= free {
            free -= needed;
            chosen.push(column.title);
        }
    }
    let mut columns: Vec<Column> =
        SHOWN.into_iter().filter(|column| chosen.contains(&column.title)).collect();
    if let Some(name) = columns.iter_mut().find(|column| column.title == NAME.title) {
        name.columns += free;
    }
    columns
}

/// The titles over the columns, the sorted one marked.
pub(super) fn titles(columns: &[Column], sort: Option<Sort>) -> String {
    let sorted = match sort {
        Some(Sort::Urgency) => STATE.title,
        Some(Sort::Used) => USED.title,
        Some(Sort::Anon) => ANON.title,
        Some(Sort::Rate) => RATE.title,
        Some(Sort::TimeLeft) => LEFT.title,
        Some(Sort::Name) => NAME.title,
        None => "",
    };
    let title = |column: &Column| {
        let mark = if column.title == sorted && column.title != LEFT.title { "▼" } else { "" };
        text::pad(&format!("{}{mark}", column.title), column.columns, column.right)
    };
    columns.iter().map(title).collect::<Vec<_>>().join(" ")
}
