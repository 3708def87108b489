//! What the API may ask: copies out of the shared state into the documents of [`crate::view`].

mod node_view;
mod pressure;
mod reports;
mod rows;
mod series;

use crate::clock::Stamp;
use crate::export::Exporter;
use crate::reports::{Declined, Reports, Ticket};
use crate::route::Routing;
use crate::route::silence::{SilenceRefused, Wish};
use crate::sampler::State as Shared;
use crate::target::{ProcessId, Target, TargetKind};
use crate::verdict::{State, Verdict};
use crate::view::{
    AlertView, CgroupView, Counts, DeliveryView, DestinationView, Event, ExportView, HealthView,
    Incident, IncidentSummary, Largest, NodeView, OwnView, ProcessDetail, ProcessList,
    ProcessOrder, ReportFound, ReportRequest, ReportSummary, SeriesQuery, SeriesView, SilenceView,
    Watch,
};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::broadcast;

/// [`Watch`] over the sampler's state.
#[derive(Debug)]
pub struct Desk {
    state: Arc<Mutex<Shared>>,
    /// None where nobody is told of alerts, as in the demo.
    routing: Option<Arc<Routing>>,
    /// None where nothing is exported.
    export: Option<Arc<Exporter>>,
}

impl Desk {
    #[must_use]
    pub const fn new(state: Arc<Mutex<Shared>>, routing: Option<Arc<Routing>>) -> Self {
        Self { state, routing, export: None }
    }

    /// It with an exporter to show.
    #[must_use]
    pub fn with_export(self, export: Option<Arc<Exporter>>) -> Self {
        Self { export, ..self }
    }

    fn keeper(&self) -> Option<Arc<Reports>> {
        self.state.lock().reports.clone()
    }
}

impl Watch for Desk {
    fn node(&self) -> NodeView {
        node_view::node(&self.state.lock())
    }

    fn cgroups(&self) -> Vec<CgroupView> {
        let state = self.state.lock();
        state.cgroups.iter().map(|(_, cgroup)| rows::cgroup(&state, cgroup)).collect()
    }

    fn processes(&self, order: ProcessOrder, limit: usize) -> ProcessList {
        let state = self.state.lock();
        let mut all: Vec<u32> = state.processes.iter().map(|(index, _)| index).collect();
        rows::sort(&state, &mut all, order);
        let total = all.len();
        all.truncate(limit);
        let processes = all
            .into_iter()
            .filter_map(|index| Some(rows::process(&state, state.processes.get(index)?)))
            .collect();
        ProcessList { total, processes }
    }

    fn process(&self, pid: u32) -> Option<ProcessDetail> {
        let state = self.state.lock();
        state.processes.by_pid(pid).map(|process| rows::process_detail(&state, process))
    }

    fn largest(&self, limit: usize) -> Largest {
        rows::largest(&self.state.lock(), limit)
    }

    fn exported(&self, id: ProcessId) -> Option<ProcessDetail> {
        let state = self.state.lock();
        let process = state.processes.by_pid(id.pid).filter(|own| own.facts.id == id)?;
        Some(rows::exported(&state, process))
    }

    fn series(&self, query: &SeriesQuery) -> Option<SeriesView> {
        series::series(&self.state.lock(), query)
    }

    fn verdicts(&self, wanted: Option<State>, kind: Option<TargetKind>) -> Vec<Verdict> {
        let mut verdicts = rows::verdicts(&self.state.lock(), wanted, kind);
        verdicts.sort_by(|a, b| urgency(b).cmp(&urgency(a)).then(a.target.id.cmp(&b.target.id)));
        verdicts
    }

    fn counts(&self) -> Counts {
        rows::counts(&self.state.lock())
    }

    fn alerts(&self) -> Vec<AlertView> {
        self.state.lock().alerts.list()
    }

    fn health(&self) -> HealthView {
        let destinations = self.destinations();
        let export = self.export();
        let failing = destinations.iter().any(DestinationView::is_degraded) || export.is_degraded();
        let state = self.state.lock();
        let mut sources = state.health.list();
        sources.extend(destinations.iter().map(DestinationView::as_source));
        sources.extend(export.as_sources());
        HealthView {
            ready: state.ready_at.is_some(),
            degraded: state.health.is_degraded() || failing,
            sources,
        }
    }

    fn silences(&self) -> Vec<SilenceView> {
        self.routing.as_ref().map_or_else(Vec::new, |routing| routing.silences())
    }

    fn silence(&self, wish: &Wish) -> Result<SilenceView, SilenceRefused> {
        self.routing.as_ref().ok_or(SilenceRefused::Unknown)?.silence(wish)
    }

    fn end_silence(&self, id: &str) -> Result<(), SilenceRefused> {
        self.routing.as_ref().ok_or(SilenceRefused::Unknown)?.end_silence(id)
    }

    fn destinations(&self) -> Vec<DestinationView> {
        self.routing.as_ref().map_or_else(Vec::new, |routing| routing.destinations())
    }

    fn deliveries(&self) -> Vec<DeliveryView> {
        self.routing.as_ref().map_or_else(Vec::new, |routing| routing.deliveries())
    }

    fn export(&self) -> ExportView {
        self.export.as_ref().map(|export| export.view()).unwrap_or_default()
    }

    fn own(&self) -> OwnView {
        super::own::own(&self.state.lock())
    }

    fn pressure(&self) -> crate::view::pressure::PressureView {
        pressure::pressure(&self.state.lock())
    }

    fn incidents(&self) -> Vec<IncidentSummary> {
        self.state.lock().shelf.list()
    }

    fn incident(&self, id: &str) -> Option<Arc<Incident>> {
        let shelf = Arc::clone(&self.state.lock().shelf);
        shelf.read(id)
    }

    fn reports(&self) -> Vec<ReportSummary> {
        self.keeper().map_or_else(Vec::new, |reports| reports.shelf().list())
    }

    fn report(&self, id: &str) -> ReportFound {
        self.keeper().map_or(ReportFound::None, |reports| reports.shelf().find(id))
    }

    fn take_report(&self, wish: &ReportRequest, peer: &str) -> Option<Result<Ticket, Declined>> {
        let reports = self.keeper()?;
        let order = reports::order(&self.state, reports.config(), wish, peer)?;
        Some(reports.order(order))
    }

    fn events_since(&self, after: u64) -> Vec<Event> {
        self.state.lock().events.since(after)
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.state.lock().events.subscribe()
    }
}

/// Worse states first, then the less time left, then the larger.
fn urgency(verdict: &Verdict) -> (State, std::cmp::Reverse<u64>, u64) {
    let left = verdict.eta_s.map_or(u64::MAX, |eta| eta.p50.clamp(0.0, 1e15) as u64);
    (verdict.state, std::cmp::Reverse(left), verdict.used_bytes.0)
}

/// The verdict of `target`, if it is watched.
pub(super) fn verdict_of(state: &Shared, target: &Target) -> Option<Verdict> {
    crate::sampler::verdict_of(state, target)
}

/// Wall time of `at` as the documents show it.
fn shown(state: &Shared, at: Stamp) -> String {
    state.clock.rfc3339(at)
}
