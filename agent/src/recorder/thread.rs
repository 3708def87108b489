//! The recorder's thread: composes incidents and writes them, so that nobody else waits for it.

use super::draft::{Checkpoint, Draft, More};
use super::shelf::Shelf;
use super::{compose, compose::finish};
use crate::reports::Reports;
use crate::view::{Aftermath, IncidentSummary};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;

/// Jobs that may wait for a slow disk. A draft has some 300 KiB.
const QUEUE_MAX: usize = 16;
/// Victims listed in one incident; more are counted.
pub const VICTIMS_MAX: usize = 64;

/// What the sampler asks of the thread.
#[derive(Debug)]
pub enum Job {
    Draft(Box<Draft>),
    More(More),
    Aftermath(String, Aftermath),
    /// An incident's cgroups that are known by name now, with the labels of their owners.
    Named(String, Vec<(String, BTreeMap<String, String>)>),
    Checkpoint(Box<Checkpoint>),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first time that this incident is told of; else it was completed.
    pub is_new: bool,
    pub summary: IncidentSummary,
}

/// How the thread is doing, as the health report has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriterHealth {
    Good(String),
    Bad(String),
    /// Nothing is to be kept on disk.
    Off,
}

/// The handle on the thread. When it is dropped all that is queued is written first.
#[derive(Debug)]
pub struct Writer {
    jobs: Option<SyncSender<Job>>,
    outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
    shelf: Arc<Shelf>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn start(shelf: Arc<Shelf>, reports: Option<Arc<Reports>>) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        let (tell, outcomes) = channel();
        let own = Arc::clone(&shelf);
        let thread = std::thread::Builder::new()
            .name("plimsoll-record".into())
            .stack_size(512 * 1024)
            .spawn(move || work(&own, reports.as_deref(), &queue, &tell))?;
        Ok(Self { jobs: Some(jobs), outcomes, thread: Some(thread), shelf })
    }

    /// Hands over a job without waiting; gives it back if the queue is full.
    ///
    /// # Errors
    /// The job.
    pub fn submit(&self, job: Job) -> Result<(), Box<Job>> {
        let Some(jobs) = &self.jobs else { return Err(Box::new(job)) };
        jobs.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => Box::new(job),
        })
    }

    /// The next incident that was put up, if there is one.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcomes.try_recv().ok()
    }

    #[must_use]
    pub const fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    #[must_use]
    pub fn health(&self) -> WriterHealth {
        match (self.shelf.health(), self.shelf.dir()) {
            (Some(why), _) => WriterHealth::Bad(why),
            (None, Some(dir)) => WriterHealth::Good(format!("kept in {}", dir.display())),
            (None, None) => WriterHealth::Off,
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It panicked if this fails; the panic's message is in the log.
            let _ = thread.join();
        }
    }
}

fn work(shelf: &Shelf, reports: Option<&Reports>, jobs: &Receiver<Job>, tell: &Sender<Outcome>) {
    for job in jobs {
        let (is_new, incident) = match job {
            Job::Draft(draft) => (true, with_reports(compose(*draft), reports)),
            Job::More(more) => match with_more(shelf, more) {
                Some(incident) => (false, incident),
                None => continue,
            },
            Job::Aftermath(id, aftermath) => {
                let Some(mut incident) = shelf.read(&id).map(Arc::unwrap_or_clone) else {
                    continue;
                };
                incident.aftermath = Some(aftermath);
                finish(&mut incident);
                (false, incident)
            }
            Job::Named(id, named) => {
                let Some(mut incident) = shelf.read(&id).map(Arc::unwrap_or_clone) else {
                    continue;
                };
                name(&mut incident, &named);
                (false, incident)
            }
            Job::Checkpoint(checkpoint) => {
                shelf.retry();
                shelf.checkpoint(&checkpoint);
                continue;
            }
        };
        let mut summary = incident.in_short(false);
        summary.on_disk = shelf.put(incident);
        if tell.send(Outcome { is_new, summary }).is_err() {
            return;
        }
    }
}

/// Enters names that came after the incident.
fn name(incident: &mut crate::view::Incident, named: &[(String, BTreeMap<String, String>)]) {
    let of = |path: Option<&str>| {
        let known = named.iter().find(|(known, _)| Some(known.as_str()) == path);
        known.map(|(_, labels)| labels.clone()).unwrap_or_default()
    };
    for victim in &mut incident.victims {
        let labels = of(victim.cgroup.as_deref());
        victim.labels.extend(labels);
    }
    if let Some(memcg) = &mut incident.memcg {
        let labels = of(Some(&memcg.path));
        memcg.labels.extend(labels);
    }
    finish(incident);
}

fn with_reports(
    mut incident: crate::view::Incident,
    reports: Option<&Reports>,
) -> crate::view::Incident {
    if let Some(reports) = reports {
        super::inside::join(&mut incident, reports.shelf());
        finish(&mut incident);
    }
    incident
}

fn with_more(shelf: &Shelf, more: More) -> Option<crate::view::Incident> {
    let mut incident = shelf.read(&more.id).map(Arc::unwrap_or_clone)?;
    add_victims(&mut incident, more.victims, more.left_out);
    finish(&mut incident);
    Some(incident)
}

/// Adds victims up to [`VICTIMS_MAX`] and counts the rest.
pub fn add_victims(
    incident: &mut crate::view::Incident,
    victims: Vec<crate::view::Victim>,
    left_out: u32,
) {
    incident.victims_left_out = incident.victims_left_out.saturating_add(left_out);
    for victim in victims {
        if victim.by_group && incident.kind != crate::view::KillKind::Node {
            incident.kind = crate::view::KillKind::Group;
        }
        for grower in &mut incident.growers {
            grower.victim |= victim.target.as_deref() == Some(grower.target.as_str());
        }
        if incident.victims.len() < VICTIMS_MAX {
            incident.victims.push(victim);
        } else {
            incident.victims_left_out = incident.victims_left_out.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Stamp};
    use crate::view::{INCIDENT_SCHEMA, Incident, KillKind, Victim};
    use std::time::{Duration, Instant};

    fn outcome(writer: &Writer) -> Outcome {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(outcome) = writer.outcome() {
                return outcome;
            }
            assert!(Instant::now() < deadline, "nothing was put up");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_draft_becomes_an_incident_that_victims_and_aftermath_are_added_to() {
        let shelf = Arc::new(Shelf::in_memory());
        let writer = Writer::start(Arc::clone(&shelf), None).unwrap();
        let id = "20260101T000000Z-7".to_owned();
        let named = |pid| Victim { pid: Some(pid), by_group: true, ..Victim::default() };
        let incident = Incident {
            schema: INCIDENT_SCHEMA.into(),
            id: id.clone(),
            victims: vec![Victim { pid: Some(7), ..Victim::default() }],
            ..Incident::default()
        };
        let draft = Draft {
            clock: Clock::start(),
            killed_at: Stamp(0),
            incident,
            series: Vec::new(),
            said: Vec::new(),
        };
        writer.submit(Job::Draft(Box::new(draft))).unwrap();
        assert!(outcome(&writer).is_new);
        let more = More { id: id.clone(), victims: (10..100).map(named).collect(), left_out: 3 };
        writer.submit(Job::More(more)).unwrap();
        assert!(!outcome(&writer).is_new);
        writer.submit(Job::Aftermath(id.clone(), Aftermath::default())).unwrap();
        outcome(&writer);
        let whole = shelf.read(&id).unwrap();
        assert_eq!((whole.victims.len(), whole.victims_left_out), (VICTIMS_MAX, 30));
        assert_eq!((whole.kind, whole.aftermath.is_some()), (KillKind::Group, true));
        assert!(whole.summary.contains("(pid 7)") || whole.summary.contains("pid 7"));
        let unknown = More { id: "x".into(), ..More::default() };
        writer.submit(Job::More(unknown)).unwrap();
        drop(writer);
    }

    #[test]
    fn all_that_is_queued_is_written_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let params = super::super::ShelfParams {
            dir: Some(dir.path().to_owned()),
            incidents_max: 10,
            disk_budget: crate::units::Bytes::mib(1),
        };
        let shelf = Arc::new(Shelf::open(params).0);
        let writer = Writer::start(Arc::clone(&shelf), None).unwrap();
        let checkpoint = Checkpoint {
            schema: super::super::draft::CHECKPOINT_SCHEMA.into(),
            heard_ms: 5,
            ..Checkpoint::default()
        };
        writer.submit(Job::Checkpoint(Box::new(checkpoint.clone()))).unwrap();
        drop(writer);
        assert_eq!(super::super::shelf::read_checkpoint(dir.path()), Some(checkpoint));
    }
}
