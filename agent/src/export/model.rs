//! What is known, as messages of OTLP: one resource for each node, pod, container and process.
//!
//! Pure: the documents of [`crate::view`] and the time come in, messages go out. Names and units
//! are those of [`super::catalog`]. What is not known is left out, never 0.
//!
//! Counters are cumulative since the boot of the node, the start of the process or of the agent;
//! with delta they say what was added since the export before, and the first time nothing.

mod attributes;
mod entities;
pub mod logs;
mod sheet;
pub mod spans;
#[cfg(test)]
mod tests;

pub use attributes::{Common, Machine, decoded, unescaped};

use super::catalog::{self as c, Entity, SCHEMA_URL};
use super::proto::{KeyValue, Resource, ResourceMetrics, Scope, ScopeMetrics, attribute};
use crate::config::{ExportProfile, Temporality};
use crate::view::pressure::PressureView;
use crate::view::{ExportView, NodeView, OwnView};
use prost::bytes::Bytes;
use sheet::{Deltas, Sheet, int};

/// Scopes of the pressure signal that are exported.
const SCOPES_MAX: usize = 64;

/// What every message of one export shares. Units: nanoseconds since the epoch.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    pub now_ns: u64,
    pub boot_ns: u64,
    pub agent_start_ns: u64,
}

/// Makes messages of documents, and remembers counters between two exports if they are deltas.
#[derive(Debug)]
pub struct Model {
    common: Common,
    profile: ExportProfile,
    deltas: Option<Deltas>,
    moment: Moment,
}

impl Model {
    #[must_use]
    pub fn new(common: Common, profile: ExportProfile, temporality: Temporality) -> Self {
        let delta = temporality == Temporality::Delta || profile == ExportProfile::Datadog;
        let deltas = delta.then(Deltas::default);
        Self { common, profile, deltas, moment: Moment::default() }
    }

    /// Begins an export: counters of whom the last one did not hold are forgotten.
    pub fn begin(&mut self, moment: Moment) {
        self.moment = moment;
        if let Some(deltas) = &mut self.deltas {
            deltas.begin();
        }
    }

    /// The node: its memory, its pressure and what came of the agent's watch.
    pub fn node(
        &mut self,
        node: &NodeView,
        pressure: &PressureView,
        own: &OwnView,
    ) -> ResourceMetrics {
        let names = self.state_names();
        let in_kubernetes = self.common.has("k8s.node.name");
        let (boot, agent) = (self.moment.boot_ns, self.moment.agent_start_ns);
        let mut sheet = self.sheet("node", boot);
        let bytes = |name: &str| node.meminfo.get(name).map(|&n| int(n));
        let total = node.mem_total_bytes.0;
        let (free, buffers) = (node.meminfo.get("MemFree"), node.meminfo.get("Buffers"));
        let cached = names.cached(&node.meminfo);
        for (state, value) in [
            (names.used, node.mem_available_bytes.map(|_| node.used_bytes.0)),
            ("free", free.copied()),
            (names.buffers, buffers.copied()),
            ("cached", cached),
        ] {
            sheet.put(&c::SYSTEM_MEMORY_USAGE, value.map(int), &[(names.attribute, state)]);
        }
        sheet.put(&c::SYSTEM_MEMORY_LIMIT, (total > 0).then(|| int(total)), &[]);
        let available = node.mem_available_bytes.map(|b| int(b.0));
        sheet.put(&c::SYSTEM_MEMORY_AVAILABLE, available, &[]);
        sheet.put(&c::SYSTEM_MEMORY_SHARED, bytes("Shmem"), &[]);
        for (name, state) in [("SReclaimable", "reclaimable"), ("SUnreclaim", "unreclaimable")] {
            let attribute = [("system.memory.linux.slab.state", state)];
            sheet.put(&c::SYSTEM_MEMORY_SLAB, bytes(name), &attribute);
        }
        huge_pages(&mut sheet, node);
        let swap = node.swap_total_bytes.zip(node.swap_free_bytes);
        for (state, value) in [
            ("used", swap.map(|(total, free)| total.0.saturating_sub(free.0))),
            ("free", swap.map(|(_, free)| free.0)),
        ] {
            sheet.put(&c::SYSTEM_PAGING_USAGE, value.map(int), &[("system.paging.state", state)]);
        }
        let count = |name: &str| node.vmstat.get(name).copied();
        let major = count("pgmajfault");
        let minor = count("pgfault").zip(major).map(|(all, major)| all.saturating_sub(major));
        sheet.faults(&c::SYSTEM_PAGING_FAULTS, major, minor);
        sheet.put(&c::OOM_KILLS, count("oom_kill").map(int), &[]);
        for (kind, seconds) in [
            ("some", node.psi.map(|psi| psi.some_total_s)),
            ("full", node.psi.and_then(|psi| psi.full_total_s)),
        ] {
            let seconds = seconds.map(sheet::float);
            sheet.put(&c::STALL_TIME, seconds, &[("plimsoll.pressure.stall", kind)]);
        }
        if in_kubernetes {
            kubelets(&mut sheet, node);
        }
        if let Some(verdict) = &node.verdict {
            sheet.verdict(&sheet::judgement_of(verdict));
        }
        sheet.started(agent);
        pressure_of(&mut sheet, pressure);
        sheet.put(&c::INCIDENTS, Some(int(own.incidents_total)), &[]);
        let metrics = sheet.finish();
        self.wrap(self.common.of(Entity::Host), metrics)
    }

    /// The agent itself, as the service that it is.
    pub fn agent(&mut self, own: &OwnView, export: &ExportView) -> ResourceMetrics {
        let start = self.moment.agent_start_ns;
        let mut sheet = self.sheet("agent", start);
        sheet.put(&c::AGENT_CPU, Some(sheet::float(own.cpu_seconds_total)), &[]);
        sheet.put(&c::AGENT_MEMORY, Some(int(own.rss_bytes.0)), &[]);
        for lane in &export.lanes {
            let signal = [("plimsoll.signal", lane.signal.as_str())];
            sheet.put(&c::EXPORT_SENT, Some(int(lane.sent_total)), &signal);
        }
        // Points of one metric follow one another.
        for lane in &export.lanes {
            let signal = [("plimsoll.signal", lane.signal.as_str())];
            let dropped = lane.dropped_total.values().sum();
            sheet.put(&c::EXPORT_DROPPED, Some(int(dropped)), &signal);
        }
        for (entity, omitted) in &export.omitted {
            let attribute = [("plimsoll.entity", entity.as_str())];
            sheet.put(&c::EXPORT_OMITTED, Some(int(*omitted as u64)), &attribute);
        }
        let metrics = sheet.finish();
        self.wrap(self.common.of(Entity::Agent), metrics)
    }

    fn sheet(&mut self, id: &str, start_ns: u64) -> Sheet<'_> {
        Sheet::new(id, start_ns, self.moment.now_ns, self.deltas.as_mut())
    }

    fn state_names(&self) -> StateNames {
        match self.profile {
            ExportProfile::Standard => StateNames {
                attribute: "system.memory.state",
                used: "used",
                buffers: "buffers",
                datadog: false,
            },
            ExportProfile::Datadog => {
                StateNames { attribute: "state", used: "used", buffers: "buffered", datadog: true }
            }
        }
    }

    fn wrap(
        &self,
        attributes: Vec<KeyValue>,
        metrics: Vec<super::proto::Metric>,
    ) -> ResourceMetrics {
        ResourceMetrics {
            resource: Some(Resource { attributes }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics,
                schema_url: SCHEMA_URL.into(),
            }],
            schema_url: SCHEMA_URL.into(),
        }
    }
}

/// Whoever wrote the messages.
fn scope() -> Scope {
    Scope { name: "plimsoll".into(), version: env!("CARGO_PKG_VERSION").into() }
}

/// How the states of the node's memory are called.
#[derive(Clone, Copy)]
struct StateNames {
    attribute: &'static str,
    used: &'static str,
    buffers: &'static str,
    datadog: bool,
}

impl StateNames {
    /// Used is MemTotal − MemAvailable; what of the page cache can be had is cached, so that the
    /// states add up to the limit. Datadog adds free, cached and buffered up to what is usable.
    fn cached(self, meminfo: &std::collections::BTreeMap<String, u64>) -> Option<u64> {
        let get = |name: &str| meminfo.get(name).copied();
        if self.datadog {
            return Some(get("Cached")?.saturating_add(get("SReclaimable").unwrap_or(0)));
        }
        let free = get("MemFree")?.saturating_add(get("Buffers")?);
        Some(get("MemAvailable")?.saturating_sub(free))
    }
}

/// The node's memory as the kubelet counts it. Source: cAdvisor's root container.
fn kubelets(sheet: &mut Sheet<'_>, node: &NodeView) {
    let get = |name: &str| node.meminfo.get(name).copied();
    let total = node.mem_total_bytes.0;
    let usage = get("MemFree").map(|free| total.saturating_sub(free));
    let inactive = get("Inactive(file)");
    let working_set = usage.zip(inactive).map(|(usage, idle)| usage.saturating_sub(idle));
    let available = working_set.map(|set| total.saturating_sub(set));
    sheet.put(&c::NODE_USAGE, usage.map(int), &[]);
    sheet.put(&c::NODE_AVAILABLE, available.map(int), &[]);
    sheet.put(&c::NODE_RSS, get("AnonPages").map(int), &[]);
    sheet.put(&c::NODE_WORKING_SET, working_set.map(int), &[]);
}

fn huge_pages(sheet: &mut Sheet<'_>, node: &NodeView) {
    let count = |name: &str| node.meminfo.get(name).copied();
    let (total, free) = (count("HugePages_Total"), count("HugePages_Free"));
    if total.is_none_or(|total| total == 0) {
        return;
    }
    sheet.put(&c::HUGEPAGES_LIMIT, total.map(int), &[]);
    let used = total.zip(free).map(|(total, free)| total.saturating_sub(free));
    for (state, value) in [("used", used), ("free", free)] {
        let attribute = [("system.memory.linux.hugepages.state", state)];
        sheet.put(&c::HUGEPAGES_USAGE, value.map(int), &attribute);
    }
    sheet.put(&c::HUGEPAGES_RESERVED, count("HugePages_Rsvd").map(int), &[]);
    sheet.put(&c::HUGEPAGES_SURPLUS, count("HugePages_Surp").map(int), &[]);
}

fn pressure_of(sheet: &mut Sheet<'_>, pressure: &PressureView) {
    if !pressure.enabled {
        return;
    }
    let level = |name: &str| ["none", "low", "medium", "critical"].iter().position(|l| *l == name);
    let mut scopes: Vec<_> = pressure.scopes.iter().collect();
    scopes.sort_by_key(|scope| (std::cmp::Reverse(level(&scope.level)), &scope.scope));
    scopes.truncate(SCOPES_MAX);
    for scope in &scopes {
        let value = level(&scope.level).map(|n| int(n as u64));
        sheet.put(&c::PRESSURE_LEVEL, value, &[("plimsoll.pressure.scope", scope.scope.as_str())]);
    }
    for scope in &scopes {
        let room = Some(int(scope.headroom_bytes.0));
        sheet.put(
            &c::PRESSURE_HEADROOM,
            room,
            &[("plimsoll.pressure.scope", scope.scope.as_str())],
        );
    }
    sheet.put(&c::PRESSURE_ASKS, Some(int(pressure.totals.asks)), &[]);
    sheet.put(&c::PRESSURE_FREED, Some(int(pressure.totals.freed_bytes)), &[]);
}

/// A text attribute, unless there is nothing to say.
fn text(key: impl Into<Bytes>, value: &str) -> Option<KeyValue> {
    (!value.is_empty()).then(|| attribute(key, value))
}
