//! What one export by OTLP costs beside the agent that is idle: `cargo xtask bench export`.
//!
//! 10,000 processes and 500 containers out of a [`Watch`] that copies as the agent's own does, and
//! whose own memory counts as idle; gathered, encoded and compressed, but neither queued nor sent.
//! CPU is that of the thread, memory the growth of the resident set at its peak, with the documents
//! of all cgroups. The lock of the agent's state and the disk are not in it.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use plimsoll::config::{ExportProfile, Temporality};
use plimsoll::export::batch::Batch;
use plimsoll::export::gather::{Bounds, gather};
use plimsoll::export::model::{Common, Machine, Model, Moment};
use plimsoll::reports::{Declined, Ticket};
use plimsoll::route::silence::{SilenceRefused, Wish};
use plimsoll::target::{ProcessId, Target, TargetKind};
use plimsoll::units::{Bytes, Limit};
use plimsoll::verdict::{State, Verdict};
use plimsoll::view::{
    AlertView, CgroupView, DestinationView, Event, ExportView, HealthView, Incident,
    IncidentSummary, Largest, NodeView, OwnView, ProcessDetail, ProcessList, ProcessOrder,
    ProcessView, ReportFound, ReportRequest, ReportSummary, SeriesQuery, SeriesView, SilenceView,
    Watch, pressure::PressureView,
};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::broadcast;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PROCESSES: u32 = 10_000;
const CONTAINERS: u32 = 500;
const ROUNDS: usize = 21;

/// What is measured: name, bound on processes, temporality.
const ROWS: [(&str, usize, Temporality); 3] = [
    ("as configured by default: 500 processes", 500, Temporality::Cumulative),
    ("the same as deltas", 500, Temporality::Delta),
    ("every process", 32_768, Temporality::Cumulative),
];
/// Tells the program which row to measure.
const ROW: &str = "PLIMSOLL_BENCH_ROW";

/// Each row is measured by a process of its own: what one leaves in the allocator would count as
/// idle for the next.
fn main() {
    if let Some(row) = std::env::var(ROW).ok().and_then(|row| row.parse::<usize>().ok()) {
        let (what, processes_max, temporality) = ROWS[row];
        return measure(what, processes_max, temporality);
    }
    println!(
        "| {PROCESSES} processes, {CONTAINERS} containers | CPU ms, median of {ROUNDS} | \
         resources | KiB sent | MiB above idle |\n|---|---|---|---|---|"
    );
    let own = std::env::current_exe().expect("a bench runs from a file");
    for row in 0..ROWS.len() {
        let ran = std::process::Command::new(&own).env(ROW, row.to_string()).status();
        assert!(ran.is_ok_and(|status| status.success()), "row {row} was measured");
    }
}

fn measure(what: &str, processes_max: usize, temporality: Temporality) {
    let machine = Machine { hostname: "node".into(), ..Machine::default() };
    let common = Common::new(&machine, &[("k8s.cluster.name".into(), "bench".into())]);
    let mut model = Model::new(common, ExportProfile::Standard, temporality);
    let town = Town::build();
    let bounds = Bounds { processes_max, containers_max: 1000 };
    let (idle, mut times) = (resident("VmRSS:"), Vec::new());
    // The peak begins anew. Source: proc(5), clear_refs.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (mut sent, mut entities) = (0, 0);
    for round in 1..=ROUNDS as u64 {
        let begun = cpu_ms();
        sent = 0;
        model.begin(Moment { now_ns: round * 60_000_000_000, boot_ns: 1, agent_start_ns: 1 });
        let mut batch = Batch::new(true, |request: Vec<u8>| sent += request.len());
        let so_far = ExportView::default();
        entities = gather(&town, &mut model, bounds, &so_far, |r| batch.push(r)).entities;
        batch.finish();
        times.push(cpu_ms() - begun);
    }
    times.sort_by(f64::total_cmp);
    let grown = resident("VmHWM:").saturating_sub(idle) as f64 / 1024.0;
    let (median, sent) = (times[ROUNDS / 2], sent / 1024);
    println!("| {what} | {median:.1} | {entities} | {sent} | {grown:.1} |");
}

fn cpu_ms() -> f64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
}

/// Units: KiB.
fn resident(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|l| l.strip_prefix(line));
    found.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// A node that copies its documents when asked, as the agent does.
struct Town {
    cgroups: Vec<CgroupView>,
    processes: Vec<ProcessDetail>,
}

impl Town {
    fn build() -> Self {
        Self {
            cgroups: (0..CONTAINERS).map(cgroup).collect(),
            processes: (0..=PROCESSES).map(process).collect(),
        }
    }
}

/// Times and identity are written anew at each copy, as the agent does it.
fn copied(of: &ProcessDetail) -> ProcessDetail {
    let mut copy = of.clone();
    let pid = copy.view.pid;
    let at = jiff::Timestamp::from_second(1_767_225_600 + i64::from(pid));
    copy.view.start_time = at.expect("a time of this century").to_string();
    copy.view.at.clone_from(&copy.view.start_time);
    copy.view.id = id_of(pid).to_string();
    copy
}

fn id_of(pid: u32) -> Target {
    Target::Process(ProcessId { pid, start_time: u64::from(pid * 7) })
}

fn process(pid: u32) -> ProcessDetail {
    let view = ProcessView {
        pid,
        comm: format!("worker-{}", pid % 97),
        exe: Some(format!("/usr/lib/service-{}/bin/worker", pid % 97)),
        uid: Some(1000 + pid % 5),
        cgroup: Some(path(pid % CONTAINERS)),
        workload: format!("unit/service-{}.service", pid % 97),
        rss_bytes: Bytes(u64::from(pid.wrapping_mul(2_654_435_761) >> 8)),
        anon_bytes: Bytes(u64::from(pid) * 3000),
        file_bytes: Bytes(u64::from(pid) * 1000),
        shmem_bytes: Some(Bytes(4096)),
        swap_bytes: Some(Bytes(0)),
        threads: Some(1 + pid % 30),
        limit_bytes: Limit::At(Bytes::mib(512)),
        ..ProcessView::default()
    };
    ProcessDetail {
        view,
        virtual_bytes: Some(Bytes::mib(900)),
        open_fds: Some(20),
        minor_faults: Some(u64::from(pid) * 31),
        major_faults: Some(u64::from(pid)),
        ..ProcessDetail::default()
    }
}

fn path(n: u32) -> String {
    let pod = format!("pod{n:08x}-1111-2222-3333-444455556666");
    format!("/kubepods/burstable/{pod}/{}", format!("{n:064x}").as_str())
}

fn cgroup(n: u32) -> CgroupView {
    let labels = [
        ("container.id", format!("{n:064x}")),
        ("k8s.pod.uid", format!("{n:08x}-1111-2222-3333-444455556666")),
        ("container.runtime", "containerd".to_owned()),
        ("k8s.qos", "burstable".to_owned()),
    ];
    CgroupView {
        id: format!("cgroup:{}", path(n)),
        path: path(n),
        workload: format!("pod/{n}"),
        labels: labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        usage_bytes: Bytes(u64::from(n) * 100_000),
        working_set_bytes: Bytes(u64::from(n) * 80_000),
        anon_bytes: Some(Bytes(u64::from(n) * 60_000)),
        file_bytes: Some(Bytes(u64::from(n) * 30_000)),
        shmem_bytes: Some(Bytes(0)),
        kernel_bytes: Some(Bytes(9000)),
        max_bytes: Limit::At(Bytes::mib(512)),
        limit_bytes: Limit::At(Bytes::mib(512)),
        events: BTreeMap::from([("oom_kill".to_owned(), 0), ("max".to_owned(), 3)]),
        ..CgroupView::default()
    }
}

impl Watch for Town {
    fn node(&self) -> NodeView {
        NodeView { mem_total_bytes: Bytes::mib(64_000), ..NodeView::default() }
    }
    fn cgroups(&self) -> Vec<CgroupView> {
        self.cgroups.clone()
    }
    fn processes(&self, _: ProcessOrder, _: usize) -> ProcessList {
        ProcessList::default()
    }
    fn largest(&self, limit: usize) -> Largest {
        let size = |pid: u32| Bytes(u64::from(pid.wrapping_mul(2_654_435_761) >> 8));
        let id = |pid: u32| ProcessId { pid, start_time: u64::from(pid * 7) };
        let mut processes: Vec<_> = (1..=PROCESSES).map(|pid| (id(pid), size(pid))).collect();
        processes.sort_unstable_by_key(|(_, size)| std::cmp::Reverse(*size));
        let total = processes.len();
        processes.truncate(limit);
        Largest { total, processes }
    }
    fn process(&self, pid: u32) -> Option<ProcessDetail> {
        self.processes.get(usize::try_from(pid).ok()?).map(copied)
    }
    fn exported(&self, id: ProcessId) -> Option<ProcessDetail> {
        self.process(id.pid)
    }
    fn series(&self, _: &SeriesQuery) -> Option<SeriesView> {
        None
    }
    fn verdicts(&self, _: Option<State>, _: Option<TargetKind>) -> Vec<Verdict> {
        Vec::new()
    }
    fn alerts(&self) -> Vec<AlertView> {
        Vec::new()
    }
    fn health(&self) -> HealthView {
        HealthView::default()
    }
    fn own(&self) -> OwnView {
        OwnView::default()
    }
    fn pressure(&self) -> PressureView {
        PressureView::default()
    }
    fn silences(&self) -> Vec<SilenceView> {
        Vec::new()
    }
    fn silence(&self, _: &Wish) -> Result<SilenceView, SilenceRefused> {
        Err(SilenceRefused::Unknown)
    }
    fn end_silence(&self, _: &str) -> Result<(), SilenceRefused> {
        Err(SilenceRefused::Unknown)
    }
    fn destinations(&self) -> Vec<DestinationView> {
        Vec::new()
    }
    fn incidents(&self) -> Vec<IncidentSummary> {
        Vec::new()
    }
    fn incident(&self, _: &str) -> Option<Arc<Incident>> {
        None
    }
    fn reports(&self) -> Vec<ReportSummary> {
        Vec::new()
    }
    fn report(&self, _: &str) -> ReportFound {
        ReportFound::None
    }
    fn take_report(&self, _: &ReportRequest, _: &str) -> Option<Result<Ticket, Declined>> {
        None
    }
    fn events_since(&self, _: u64) -> Vec<Event> {
        Vec::new()
    }
    fn subscribe(&self) -> broadcast::Receiver<Event> {
        broadcast::Sender::new(1).subscribe()
    }
}
