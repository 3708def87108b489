//! The one table of the metrics that are exported: names, units, kinds, and whose they are.
//!
//! The model writes by it, and the table in docs/export.md is printed from it; a test compares.
//! Names of OpenTelemetry's semantic conventions where there are some, else `plimsoll.*`.

/// What a metric is about; each is a resource of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entity {
    Agent,
    Host,
    Pod,
    Container,
    Process,
    /// Several processes of one kind; suspects only.
    Workload,
    /// A cgroup that is neither pod nor container; suspects only.
    Cgroup,
}

impl Entity {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Host => "node",
            Self::Pod => "pod",
            Self::Container => "container",
            Self::Process => "process",
            Self::Workload => "workload",
            Self::Cgroup => "cgroup",
        }
    }
}

/// How points of a metric may be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// May be added over resources; rises and falls.
    UpDown,
    /// Only ever rises: cumulative or delta.
    Counter,
    Gauge,
}

/// One metric.
#[derive(Debug)]
pub struct Instrument {
    pub name: &'static str,
    /// UCUM.
    pub unit: &'static str,
    pub kind: Kind,
    pub on: &'static [Entity],
    pub what: &'static str,
    /// The attributes of its points and their values, for people.
    pub attributes: &'static str,
}

/// OpenTelemetry's conventions that the names follow.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

macro_rules! instruments {
    ($($id:ident: $name:literal, $unit:literal, $kind:ident, [$($on:ident),+], $attributes:literal,
       $what:literal;)+) => {
        $(pub const $id: Instrument = Instrument {
            name: $name,
            unit: $unit,
            kind: Kind::$kind,
            on: &[$(Entity::$on),+],
            what: $what,
            attributes: $attributes,
        };)+
        /// All of them, in the order of the documentation.
        pub static ALL: &[Instrument] = &[$($id),+];
    };
}

instruments! {
    SYSTEM_MEMORY_USAGE: "system.memory.usage", "By", UpDown, [Host],
        "system.memory.state = used, free, buffers, cached",
        "Memory of the node by state; the states add up to the limit.";
    SYSTEM_MEMORY_LIMIT: "system.memory.limit", "By", UpDown, [Host],
        "",
        "Memory that the node has.";
    SYSTEM_MEMORY_AVAILABLE: "system.memory.linux.available", "By", UpDown, [Host],
        "",
        "MemAvailable: what can be had without swapping.";
    SYSTEM_MEMORY_SHARED: "system.memory.linux.shared", "By", UpDown, [Host],
        "",
        "Shared memory and tmpfs.";
    SYSTEM_MEMORY_SLAB: "system.memory.linux.slab.usage", "By", UpDown, [Host],
        "system.memory.linux.slab.state = reclaimable, unreclaimable",
        "The kernel's own objects.";
    HUGEPAGES_LIMIT: "system.memory.linux.hugepages.limit", "{page}", UpDown, [Host],
        "",
        "Huge pages of the default size that are set aside.";
    HUGEPAGES_USAGE: "system.memory.linux.hugepages.usage", "{page}", UpDown, [Host],
        "system.memory.linux.hugepages.state = used, free",
        "Huge pages by state.";
    HUGEPAGES_RESERVED: "system.memory.linux.hugepages.reserved", "{page}", UpDown, [Host],
        "",
        "Huge pages that are promised and not yet used.";
    HUGEPAGES_SURPLUS: "system.memory.linux.hugepages.surplus", "{page}", UpDown, [Host],
        "",
        "Huge pages beyond those set aside.";
    SYSTEM_PAGING_USAGE: "system.paging.usage", "By", UpDown, [Host],
        "system.paging.state = used, free",
        "Swap by state.";
    SYSTEM_PAGING_FAULTS: "system.paging.faults", "{fault}", Counter, [Host],
        "system.paging.fault.type = major, minor",
        "Page faults since boot.";
    OOM_KILLS: "plimsoll.oom.kills", "{kill}", Counter, [Host, Pod, Container],
        "",
        "Processes that the kernel killed for want of memory.";
    STALL_TIME: "plimsoll.pressure.stall.time", "s", Counter, [Host],
        "plimsoll.pressure.stall = some, full",
        "Time in which some or all tasks waited for memory.";
    NODE_USAGE: "k8s.node.memory.usage", "By", UpDown, [Host],
        "",
        "MemTotal less MemFree, as the kubelet counts, where k8s.node.name is known.";
    NODE_AVAILABLE: "k8s.node.memory.available", "By", UpDown, [Host],
        "",
        "Limit less working set, where k8s.node.name is known.";
    NODE_RSS: "k8s.node.memory.rss", "By", UpDown, [Host],
        "",
        "Anonymous memory, where k8s.node.name is known.";
    NODE_WORKING_SET: "k8s.node.memory.working_set", "By", UpDown, [Host],
        "",
        "Usage less inactive file pages, where k8s.node.name is known.";
    CONTAINER_USAGE: "container.memory.usage", "By", UpDown, [Container],
        "",
        "Memory charged to the container.";
    CONTAINER_AVAILABLE: "container.memory.available", "By", UpDown, [Container],
        "",
        "Limit less working set; absent without a limit.";
    CONTAINER_RSS: "container.memory.rss", "By", UpDown, [Container],
        "",
        "Anonymous memory.";
    CONTAINER_WORKING_SET: "container.memory.working_set", "By", UpDown, [Container],
        "",
        "Usage less inactive file pages, as the kubelet counts.";
    K8S_CONTAINER_LIMIT: "k8s.container.memory.limit.current", "By", UpDown, [Container],
        "",
        "The container's own limit as the kernel holds it, where it is of a pod.";
    K8S_CONTAINER_LIMIT_DESIRED: "k8s.container.memory.limit.desired", "By", UpDown, [Container],
        "",
        "The limit in the pod's manifest, where names of Kubernetes are known.";
    K8S_CONTAINER_REQUEST_DESIRED: "k8s.container.memory.request.desired", "By", UpDown,
        [Container], "",
        "The request in the pod's manifest, likewise.";
    POD_USAGE: "k8s.pod.memory.usage", "By", UpDown, [Pod],
        "",
        "Memory charged to the pod.";
    POD_AVAILABLE: "k8s.pod.memory.available", "By", UpDown, [Pod],
        "",
        "Limit less working set; absent without a limit.";
    POD_RSS: "k8s.pod.memory.rss", "By", UpDown, [Pod],
        "",
        "Anonymous memory.";
    POD_WORKING_SET: "k8s.pod.memory.working_set", "By", UpDown, [Pod],
        "",
        "Usage less inactive file pages, as the kubelet counts.";
    LIMIT: "plimsoll.memory.limit", "By", UpDown, [Pod, Container, Process, Workload, Cgroup],
        "",
        "The tightest limit that holds.";
    PART: "plimsoll.memory.part", "By", UpDown, [Pod, Container, Process],
        "plimsoll.memory.kind = anon, file, shmem, kernel, swap",
        "Memory by what it is.";
    USED: "plimsoll.memory.usage", "By", UpDown, [Workload, Cgroup],
        "",
        "Memory used by a suspect that is neither pod, container nor process.";
    PROCESS_USAGE: "process.memory.usage", "By", UpDown, [Process],
        "",
        "Resident memory.";
    PROCESS_VIRTUAL: "process.memory.virtual", "By", UpDown, [Process],
        "",
        "Address space.";
    PROCESS_FAULTS: "process.paging.faults", "{fault}", Counter, [Process],
        "system.paging.fault.type = major, minor",
        "Page faults of the process.";
    PROCESS_THREADS: "process.thread.count", "{thread}", UpDown, [Process],
        "",
        "Threads.";
    PROCESS_FDS: "process.unix.file_descriptor.count", "{file_descriptor}", UpDown, [Process],
        "",
        "Open descriptors.";
    LEAK_STATE: "plimsoll.leak.state", "{state}", Gauge,
        [Host, Pod, Container, Process, Workload, Cgroup],
        "",
        "The verdict: 0 ok, 1 warming up, 2 leak suspected, 3 OOM predicted, 4 OOM imminent.";
    LEAK_GROWTH: "plimsoll.leak.growth", "By/s", Gauge,
        [Host, Pod, Container, Process, Workload, Cgroup],
        "plimsoll.leak.cause = as in docs/detection.md",
        "How fast a suspect grows.";
    LEAK_CONFIDENCE: "plimsoll.leak.confidence", "1", Gauge,
        [Host, Pod, Container, Process, Workload, Cgroup],
        "",
        "How sure the verdict on a suspect is, 0 to 1.";
    LEAK_TIME: "plimsoll.leak.time_to_limit", "s", Gauge,
        [Host, Pod, Container, Process, Workload, Cgroup],
        "plimsoll.quantile = 0.1, 0.5, 0.9; 0.1 is the early end",
        "Time until a suspect reaches its limit.";
    PRESSURE_LEVEL: "plimsoll.pressure.level", "{level}", Gauge, [Host],
        "plimsoll.pressure.scope = node or cgroup:/PATH",
        "The pressure signal: 0 none, 1 low, 2 medium, 3 critical. At most 64 scopes.";
    PRESSURE_HEADROOM: "plimsoll.pressure.headroom", "By", Gauge, [Host],
        "plimsoll.pressure.scope = node or cgroup:/PATH",
        "Room under the limit of the scope.";
    PRESSURE_ASKS: "plimsoll.pressure.asks", "{ask}", Counter, [Host],
        "",
        "Times that an application was asked for memory.";
    PRESSURE_FREED: "plimsoll.pressure.freed", "By", Counter, [Host],
        "",
        "Memory that applications say they gave back.";
    INCIDENTS: "plimsoll.incidents", "{incident}", Counter, [Host],
        "",
        "Incidents that were written.";
    ALLOCATOR_IN_USE: "plimsoll.allocator.in_use", "By", Gauge, [Process],
        "",
        "What the program holds, by its newest heap report.";
    ALLOCATOR_TRIMMABLE: "plimsoll.allocator.trimmable", "By", Gauge, [Process],
        "",
        "Free memory of the allocator that could go back to the kernel, by its newest heap report.";
    ALLOCATOR_UNREACHABLE: "plimsoll.allocator.unreachable", "By", Gauge, [Process],
        "",
        "Memory that nothing points to, by its newest heap report from level 1 on.";
    AGENT_CPU: "plimsoll.agent.cpu.time", "s", Counter, [Agent],
        "",
        "CPU time of the agent.";
    AGENT_MEMORY: "plimsoll.agent.memory.usage", "By", UpDown, [Agent],
        "",
        "Resident memory of the agent.";
    EXPORT_SENT: "plimsoll.export.sent", "{request}", Counter, [Agent],
        "plimsoll.signal = metrics, logs, traces",
        "Requests that the collector took.";
    EXPORT_DROPPED: "plimsoll.export.dropped", "{request}", Counter, [Agent],
        "plimsoll.signal = metrics, logs, traces",
        "Requests that were given up.";
    EXPORT_OMITTED: "plimsoll.export.omitted", "{entity}", Gauge, [Agent],
        "plimsoll.entity = process, container, pod, other",
        "Who was left out of the last export, to keep to its bounds.";
}

/// The table of docs/export.md.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "| metric | unit | kind | of | attributes | what it says |\n|---|---|---|---|---|---|\n",
    );
    for one in ALL {
        let kind = match one.kind {
            Kind::UpDown => "up and down",
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let on: Vec<&str> = one.on.iter().map(|entity| entity.name()).collect();
        let (name, unit, on, attributes) = (one.name, one.unit, on.join(", "), one.attributes);
        out += &format!("| `{name}` | `{unit}` | {kind} | {on} | {attributes} | {} |\n", one.what);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_table_that_the_code_uses() {
        let docs = include_str!("../../../docs/export.md");
        assert!(docs.contains(&markdown()), "put this into docs/export.md:\n{}", markdown());
    }

    #[test]
    fn names_are_unique_and_units_are_given() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|one| !one.unit.is_empty() && one.what.ends_with('.')));
    }
}
