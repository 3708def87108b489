//! The memory cgroups that are watched, each with the ceiling that its ancestors and itself set.

use super::standing::Standing;
use super::state::Track;
use super::table::Table;
use crate::clock::Stamp;
use crate::history::{History, Split};
use crate::sources::cgroup::{Details, Kept, Usage, tightest};
use crate::target::Target;
use crate::units::{Bytes, Limit};
use crate::workload::names::{Directory, Known};
use crate::workload::{Owner, owner_of};
use rustc_hash::FxHashMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

#[derive(Debug)]
pub struct Cgroup {
    pub track: Track,
    pub kept: Option<Kept>,
    pub path: Arc<str>,
    pub ceiling: Ceiling,
    pub owner: Arc<Owner>,
    /// Its path has the id of a pod or container that is not known by name.
    pub unnamed: Option<Unnamed>,
    pub usage: Option<Usage>,
    /// When the parts of the usage were read.
    pub parts_at: Stamp,
    pub details: Option<Box<Details>>,
    pub details_at: Option<Stamp>,
    /// Of its counter of kills, how many were told of: the details may be read between a kill and
    /// the look at who was killed. None: it was not read yet.
    pub kills_told: Option<u64>,
    /// Usage changed since the details were read.
    pub details_stale: bool,
    pub processes: usize,
    pub standing: Standing,
    pub seen_at: Stamp,
    /// When a sense last spoke of it, for as long as that matters.
    pub roused_at: Option<Stamp>,
    /// The kernel tells us of its events.
    pub listened_to: bool,
    /// And of its stalls, by a trigger.
    pub triggered: bool,
    /// Its limit binds a subscriber of the pressure signal.
    pub pressed: bool,
}

impl Cgroup {
    #[must_use]
    pub fn max(&self) -> Limit {
        self.details.as_ref().map_or(Limit::Max, |d| d.max)
    }

    #[must_use]
    pub fn target(&self) -> Target {
        Target::Cgroup(Arc::clone(&self.path))
    }

    /// What the kernel could not get back by reclaim, usage where that is not known.
    #[must_use]
    pub fn held(&self) -> Bytes {
        self.usage.as_ref().map_or(Bytes::ZERO, |u| u.unreclaimable().unwrap_or(u.usage))
    }
}

/// The limit that is reached first, whose it is, and what may be taken until then.
#[derive(Clone, Debug, Default)]
pub struct Ceiling {
    pub limit: Limit,
    pub from: Option<Arc<str>>,
    /// Limit − what reclaim cannot free, at its tightest; None without a limit.
    pub headroom: Option<Bytes>,
}

/// Since when a name is missing, and how many answers have not brought it.
#[derive(Clone, Copy, Debug)]
pub struct Unnamed {
    pub since: Stamp,
    pub answers: u8,
}

#[derive(Debug, Default)]
pub struct Cgroups {
    table: Table<Cgroup>,
    names: Arc<Directory>,
    by_path: FxHashMap<Arc<str>, u32>,
}

impl Deref for Cgroups {
    type Target = Table<Cgroup>;
    fn deref(&self) -> &Table<Cgroup> {
        &self.table
    }
}

impl DerefMut for Cgroups {
    fn deref_mut(&mut self) -> &mut Table<Cgroup> {
        &mut self.table
    }
}

impl Cgroups {
    #[must_use]
    pub fn find(&self, path: &str) -> Option<u32> {
        self.by_path.get(path).copied()
    }

    /// Adds a cgroup that is not watched yet.
    pub fn add(&mut self, path: &Arc<str>, history: &mut History, now: Stamp) -> u32 {
        let series = history.open(&Target::Cgroup(Arc::clone(path)), now);
        let owner = self.owner_of(path);
        let unknown = self.names.knows(&owner.labels) == Known::No;
        let index = self.table.insert(Cgroup {
            track: Track::new(series, now),
            kept: None,
            path: Arc::clone(path),
            ceiling: Ceiling::default(),
            owner: Arc::new(owner),
            unnamed: unknown.then_some(Unnamed { since: now, answers: 0 }),
            usage: None,
            parts_at: now,
            details: None,
            details_at: None,
            kills_told: None,
            details_stale: true,
            processes: 0,
            standing: Standing::default(),
            seen_at: now,
            roused_at: None,
            listened_to: false,
            triggered: false,
            pressed: false,
        });
        self.by_path.insert(Arc::clone(path), index);
        index
    }

    /// Who owns the cgroup at `path`, which need not be watched, with the names that are known.
    #[must_use]
    pub fn owner_of(&self, path: &str) -> Owner {
        if let Some(cgroup) = self.find(path).and_then(|index| self.get(index)) {
            return (*cgroup.owner).clone();
        }
        let owner = owner_of(path);
        self.names.named(&owner).unwrap_or(owner)
    }

    /// Who is known by name.
    #[must_use]
    pub const fn names(&self) -> &Arc<Directory> {
        &self.names
    }

    /// Takes up a new directory: adds names, takes none away.
    pub fn take_up(&mut self, names: Arc<Directory>) {
        self.names = names;
        for cgroup in self.table.iter_mut() {
            if let Some(named) = self.names.named(&cgroup.owner) {
                cgroup.owner = Arc::new(named);
            }
            cgroup.unnamed = match self.names.knows(&cgroup.owner.labels) {
                Known::No => cgroup.unnamed.map(|unnamed| Unnamed {
                    answers: unnamed.answers.saturating_add(1),
                    ..unnamed
                }),
                Known::Yes | Known::Foreign => None,
            };
        }
    }

    pub fn remove(&mut self, index: u32) -> Option<Cgroup> {
        let cgroup = self.table.remove(index)?;
        self.by_path.remove(&cgroup.path);
        Some(cgroup)
    }

    /// Finds the tightest limit over `index` anew: a child may be killed for its ancestor.
    pub fn refresh_ceiling(&mut self, index: u32) {
        let Some(cgroup) = self.get(index) else { return };
        let path = Arc::clone(&cgroup.path);
        let tightest = tightest(&path, |ancestor| {
            let ancestor = self.get(self.find(ancestor)?)?;
            Some((ancestor.max(), ancestor.held()))
        });
        let from = tightest.from.and_then(|from| self.by_path.get_key_value(from));
        let from = from.map(|(path, _)| Arc::clone(path));
        let ceiling = Ceiling { limit: tightest.limit, from, headroom: tightest.headroom };
        if let Some(cgroup) = self.get_mut(index) {
            cgroup.ceiling = ceiling;
        }
    }

    /// The ceiling over a process or workload in `index`, as last found.
    #[must_use]
    pub fn ceiling(&self, index: u32) -> Option<&Ceiling> {
        self.get(index).map(|cgroup| &cgroup.ceiling)
    }
}

/// The history's view of a cgroup's usage. Reclaimable slab (dentries, inodes) is counted with the
/// page cache: both go when memory is short, and neither is a leak.
#[must_use]
pub fn split_of(usage: &Usage) -> Split {
    Split {
        used: usage.usage,
        anon: usage.anon.unwrap_or_default(),
        file: usage.file.unwrap_or_default() + usage.slab_reclaimable.unwrap_or_default(),
        shmem: usage.shmem.unwrap_or_default(),
        swap: usage.swap.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::HistoryParams;
    use crate::workload::names::{Container, Pod, place};

    #[test]
    fn names_are_taken_up_when_they_come_and_outlive_their_directory() {
        let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(1) });
        let mut cgroups = Cgroups::default();
        let (uid, id) = ("0f2c3bd2-2c66-4a7a-9e2d-2c5a1f0d9b7e", "a1".repeat(32));
        let directory = |ids: &[&String]| {
            let ids = ids.iter().map(ToString::to_string).collect();
            let app = Container { name: "app".into(), ids, ..Container::default() };
            Arc::new(Directory::new(vec![Pod {
                uids: vec![uid.into()],
                namespace: "shop".into(),
                name: "web-1".into(),
                containers: vec![app],
                ..Pod::default()
            }]))
        };
        let path = format!("/kubepods/pod{uid}/{id}");
        let index = cgroups.add(&path.as_str().into(), &mut history, Stamp(0));
        let seen = |cgroups: &Cgroups| {
            let cgroup = cgroups.get(index).unwrap();
            let answers = cgroup.unnamed.map(|unnamed| unnamed.answers);
            (place(&cgroup.owner.labels), answers)
        };
        assert_eq!(seen(&cgroups), (None, Some(0)));
        cgroups.take_up(directory(&[]));
        assert_eq!(seen(&cgroups), (Some("shop/web-1".into()), Some(1)));
        cgroups.take_up(directory(&[&id]));
        assert_eq!(seen(&cgroups), (Some("shop/web-1/app".into()), None));
        cgroups.take_up(Arc::default());
        let (name, _) = seen(&cgroups);
        assert_eq!(name.as_deref(), Some("shop/web-1/app"));
        cgroups.take_up(directory(&[&id]));
        let ended = format!("/kubepods/pod{uid}/{}", "b2".repeat(32));
        assert_eq!(place(&cgroups.owner_of(&path).labels).as_deref(), Some("shop/web-1/app"));
        assert_eq!(place(&cgroups.owner_of(&ended).labels).as_deref(), Some("shop/web-1"));
    }

    #[test]
    fn what_reclaim_can_drop_is_no_demand() {
        let usage = Usage {
            usage: Bytes::mib(100),
            anon: Some(Bytes::mib(30)),
            file: Some(Bytes::mib(40)),
            slab_reclaimable: Some(Bytes::mib(20)),
            slab_unreclaimable: Some(Bytes::mib(10)),
            ..Usage::default()
        };
        let split = split_of(&usage);
        assert_eq!(split.used - split.file, Bytes::mib(40));
    }
}
