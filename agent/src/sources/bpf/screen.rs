//! All processes at one look: who changed since the last one, without a system call for each.
//!
//! To be asked whether anything changed, not how much there is: see `plimsoll_bpf::tasks`. One pass
//! goes over every thread of the node, so it is worth its price only where many are due at once.

use plimsoll_bpf::{Edge, TaskRecord, Tasks};

/// What the last pass saw. 36 bytes for each process.
#[derive(Debug)]
pub struct Screen {
    tasks: Tasks,
    /// Of `records`, side by side: they are searched.
    pids: Vec<u32>,
    records: Vec<TaskRecord>,
}

impl Screen {
    /// Loads the task iterator.
    ///
    /// Cost: 0.1 s, most of it for the kernel's types, which are given back.
    ///
    /// # Errors
    /// One line that says why not.
    pub fn open() -> Result<Self, String> {
        let edge = Edge::open().map_err(|refusal| refusal.to_string())?;
        let tasks = Tasks::open(&edge).map_err(|refusal| refusal.to_string())?;
        Ok(Self { tasks, pids: Vec::new(), records: Vec::new() })
    }

    /// Looks at every process, of which at most `processes_max` are kept.
    ///
    /// Cost: 0.3 µs for each thread of the node.
    ///
    /// # Errors
    /// What the kernel said; nothing is known then.
    pub fn look(&mut self, processes_max: usize) -> std::io::Result<()> {
        self.forget();
        let (pids, records) = (&mut self.pids, &mut self.records);
        let seen = self.tasks.pass(|record| {
            // In the order of pids; one that is not is left out, and so read in the ordinary way.
            if pids.last().is_none_or(|&last| last < record.pid) && pids.len() < processes_max {
                pids.push(record.pid);
                records.push(record);
            }
        });
        if seen.is_err() {
            self.forget();
        }
        seen.map(drop)
    }

    /// Nothing is known any more.
    pub fn forget(&mut self) {
        self.pids.clear();
        self.records.clear();
    }

    /// The process as the last look found it.
    #[must_use]
    pub fn find(&self, pid: u32) -> Option<&TaskRecord> {
        self.records.get(self.pids.binary_search(&pid).ok()?)
    }
}
