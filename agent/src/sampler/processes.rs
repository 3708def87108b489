//! The processes that are watched, by pid and start time.

use super::standing::Standing;
use super::state::Track;
use super::table::Table;
use crate::clock::Stamp;
use crate::history::History;
use crate::sources::process::{Details, Identity, Kept, SmapsRollup, Statm};
use crate::target::{ProcessId, Target};
use crate::units::{Bytes, Pages};
use crate::verdict::Inside;
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// The part that every reading touches; the rest is behind one pointer.
#[derive(Debug)]
pub struct Process {
    pub track: Track,
    pub kept: Option<Kept>,
    /// The reading after which nothing was left to do. As long as the same comes again and no
    /// judgement is due, a visit ends there, without a look at the facts.
    pub calm: Option<Reading>,
    pub facts: Box<Facts>,
}

/// What a visit reads: through a kept descriptor `statm`, else `stat`, and `statm` if that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Kept(Statm),
    /// The RSS that `stat` shows.
    Opened(Pages),
}

/// What is known of a process besides its memory now.
#[derive(Debug)]
pub struct Facts {
    pub id: ProcessId,
    pub comm: Box<str>,
    pub exe: Option<Arc<str>>,
    pub uid: Option<u32>,
    pub cgroup_path: Option<Arc<str>>,
    pub cgroup: Option<u32>,
    pub workload: Option<u32>,
    /// When this agent first saw it.
    pub seen_at: Stamp,
    /// It was young when it was first seen, and where it is was not looked up again since.
    pub is_arriving: bool,
    pub particulars: Particulars,
    /// Memory changed since the particulars were read.
    pub particulars_stale: bool,
    pub cmdline: Option<Box<str>>,
    pub smaps: Option<Box<SmapsRollup>>,
    pub smaps_note: Option<Box<str>>,
    pub smaps_at: Option<Stamp>,
    /// What the newest heap report says.
    pub inside: Option<Inside>,
    pub standing: Standing,
}

impl Facts {
    #[must_use]
    pub const fn target(&self) -> Target {
        Target::Process(self.id)
    }
}

/// What `status`, `stat` and `fd` told last, cut to what is shown. Absent until first read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Particulars {
    pub read_at: Option<Stamp>,
    pub peak: Option<Bytes>,
    pub virtual_size: Option<Bytes>,
    pub shmem: Option<Bytes>,
    pub swap: Option<Bytes>,
    pub threads: Option<u32>,
    pub open_fds: Option<u32>,
    pub minor_faults: Option<u64>,
    pub major_faults: Option<u64>,
}

impl Particulars {
    #[must_use]
    pub fn of(details: &Details, now: Stamp) -> Self {
        Self {
            read_at: Some(now),
            peak: details.status.vm_hwm,
            virtual_size: details.status.vm_size,
            shmem: details.status.rss_shmem,
            swap: details.status.vm_swap,
            threads: Some(details.stat.num_threads),
            open_fds: details.open_fds.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            minor_faults: Some(details.stat.minflt),
            major_faults: Some(details.stat.majflt),
        }
    }
}

#[derive(Debug, Default)]
pub struct Processes {
    table: Table<Process>,
    by_pid: FxHashMap<u32, u32>,
    /// Kernel threads: they hold no memory of their own.
    pub kernel_threads: FxHashSet<u32>,
    /// One copy of each executable's path and each cgroup's.
    names: FxHashSet<Arc<str>>,
}

impl Deref for Processes {
    type Target = Table<Process>;
    fn deref(&self) -> &Table<Process> {
        &self.table
    }
}

impl DerefMut for Processes {
    fn deref_mut(&mut self) -> &mut Table<Process> {
        &mut self.table
    }
}

impl Processes {
    #[must_use]
    pub fn index_of(&self, pid: u32) -> Option<u32> {
        self.by_pid.get(&pid).copied()
    }

    #[must_use]
    pub fn by_pid(&self, pid: u32) -> Option<&Process> {
        self.get(self.index_of(pid)?)
    }

    /// Adds a process that is not watched yet. Its place in cgroup and workload is the caller's.
    pub fn add(&mut self, identity: Identity, history: &mut History, now: Stamp) -> u32 {
        let series = history.open(&Target::Process(identity.id), now);
        let facts = Facts {
            id: identity.id,
            comm: identity.comm.into_boxed_str(),
            exe: identity.exe.map(|exe| self.name(&exe)),
            uid: identity.uid,
            cgroup_path: None,
            cgroup: None,
            workload: None,
            seen_at: now,
            is_arriving: true,
            particulars: Particulars::default(),
            particulars_stale: true,
            cmdline: None,
            smaps: None,
            smaps_note: None,
            smaps_at: None,
            inside: None,
            standing: Standing::default(),
        };
        let track = Track::new(series, now);
        let index =
            self.table.insert(Process { track, kept: None, calm: None, facts: Box::new(facts) });
        self.by_pid.insert(identity.id.pid, index);
        index
    }

    pub fn remove(&mut self, index: u32) -> Option<Process> {
        let process = self.table.remove(index)?;
        self.by_pid.remove(&process.facts.id.pid);
        Some(process)
    }

    /// The one shared copy of `text`.
    pub fn name(&mut self, text: &str) -> Arc<str> {
        if let Some(name) = self.names.get(text) {
            return Arc::clone(name);
        }
        let name: Arc<str> = text.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    /// Forgets shared names that nobody holds any more.
    pub fn forget_names(&mut self) {
        self.names.retain(|name| Arc::strong_count(name) > 1);
    }
}
