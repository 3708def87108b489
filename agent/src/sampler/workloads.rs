//! Workloads: the sum of the processes that run one program for one owner. They outlive their
//! processes, so that a leak carried across restarts has a history.

use super::cgroups::Cgroup;
use super::standing::Standing;
use super::state::Track;
use super::table::Table;
use crate::clock::Stamp;
use crate::history::{History, Split};
use crate::target::Target;
use crate::workload::{Owner, OwnerKind};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

/// Workloads followed at once; beyond it processes are watched, their workload is not.
pub const WORKLOADS_MAX: usize = 8_192;
/// A workload without a process is forgotten after this long.
const EMPTY_KEPT: Duration = Duration::from_secs(2 * 3600);
/// Deaths remembered for the restart count.
const DEATHS_MAX: usize = 32;
const DEATHS_WITHIN: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub struct Workload {
    pub name: Arc<str>,
    pub owner: Arc<Owner>,
    pub track: Track,
    /// Sum over the live processes, as each was last read.
    pub sum: Split,
    pub members: usize,
    /// The one cgroup that all processes are in, or were when the last one ended: its limit is the
    /// workload's. None where they are spread over several, for then no one limit is.
    pub cgroup: Option<u32>,
    /// How many processes are in which cgroup.
    cgroups: Vec<(u32, usize)>,
    pub standing: Standing,
    /// Processes that were forked by a member and ended before they could be read.
    pub short_lived: u64,
    pub seen_at: Stamp,
    deaths: VecDeque<Stamp>,
    empty_since: Option<Stamp>,
}

impl Workload {
    #[must_use]
    pub fn target(&self) -> Target {
        Target::Workload(Arc::clone(&self.name))
    }

    /// Whose it is, by what is known of `cgroup`, the one that it or a process of it is in. Without
    /// one, a pod's workload has no container: its processes may be in several, one after the
    /// other or at once.
    #[must_use]
    pub fn labels(&self, cgroup: Option<&Cgroup>) -> BTreeMap<String, String> {
        let mut labels = cgroup.map_or(&self.owner, |cgroup| &cgroup.owner).labels.clone();
        if cgroup.is_none() && self.owner.kind == OwnerKind::Pod {
            let of_container = ["container.", "k8s.container."];
            labels.retain(|key, _| !of_container.iter().any(|start| key.starts_with(start)));
        }
        labels
    }

    /// Deaths by signal or failure within the last hour.
    #[must_use]
    pub fn restarts(&self, now: Stamp) -> u32 {
        let recent = self.deaths.iter().filter(|&&at| now.since(at) <= DEATHS_WITHIN);
        u32::try_from(recent.count()).unwrap_or(u32::MAX)
    }

    pub fn died(&mut self, now: Stamp) {
        if self.deaths.len() == DEATHS_MAX {
            self.deaths.pop_front();
        }
        self.deaths.push_back(now);
    }

    pub fn joined(&mut self, cgroup: Option<u32>) {
        self.members += 1;
        self.empty_since = None;
        self.place_found(cgroup);
    }

    /// It became known that a process, which has joined, is in `cgroup`.
    pub fn place_found(&mut self, cgroup: Option<u32>) {
        if let Some(cgroup) = cgroup {
            match self.cgroups.iter_mut().find(|(index, _)| *index == cgroup) {
                Some((_, members)) => *members += 1,
                None => self.cgroups.push((cgroup, 1)),
            }
        }
        self.settle_cgroup();
    }

    pub fn left(&mut self, cgroup: Option<u32>, last: Split, now: Stamp) {
        self.changed(last, Split::default());
        self.members = self.members.saturating_sub(1);
        if let Some((_, members)) = self.cgroups.iter_mut().find(|(i, _)| Some(*i) == cgroup) {
            *members -= 1;
        }
        self.cgroups.retain(|(_, members)| *members > 0);
        self.settle_cgroup();
        if self.members == 0 {
            self.sum = Split::default();
            self.empty_since = Some(now);
        }
    }

    fn settle_cgroup(&mut self) {
        if self.members > 0 {
            self.cgroup = match self.cgroups.as_slice() {
                [(only, members)] if *members == self.members => Some(*only),
                _ => None,
            };
        }
    }

    /// A member went from `before` to `after`.
    pub fn changed(&mut self, before: Split, after: Split) {
        self.sum = Split {
            used: self.sum.used - before.used + after.used,
            anon: self.sum.anon - before.anon + after.anon,
            file: self.sum.file - before.file + after.file,
            shmem: self.sum.shmem - before.shmem + after.shmem,
            swap: self.sum.swap - before.swap + after.swap,
        };
    }
}

#[derive(Debug, Default)]
pub struct Workloads {
    table: Table<Workload>,
    by_name: FxHashMap<Arc<str>, u32>,
}

impl Deref for Workloads {
    type Target = Table<Workload>;
    fn deref(&self) -> &Table<Workload> {
        &self.table
    }
}

impl DerefMut for Workloads {
    fn deref_mut(&mut self) -> &mut Table<Workload> {
        &mut self.table
    }
}

impl Workloads {
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Adds a workload without processes. None when there are too many.
    pub fn add(
        &mut self,
        name: &Arc<str>,
        owner: &Arc<Owner>,
        history: &mut History,
        now: Stamp,
    ) -> Option<u32> {
        if self.table.len() >= WORKLOADS_MAX {
            return None;
        }
        let index = self.table.insert(Workload {
            name: Arc::clone(name),
            owner: Arc::clone(owner),
            track: Track::new(history.open(&Target::Workload(Arc::clone(name)), now), now),
            sum: Split::default(),
            members: 0,
            cgroup: None,
            cgroups: Vec::new(),
            standing: Standing::default(),
            short_lived: 0,
            seen_at: now,
            deaths: VecDeque::new(),
            empty_since: None,
        });
        self.by_name.insert(Arc::clone(name), index);
        Some(index)
    }

    /// The cgroup at `index` is no more.
    pub fn cgroup_removed(&mut self, index: u32) {
        for workload in self.table.iter_mut() {
            workload.cgroups.retain(|(other, _)| *other != index);
            if workload.cgroup == Some(index) {
                workload.cgroup = None;
            }
        }
    }

    /// Takes out the workloads that have had no process for too long.
    pub fn expire(&mut self, now: Stamp, history: &mut History) -> Vec<Target> {
        let by_name = &mut self.by_name;
        let mut ended = Vec::new();
        self.table.retain(|workload| {
            let kept = workload.empty_since.is_none_or(|since| now.since(since) < EMPTY_KEPT);
            if !kept {
                history.close(workload.track.series, now);
                by_name.remove(&workload.name);
                ended.push(Target::Workload(Arc::clone(&workload.name)));
            }
            kept
        });
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::HistoryParams;
    use crate::sampler::cgroups::Cgroups;
    use crate::units::Bytes;
    use crate::workload::owner_of;

    #[test]
    fn a_process_has_the_labels_of_its_own_container_and_the_pods_workload_those_of_none() {
        let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(1) });
        let (mut workloads, mut cgroups) = (Workloads::default(), Cgroups::default());
        let pod = "/kubepods.slice/kubepods-pod2f1c3a54_9d0b_4c57_8a3e_6f0f4a8a1b22.slice";
        let path = |id: &str| format!("{pod}/cri-containerd-{}.scope", id.repeat(64)).into();
        let [first, second] = ["a", "b"].map(|id| cgroups.add(&path(id), &mut history, Stamp(0)));
        let owner = Arc::clone(&cgroups.get(first).unwrap().owner);
        let index = workloads.add(&"pod/java".into(), &owner, &mut history, Stamp(0)).unwrap();
        let workload = workloads.get(index).unwrap();
        let container = |cgroup| workload.labels(cgroup).get("container.id").cloned();
        assert_eq!(container(cgroups.get(first)), Some("a".repeat(64)));
        assert_eq!(container(cgroups.get(second)), Some("b".repeat(64)));
        assert_eq!(container(None), None);
        let uid = workload.labels(None).remove("k8s.pod.uid");
        assert_eq!(uid.as_deref(), Some("2f1c3a54-9d0b-4c57-8a3e-6f0f4a8a1b22"));
    }

    #[test]
    fn a_workload_has_the_limit_of_its_cgroup_only_while_all_its_processes_are_in_that_one() {
        let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(1) });
        let mut workloads = Workloads::default();
        let (owner, now) = (Arc::new(owner_of("/")), Stamp(0));
        let index = workloads.add(&"host/java".into(), &owner, &mut history, now).unwrap();
        let workload = workloads.get_mut(index).unwrap();
        let mut cgroups = Vec::new();
        workload.joined(Some(7));
        cgroups.push(workload.cgroup);
        workload.joined(Some(8));
        cgroups.push(workload.cgroup);
        workload.left(Some(7), Split::default(), now);
        cgroups.push(workload.cgroup);
        workload.joined(None);
        cgroups.push(workload.cgroup);
        workload.place_found(Some(8));
        cgroups.push(workload.cgroup);
        workload.left(Some(8), Split::default(), now);
        workload.left(Some(8), Split::default(), now);
        cgroups.push(workload.cgroup);
        assert_eq!(cgroups, [Some(7), None, Some(8), None, Some(8), Some(8)]);
        workloads.cgroup_removed(8);
        assert_eq!(workloads.get(index).unwrap().cgroup, None);
    }
}
