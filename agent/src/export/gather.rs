//! One export of metrics: asks the [`Watch`] for who is there, and has each written down.
//!
//! Documents of processes are copied one at a time, so that ten thousand are never held at once.

use super::catalog::Entity;
use super::choose::keep;
use super::model::Model;
use super::proto::ResourceMetrics;
use crate::target::{ProcessId, Target, TargetKind};
use crate::verdict::State;
use crate::view::{CgroupView, ExportView, ReportState, ReportSummary, Watch};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Who is exported at most, suspects excepted.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub processes_max: usize,
    /// And as many pods.
    pub containers_max: usize,
}

/// What became of one export.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    pub entities: usize,
    pub omitted: BTreeMap<String, usize>,
}

const SUSPECT: [State; 3] = [State::OomImminent, State::OomPredicted, State::LeakSuspected];

/// Hands the resources of all who are exported to `emit`, one after another.
pub fn gather(
    watch: &dyn Watch,
    model: &mut Model,
    bounds: Bounds,
    so_far: &ExportView,
    mut emit: impl FnMut(&ResourceMetrics),
) -> Gathered {
    let mut gathered = Gathered::default();
    let mut put = |resource: ResourceMetrics| {
        gathered.entities += 1;
        emit(&resource);
    };
    let own = watch.own();
    put(model.node(&watch.node(), &watch.pressure(), &own));
    put(model.agent(&own, so_far));
    let cgroups = watch.cgroups();
    let sorted = Sorted::of(&cgroups);
    let mut omitted = BTreeMap::new();
    for (entity, mut chosen) in [
        (Entity::Pod, sorted.pods),
        (Entity::Container, sorted.containers),
        (Entity::Cgroup, sorted.others),
    ] {
        let left = keep(&mut chosen, bounds.containers_max, |c| is_suspect(c), |c| c.usage_bytes.0);
        chosen.into_iter().for_each(|one| put(model.cgroup(entity, one)));
        let name = if entity == Entity::Cgroup { "other" } else { entity.name() };
        omitted.insert(name.to_owned(), left);
    }
    let mut workloads = suspects(watch, TargetKind::Workload);
    let left = keep(&mut workloads, bounds.containers_max, |_| true, |v| v.used_bytes.0);
    *omitted.entry("other".to_owned()).or_default() += left;
    workloads.iter().for_each(|verdict| put(model.workload(verdict)));
    let left = processes(watch, model, bounds.processes_max, &cgroups, &mut put);
    omitted.insert(Entity::Process.name().to_owned(), left);
    gathered.omitted = omitted;
    gathered
}

fn suspects(watch: &dyn Watch, kind: TargetKind) -> Vec<crate::verdict::Verdict> {
    SUSPECT.iter().flat_map(|state| watch.verdicts(Some(*state), Some(kind))).collect()
}

fn is_suspect(cgroup: &CgroupView) -> bool {
    cgroup.judgement.state >= State::LeakSuspected
}

/// The cgroups of pods and of containers, and suspects that are neither.
#[derive(Default)]
struct Sorted<'a> {
    pods: Vec<&'a CgroupView>,
    containers: Vec<&'a CgroupView>,
    others: Vec<&'a CgroupView>,
}

impl<'a> Sorted<'a> {
    /// Of several cgroups of one pod or container, such as those that crun or a program in it
    /// makes, the outermost counts for it.
    fn of(cgroups: &'a [CgroupView]) -> Self {
        let mut pods: FxHashMap<&str, &CgroupView> = FxHashMap::default();
        let mut containers: FxHashMap<&str, &CgroupView> = FxHashMap::default();
        let mut others = Vec::new();
        for cgroup in cgroups {
            let label = |name: &str| cgroup.labels.get(name).map(String::as_str);
            let (table, id) = match (label("container.id"), label("k8s.pod.uid")) {
                (Some(id), _) => (&mut containers, id),
                (None, Some(uid)) => (&mut pods, uid),
                (None, None) => {
                    others.extend(is_suspect(cgroup).then_some(cgroup));
                    continue;
                }
            };
            let outermost = table.entry(id).or_insert(cgroup);
            if cgroup.path.len() < outermost.path.len() {
                *outermost = cgroup;
            }
        }
        let mut sorted = Self { others, ..Self::default() };
        sorted.pods.extend(pods.into_values());
        sorted.containers.extend(containers.into_values());
        sorted
    }
}

/// Returns how many were left out.
fn processes(
    watch: &dyn Watch,
    model: &mut Model,
    max: usize,
    cgroups: &[CgroupView],
    put: &mut impl FnMut(ResourceMetrics),
) -> usize {
    let ids =
        suspects(watch, TargetKind::Process).into_iter().filter_map(|verdict| {
            match verdict.target.id.parse() {
                Ok(Target::Process(id)) => Some(id),
                _ => None,
            }
        });
    let mut chosen: Vec<(ProcessId, u64)> = ids.map(|id| (id, u64::MAX)).collect();
    let known: FxHashSet<ProcessId> = chosen.iter().map(|(id, _)| *id).collect();
    let largest = watch.largest(max.max(1));
    let others = largest.processes.into_iter().filter(|(id, _)| !known.contains(id));
    chosen.extend(others.map(|(id, size)| (id, size.0)));
    keep(&mut chosen, max, |one| one.1 == u64::MAX, |one| one.1);
    let reports = watch.reports();
    let mut newest: FxHashMap<&str, &ReportSummary> = FxHashMap::default();
    for report in reports.iter().filter(|report| report.state == ReportState::Ready) {
        newest.entry(report.target.as_str()).or_insert(report);
    }
    let labels: FxHashMap<&str, _> =
        cgroups.iter().map(|cgroup| (cgroup.path.as_str(), &cgroup.labels)).collect();
    let omitted = largest.total.saturating_sub(chosen.len());
    for (id, _) in chosen {
        let Some(process) = watch.exported(id) else { continue };
        let labels = process.view.cgroup.as_deref().and_then(|path| labels.get(path).copied());
        put(model.process(&process, labels, newest.get(process.view.id.as_str()).copied()));
    }
    omitted
}
