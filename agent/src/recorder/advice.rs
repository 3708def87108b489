//! What to do next: plain rules that follow from cause and data, each with its reason. Pure.
//!
//! Rules say nothing where the data does not carry it: without a growth there is no culprit, and
//! without a limit none to raise.

use super::words::victim;
use crate::alert::plain;
use crate::units::Bytes;
use crate::verdict::Cause;
use crate::view::{Advice, ConstraintView, Grower, Incident, KillKind, SeenBy};

/// Advice in one incident.
const ADVICE_MAX: usize = 6;
/// A limit is advised at this share above what was wanted.
const ROOM: f64 = 1.25;
/// Limits are advised in steps of this.
const STEP: u64 = 16 << 20;
/// Growth that took less than this is called sudden. Units: seconds.
const SUDDEN_S: f64 = 30.0;
/// Less than this share of the usage in page cache is too little to matter.
const CACHE_SHARE: f64 = 0.1;
/// Below this share of the limit a growth explains nothing.
const GROWTH_SHARE: f64 = 0.1;

/// What follows from an incident, most useful first.
#[must_use]
pub fn advice(incident: &Incident) -> Vec<Advice> {
    let rules = [
        constraint(incident),
        culprit(incident),
        by_cause(incident),
        limit(incident),
        heap_cap(incident),
        child(incident),
        page_cache(incident),
        wrong_victim(incident),
        own_neighbour(incident),
        blind(incident),
    ];
    rules.into_iter().flatten().take(ADVICE_MAX).collect()
}

fn advise(what: String, why: String) -> Option<Advice> {
    Some(Advice { what, why })
}

/// The limit that was hit, or nothing for a kill outside of cgroups.
fn limit_of(incident: &Incident) -> Option<Bytes> {
    incident.memcg.as_ref().and_then(|memcg| memcg.limit_bytes.bytes())
}

/// Who grew most, if that growth matters.
fn main_grower(incident: &Incident) -> Option<&Grower> {
    let grower = incident.growers.first()?;
    let least =
        limit_of(incident).map_or(Bytes::mib(16).as_f64(), |limit| limit.as_f64() * GROWTH_SHARE);
    (grower.grown_bytes.as_f64() >= least).then_some(grower)
}

fn cause(incident: &Incident) -> Cause {
    incident.verdict.as_ref().map_or(Cause::Unknown, |verdict| verdict.cause)
}

const fn leaks(cause: Cause) -> bool {
    matches!(cause, Cause::HeapLeak | Cause::RetainedGrowth | Cause::Threads | Cause::Fds)
}

fn constraint(incident: &Incident) -> Option<Advice> {
    let (what, of) = match incident.constraint {
        ConstraintView::Cpuset => ("cpuset.mems of the cpuset", "cpuset"),
        ConstraintView::MemoryPolicy => ("the NUMA policy (numactl --membind, mbind)", "policy"),
        _ => return None,
    };
    advise(
        format!("Allow more memory nodes: widen {what}."),
        format!("Only the memory nodes of the {of} were exhausted, not the whole machine."),
    )
}

fn culprit(incident: &Incident) -> Option<Advice> {
    let grower = main_grower(incident)?;
    let name = plain(&grower.name);
    let took = duration(grower.for_s);
    advise(
        format!("Look at {name}: it grew most."),
        format!(
            "It grew by {} in {took} ({}/s) and held {} in the end.",
            grower.grown_bytes,
            Bytes(grower.rate_bytes_per_s.0.max(0.0) as u64),
            grower.used_bytes,
        ),
    )
}

fn by_cause(incident: &Incident) -> Option<Advice> {
    let (what, why) = match cause(incident) {
        Cause::HeapLeak => (
            "Compare two heap profiles taken some minutes apart; what only grows is the leak.",
            "Anonymous memory grew steadily and was never given back.",
        ),
        Cause::RetainedGrowth => (
            "Look for collections without a bound: caches, sessions, backlogs.",
            "The program held on to more and more live data.",
        ),
        Cause::Fragmentation => (
            "Try malloc_trim, fewer arenas (MALLOC_ARENA_MAX=2) or jemalloc.",
            "The allocator held memory that the program had freed.",
        ),
        Cause::CacheFill => (
            "Bound the cache below the limit, or raise the limit above the cache's bound.",
            "Growth slowed down as that of a cache does that fills to its own bound.",
        ),
        Cause::Shmem => (
            "Look at /dev/shm, tmpfs mounts and emptyDir volumes with medium Memory.",
            "Shared memory grew; the kernel cannot drop it, only swap it.",
        ),
        Cause::OffHeap => (
            "Check direct buffers, native libraries and mmap: heap settings do not bound them.",
            "Memory grew outside the runtime's managed heap.",
        ),
        Cause::Kernel => (
            "See which slab cache grew (dentries and sockets are the usual ones).",
            "The kernel's own memory grew, charged to the cgroup.",
        ),
        Cause::Threads => (
            "Look for thread pools that are made per request or never shut down.",
            "The number of threads grew, and each brings a stack and an arena.",
        ),
        Cause::Fds => (
            "List /proc/PID/fd of the next run: what repeats there is not being closed.",
            "Open files or sockets grew with the memory.",
        ),
        Cause::RestartLoop => (
            "Fix what grows from each start to its end; a restart only begins it anew.",
            "Each run of this workload grew until it was killed.",
        ),
        Cause::PageCache | Cause::Unknown => return None,
    };
    advise(what.to_owned(), why.to_owned())
}

/// Whether a higher limit helps, and to what.
fn limit(incident: &Incident) -> Option<Advice> {
    let memcg = incident.memcg.as_ref().filter(|_| incident.kind != KillKind::Node)?;
    let limit = memcg.limit_bytes.bytes()?;
    let peak = memcg.usage_bytes.unwrap_or(limit).max(limit);
    let raised = Bytes((peak.as_f64() * ROOM) as u64).0.next_multiple_of(STEP);
    let raised = Bytes(raised);
    let grower = main_grower(incident);
    let rate = grower.map_or(0.0, |grower| grower.rate_bytes_per_s.0);
    if leaks(cause(incident)) {
        let more = (raised - limit).as_f64();
        let buys = if rate > 0.0 { duration(more / rate) } else { "some time".to_owned() };
        return advise(
            format!("Raising the limit to {raised} would only buy {buys}."),
            "What leaks fills any limit; plan a restart before the kill until it is fixed.".into(),
        );
    }
    let why = match grower.filter(|grower| grower.for_s < SUDDEN_S) {
        Some(grower) => format!(
            "{} took {} within {}: a peak, not a leak. Bound what it does at once or give it room.",
            plain(&grower.name),
            grower.grown_bytes,
            duration(grower.for_s)
        ),
        None => {
            "No leak was seen before it: the work wanted more than its limit allows.".to_owned()
        }
    };
    advise(format!("Raise the limit of {} to {raised} and watch.", plain(&memcg.path)), why)
}

/// Runtimes size their heap by themselves unless they are told.
fn heap_cap(incident: &Incident) -> Option<Advice> {
    let limit = limit_of(incident)?;
    let first = incident.victims.first()?;
    let program = first.exe.as_deref().and_then(|exe| exe.rsplit('/').next());
    let program = program.or(first.comm.as_deref())?;
    let three_quarters = Bytes(limit.0 / 4 * 3);
    let mib = three_quarters.0 >> 20;
    let setting = match program {
        "java" => format!("-XX:MaxRAMPercentage=75 (or -Xmx{mib}m)"),
        "node" | "nodejs" => format!("--max-old-space-size={mib}"),
        "dotnet" => "DOTNET_GCHeapHardLimitPercent=75".to_owned(),
        _ => return None,
    };
    advise(
        format!("Cap the heap of {program} below the limit: {setting}."),
        format!(
            "Capped, it collects harder or fails by itself instead of being killed at {limit}."
        ),
    )
}

fn child(incident: &Incident) -> Option<Advice> {
    if incident.kind != KillKind::ChildProcess {
        return None;
    }
    let name = incident.victims.first().map(victim)?;
    advise(
        format!(
            "Check that the service noticed the loss of {name}; if it should fail as a whole, set \
             memory.oom.group=1 (systemd: OOMPolicy=kill)."
        ),
        "A child was killed and its container lives on: orchestrators do not see that.".into(),
    )
}

fn page_cache(incident: &Incident) -> Option<Advice> {
    let memcg = incident.memcg.as_ref()?;
    let (usage, file) = (memcg.usage_bytes?, memcg.file_bytes?);
    if usage == Bytes::ZERO || file.as_f64() > CACHE_SHARE * usage.as_f64() {
        return None;
    }
    advise(
        "Do not look for page cache: it is not to blame.".to_owned(),
        format!(
            "Of {usage} only {file} were page cache, and the kernel had dropped what it could."
        ),
    )
}

/// The kernel kills by size and adjustment, not by guilt.
fn wrong_victim(incident: &Incident) -> Option<Advice> {
    let grower = main_grower(incident).filter(|grower| !grower.victim)?;
    let first = incident.victims.first()?;
    let adjusted = match first.oom_score_adj {
        Some(adj) if adj > 0 => format!("its oom_score_adj of {adj} made it the first choice"),
        _ => "it was the largest".to_owned(),
    };
    advise(
        format!("Look at {} rather than at the victim.", plain(&grower.name)),
        format!("{} was chosen because {adjusted}; it is not what grew most.", victim(first)),
    )
}

fn own_neighbour(incident: &Incident) -> Option<Advice> {
    let memcg = incident.memcg.as_ref().filter(|memcg| memcg.holds_agent)?;
    advise(
        "Move the agent out of this cgroup, or give it a limit of its own.".to_owned(),
        format!("It runs below {} too: the next kill may be its own.", plain(&memcg.path)),
    )
}

fn blind(incident: &Incident) -> Option<Advice> {
    if incident.seen_by != SeenBy::Counters {
        return None;
    }
    advise(
        "Give the agent the capability SYSLOG.".to_owned(),
        "Only counters told of this kill; the kernel's log names victim, limit and tasks.".into(),
    )
}

fn duration(seconds: f64) -> String {
    match seconds.max(0.0).round() as u64 {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests;
