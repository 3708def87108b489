//! One thread of the generator: its share of the connections, on one epoll.

use super::super::random::Random;
use super::super::wire::key;
use super::connection::Connection;
use super::{Load, Mix, Outcome, Pace, is_over};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use rustix::io::Errno;
use rustix::thread::set_current_timer_slack;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Waits no longer than this before it looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const EVENTS_MAX: usize = 64;

/// What to send next.
#[derive(Debug)]
struct Source<'a> {
    load: &'a Load,
    random: Random,
    value: Vec<u8>,
    /// The next key of a fill and the step to the one after it.
    next: u64,
    step: u64,
}

impl Source<'_> {
    /// Writes a request to `connection`; false when there are no more.
    fn send(&mut self, connection: &mut Connection, due: Instant) -> bool {
        let load = self.load;
        let (number, is_set) = match load.mix {
            Mix::Fill if self.next >= load.keys => return false,
            Mix::Fill => {
                let number = self.next;
                self.next += self.step;
                (number, true)
            }
            Mix::Gets { for_each_set } => {
                let is_set = self.random.below(for_each_set + 1) == 0;
                (self.random.below(load.keys), is_set)
            }
        };
        let (key, value) = (key(number), &self.value);
        connection.add(due, |out| match is_set {
            true => load.dialect.set(out, &key, value),
            false => load.dialect.get(out, &key),
        });
        true
    }
}

/// When paced requests are due.
#[derive(Debug)]
struct Schedule {
    begun: Instant,
    gap: Duration,
    count: u32,
}

impl Schedule {
    fn next(&self) -> Instant {
        self.begun + self.gap * self.count
    }
}

#[derive(Debug)]
struct Thread<'a> {
    load: &'a Load,
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    /// Which of them wait to be writable again.
    watched: Vec<bool>,
    source: Source<'a>,
    schedule: Option<Schedule>,
    turn: usize,
    outcome: Outcome,
}

pub fn run(
    load: &Load,
    index: usize,
    begun: Instant,
    stops: &AtomicBool,
) -> Result<Outcome, String> {
    // Else the kernel wakes us 50 µs late.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    let mut thread = Thread::open(load, index)?;
    let started = Instant::now();
    let mut events = Vec::with_capacity(EVENTS_MAX);
    if let Pace::Fixed { per_s } = load.pace {
        let gap = Duration::from_secs_f64(load.threads as f64 / per_s);
        thread.schedule = Some(Schedule { begun: started, gap, count: 0 });
    }
    thread.send_first(started);
    while !is_over(load, begun, stops) && thread.is_busy() {
        let wait = thread.send_due();
        thread.wait(wait.min(LOOK_EVERY), &mut events)?;
        for event in &events {
            thread.serve(event.data.u64() as usize);
        }
    }
    thread.outcome.took = started.elapsed();
    Ok(thread.outcome)
}

impl<'a> Thread<'a> {
    fn open(load: &'a Load, index: usize) -> Result<Self, String> {
        let text = |e: std::io::Error| e.to_string();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| e.to_string())?;
        let mut connections = Vec::new();
        for at in 0..(load.connections / load.threads).max(1) {
            let connection = Connection::open(load.address).map_err(text)?;
            let data = EventData::new_u64(at as u64);
            epoll::add(&epoll, &connection.stream, data, EventFlags::IN)
                .map_err(|e| e.to_string())?;
            connections.push(Some(connection));
        }
        let source = Source {
            load,
            random: Random::new(load.seed.wrapping_mul(31).wrapping_add(index as u64)),
            value: (0..load.value_len).map(|at| b'a' + (at % 23) as u8).collect(),
            next: index as u64,
            step: load.threads as u64,
        };
        let watched = vec![false; connections.len()];
        let outcome = Outcome::default();
        Ok(Self { load, epoll, connections, watched, source, schedule: None, turn: 0, outcome })
    }

    /// Waits for sockets that can be served, to the microsecond: a wait of epoll's own counts in
    /// milliseconds, and what is due meanwhile would be that much late.
    fn wait(&self, most: Duration, events: &mut Vec<epoll::Event>) -> Result<(), String> {
        let most = Timespec::try_from(most).map_err(|e| e.to_string())?;
        let mut one = [PollFd::new(&self.epoll, PollFlags::IN)];
        match poll(&mut one, Some(&most)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
        events.clear();
        let buffer = rustix::buffer::spare_capacity(events);
        match epoll::wait(&self.epoll, buffer, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether anything can still come.
    fn is_busy(&self) -> bool {
        let open =
            |connection: &Connection| self.load.mix != Mix::Fill || connection.under_way() > 0;
        self.connections.iter().flatten().any(open)
    }

    fn send_first(&mut self, now: Instant) {
        if self.schedule.is_none() {
            for at in 0..self.connections.len() {
                self.refill(at, now);
            }
        }
    }

    /// Fills the pipeline of one connection.
    fn refill(&mut self, at: usize, now: Instant) {
        let Pace::Closed { depth } = self.load.pace else { return };
        let Some(connection) = &mut self.connections[at] else { return };
        while connection.under_way() < depth && self.source.send(connection, now) {}
        self.flush(at);
    }

    fn flush(&mut self, at: usize) {
        let Some(connection) = &mut self.connections[at] else { return };
        if let Err(why) = connection.send() {
            return self.broke(at, why);
        }
        let is_behind = connection.is_behind();
        if is_behind != self.watched[at] {
            self.watched[at] = is_behind;
            let flags = if is_behind { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            let data = EventData::new_u64(at as u64);
            if let Err(error) = epoll::modify(&self.epoll, &connection.stream, data, flags) {
                self.broke(at, error.to_string());
            }
        }
    }

    /// Sends what is due on connections that are idle. Returns how long nothing is due.
    fn send_due(&mut self) -> Duration {
        loop {
            let Some(schedule) = &self.schedule else { return LOOK_EVERY };
            let (now, due) = (Instant::now(), schedule.next());
            if due > now {
                return due - now;
            }
            let count = self.connections.len();
            let idle = (0..count)
                .map(|step| (self.turn + step) % count)
                .find(|at| self.connections[*at].as_ref().is_some_and(|c| c.under_way() == 0));
            // Without an idle one it stays due, and its latency grows.
            let Some(at) = idle else { return LOOK_EVERY };
            self.turn = at + 1;
            if let Some(connection) = &mut self.connections[at] {
                self.source.send(connection, due);
            }
            if let Some(schedule) = &mut self.schedule {
                schedule.count += 1;
            }
            self.flush(at);
        }
    }

    fn serve(&mut self, at: usize) {
        let Some(connection) = &mut self.connections[at] else { return };
        if let Err(why) = connection.receive(self.load.dialect, &mut self.outcome) {
            return self.broke(at, why);
        }
        if self.schedule.is_none() {
            self.refill(at, Instant::now());
        } else {
            self.flush(at);
        }
    }

    fn broke(&mut self, at: usize, why: String) {
        self.connections[at] = None;
        self.outcome.broken += 1;
        self.outcome.why.get_or_insert(why);
    }
}
