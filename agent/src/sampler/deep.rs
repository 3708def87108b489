//! Readings that take the target's `mmap_lock`: command lines, `smaps_rollup`, and the evidence
//! that is collected of a suspect.
//!
//! They run on a thread of their own, because a target that holds its lock (a huge mapping, a stuck
//! page fault) blocks the reader for as long. The sampler asks, goes on, and learns the answer
//! later; a reader that does not come back is reported, never waited for.

use crate::clock::Stamp;
use crate::recorder::heap::{Of, heap_report};
use crate::reports::{Reports, Room};
use crate::sources::cgroup::{Layout, read_memory_stat};
use crate::sources::process::{
    Mappings, Redactor, SmapsRollup, read_cmdline, read_smaps, read_smaps_rollup,
};
use crate::sources::{ReadError, Roots};
use crate::target::{ProcessId, Target};
use crate::view::Stage;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};

/// Questions that may wait; beyond it the asker is told to come again.
const QUEUE_MAX: usize = 1024;

#[derive(Clone, Debug)]
pub enum Ask {
    Cmdline(ProcessId),
    Smaps(ProcessId),
    Evidence(Box<Probe>),
}

#[derive(Debug)]
pub enum Answer {
    Cmdline(ProcessId, Result<String, ReadError>),
    Smaps(ProcessId, Result<SmapsRollup, ReadError>),
    Evidence(Box<Findings>),
}

/// What is to be found out about a suspect.
#[derive(Clone, Debug)]
pub struct Probe {
    pub suspect: Target,
    pub stage: Stage,
    pub at: Stamp,
    /// The process to look into, and whether its mappings may be walked within the stall budget.
    pub process: Option<(ProcessId, bool)>,
    pub comm: Option<String>,
    pub room: Room,
    pub cgroup: Option<(Arc<Layout>, String)>,
}

#[derive(Debug)]
pub struct Findings {
    pub probe: Probe,
    pub mappings: Option<Mappings>,
    pub smaps: Option<SmapsRollup>,
    pub smaps_error: Option<ReadError>,
    pub memory_stat: Option<BTreeMap<String, u64>>,
    pub heap_report: Option<String>,
}

#[derive(Debug)]
pub struct Deep {
    asks: SyncSender<Ask>,
    answers: Receiver<Answer>,
    pending: usize,
}

impl Deep {
    /// Starts the reader. What it looks into is looked into by `reports` as well.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(
        roots: Roots,
        redactor: Redactor,
        reports: Option<Arc<Reports>>,
    ) -> std::io::Result<Self> {
        let (asks, questions) = sync_channel(QUEUE_MAX);
        let (tell, answers) = channel();
        std::thread::Builder::new().name("plimsoll-deep".into()).stack_size(256 * 1024).spawn(
            move || {
                let reader = Reader { roots, redactor, reports };
                reader.answer_all(&questions, &tell);
            },
        )?;
        Ok(Self { asks, answers, pending: 0 })
    }

    /// Puts a question; false when the queue is full or the reader is gone.
    pub fn ask(&mut self, ask: Ask) -> bool {
        match self.asks.try_send(ask) {
            Ok(()) => {
                self.pending += 1;
                true
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// The next answer, if one is there.
    pub fn answer(&mut self) -> Option<Answer> {
        let answer = self.answers.try_recv().ok()?;
        self.pending = self.pending.saturating_sub(1);
        Some(answer)
    }

    /// Questions without an answer yet.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.pending
    }
}

struct Reader {
    roots: Roots,
    redactor: Redactor,
    reports: Option<Arc<Reports>>,
}

impl Reader {
    fn answer_all(&self, asks: &Receiver<Ask>, tell: &Sender<Answer>) {
        let roots = &self.roots;
        for ask in asks {
            let answer = match ask {
                Ask::Cmdline(id) => Answer::Cmdline(id, read_cmdline(roots, id, &self.redactor)),
                Ask::Smaps(id) => Answer::Smaps(id, read_smaps_rollup(roots, id)),
                Ask::Evidence(probe) => Answer::Evidence(Box::new(self.find_out(*probe))),
            };
            if tell.send(answer).is_err() {
                return;
            }
        }
    }

    fn find_out(&self, probe: Probe) -> Findings {
        let roots = &self.roots;
        let (mut mappings, mut smaps, mut smaps_error) = (None, None, None);
        if let Some((id, true)) = probe.process {
            match read_smaps(roots, id) {
                Ok((kinds, sums)) => (mappings, smaps) = (Some(kinds), Some(sums)),
                // Too many mappings to be listed: their sums are cheaper.
                Err(ReadError::Io { .. }) => match read_smaps_rollup(roots, id) {
                    Ok(sums) => smaps = Some(sums),
                    Err(what) => smaps_error = Some(what),
                },
                Err(what) => smaps_error = Some(what),
            }
        }
        let cgroup = probe.cgroup.as_ref();
        let memory_stat = cgroup.and_then(|(layout, path)| read_memory_stat(layout, path).ok());
        // It keeps to the stall budget by itself, whatever the size of the process.
        let heap_report = probe.process.and_then(|(id, _)| {
            let of = Of { process: id, comm: probe.comm.clone(), room: probe.room };
            heap_report(self.reports.as_deref(), of, probe.stage)
        });
        Findings { probe, mappings, smaps, smaps_error, memory_stat, heap_report }
    }
}
