//! The thread of the senses: waits, tells, rests, listens again.

use super::plan::Wanted;
use super::rest::Rest;
use super::{Ears, Message, Report, Sensed};
use crate::clock::Stamp;
use crate::sources::ReadError;
use crate::sources::cgroup::{Notice, Notices};
use crate::sources::psi::Trigger;
use crate::units::Bytes;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use slab::Slab;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 64;

const WAKER: u64 = u64::MAX;
const NODE: u64 = u64::MAX - 1;
/// Two bits of a token say which of a cgroup's notices it is.
const NOTICES: [Notice; 3] = [Notice::Threshold, Notice::Events, Notice::Pressure];

/// A cgroup that is listened to.
#[derive(Debug)]
struct Ear {
    path: Arc<str>,
    limit: Bytes,
    trigger: bool,
    notices: Notices,
    rest: Rest,
}

#[derive(Debug)]
pub(super) struct Watch {
    ears: Ears,
    epoll: OwnedFd,
    node: Result<Trigger, ReadError>,
    node_rest: Rest,
    cgroups: Slab<Ear>,
    /// What rests, and until when it does.
    resting: Vec<(Stamp, u64)>,
    reported: Option<Report>,
    buf: Vec<u8>,
}

impl Watch {
    pub(super) fn new(ears: Ears) -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &*ears.waker, EventData::new_u64(WAKER), EventFlags::IN)?;
        let node = Trigger::arm(&ears.roots.proc.join("pressure/memory"));
        if let Ok(trigger) = &node {
            epoll::add(&epoll, trigger, EventData::new_u64(NODE), flags_of(Notice::Pressure))?;
        }
        Ok(Self {
            ears,
            epoll,
            node,
            node_rest: Rest::default(),
            cgroups: Slab::new(),
            resting: Vec::new(),
            reported: None,
            buf: Vec::new(),
        })
    }

    pub(super) fn run(&mut self) {
        self.report(None);
        let mut space = [MaybeUninit::<Event>::uninit(); EVENTS_MAX];
        loop {
            let timeout = self.sleep();
            let (events, _) = match epoll::wait(&self.epoll, &mut space, timeout.as_ref()) {
                Ok(events) => events,
                Err(Errno::INTR) => continue,
                Err(error) => {
                    tracing::error!(%error, "the early senses have failed; sampling goes on");
                    return;
                }
            };
            for event in events {
                if !self.hear(event.data.u64()) {
                    return;
                }
            }
            self.listen_again();
        }
    }

    /// How long there is nothing to do; None: until something is said.
    fn sleep(&self) -> Option<Timespec> {
        let next = self.resting.iter().map(|(until, _)| *until).min()?;
        let left = next.since(self.ears.clock.now());
        let nanos = i64::from(left.subsec_nanos());
        // A millisecond more: an instant is whole milliseconds, so this one may not be over yet.
        Some(Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: (nanos + 1_000_000).min(999_999_999),
        })
    }

    /// False when it is over.
    fn hear(&mut self, token: u64) -> bool {
        match token {
            WAKER => self.take_plans(),
            NODE => {
                let until = self.node_rest.spoke(self.ears.clock.now());
                self.resting.push((until, NODE));
                self.ears.tell.tell(Message::Sensed(Sensed::Node))
            }
            _ => self.hear_cgroup(token),
        }
    }

    fn hear_cgroup(&mut self, token: u64) -> bool {
        let (at, notice) = parts(token);
        let Some(ear) = self.cgroups.get_mut(at) else { return true };
        if ear.notices.hear(notice, &mut self.buf).is_err() {
            // It has ended; the sampler finds that by itself.
            self.drop_ear(at);
            self.report(None);
            return true;
        }
        let sensed = Sensed::Cgroup { path: Arc::clone(&ear.path), how: notice.name() };
        let until = ear.rest.spoke(self.ears.clock.now());
        self.resting.push((until, token));
        self.ears.tell.tell(Message::Sensed(sensed))
    }

    /// Arms those whose rest is over. What they had to say meanwhile is heard at once.
    fn listen_again(&mut self) {
        let now = self.ears.clock.now();
        let (epoll, cgroups, node) = (&self.epoll, &self.cgroups, &self.node);
        self.resting.retain(|&(until, token)| {
            if until > now {
                return true;
            }
            let (at, notice) = parts(token);
            let data = EventData::new_u64(token);
            // A descriptor that is gone from the set was dropped meanwhile.
            if token == NODE {
                if let Ok(trigger) = node {
                    let _ = epoll::modify(epoll, trigger, data, flags_of(Notice::Pressure));
                }
            } else if let Some(ear) = cgroups.get(at) {
                let fd = ear.notices.fds().find(|(of, _)| *of == notice);
                if let Some((_, fd)) = fd {
                    let _ = epoll::modify(epoll, fd, data, flags_of(notice));
                }
            }
            false
        });
    }

    fn take_plans(&mut self) -> bool {
        // Eventfds are read whole; that it was empty is no matter.
        let _ = rustix::io::read(&*self.ears.waker, &mut [0_u8; 8]);
        let mut newest = None;
        loop {
            match self.ears.plans.try_recv() {
                Ok(plan) => newest = Some(plan),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        if let Some(plan) = newest {
            self.follow(&plan);
        }
        true
    }

    fn follow(&mut self, plan: &[Wanted]) {
        let same = |ear: &Ear, w: &Wanted| {
            ear.path == w.path && ear.limit == w.limit && ear.trigger == w.trigger
        };
        let over: Vec<usize> = self
            .cgroups
            .iter()
            .filter(|(_, ear)| !plan.iter().any(|w| same(ear, w)))
            .map(|(at, _)| at)
            .collect();
        for at in over {
            self.drop_ear(at);
        }
        let mut refused = None;
        for wanted in plan {
            if !self.cgroups.iter().any(|(_, ear)| same(ear, wanted)) {
                match self.open(wanted) {
                    Ok(()) | Err(ReadError::Gone) => {}
                    Err(why) => refused = refused.or(Some(why.to_string())),
                }
            }
        }
        self.report(refused);
    }

    fn open(&mut self, wanted: &Wanted) -> Result<(), ReadError> {
        let Some(layout) = &self.ears.layout else { return Ok(()) };
        let Wanted { path, limit, trigger } = wanted;
        let notices = Notices::open(layout, path, *limit, *trigger)?;
        let slot = self.cgroups.vacant_entry();
        for (notice, fd) in notices.fds() {
            let data = EventData::new_u64(token(slot.key(), notice));
            epoll::add(&self.epoll, fd, data, flags_of(notice))
                .map_err(|e| ReadError::of(&layout.dir(path), e.into()))?;
        }
        let (path, limit, trigger) = (Arc::clone(path), *limit, *trigger);
        slot.insert(Ear { path, limit, trigger, notices, rest: Rest::default() });
        Ok(())
    }

    /// Closing takes the descriptors out of the set.
    fn drop_ear(&mut self, at: usize) {
        self.cgroups.try_remove(at);
        self.resting.retain(|&(_, token)| token == NODE || parts(token).0 != at);
    }

    /// Tells the sampler what is listened to, if that changed. What was refused stays told.
    fn report(&mut self, refused: Option<String>) {
        let before = self.reported.take();
        let of_node = self.node.as_ref().err().map(ToString::to_string);
        let earlier = before.as_ref().and_then(|report| report.refused.clone());
        let descriptors = self.cgroups.iter().map(|(_, ear)| ear.notices.fds().count());
        let report = Report {
            node: self.node.as_ref().ok().map(|t| format!("the node's {}", t.describe())),
            cgroups: self.cgroups.len(),
            descriptors: descriptors.sum::<usize>() + usize::from(self.node.is_ok()) + 2,
            refused: of_node.or(refused).or(earlier),
        };
        if before.as_ref() != Some(&report) {
            self.ears.tell.tell(Message::Report(report.clone()));
        }
        self.reported = Some(report);
    }
}

/// One word, then nothing until it is listened to again.
fn flags_of(notice: Notice) -> EventFlags {
    let kind = match notice {
        Notice::Threshold => EventFlags::IN,
        Notice::Events | Notice::Pressure => EventFlags::PRI,
    };
    kind | EventFlags::ONESHOT
}

fn token(at: usize, notice: Notice) -> u64 {
    let kind = NOTICES.iter().position(|n| *n == notice).unwrap_or_default();
    (at as u64) << 2 | kind as u64
}

fn parts(token: u64) -> (usize, Notice) {
    let kind = NOTICES.get((token & 3) as usize).copied().unwrap_or(Notice::Pressure);
    (usize::try_from(token >> 2).unwrap_or(usize::MAX), kind)
}
