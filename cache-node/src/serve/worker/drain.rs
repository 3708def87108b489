//! The end of a worker: nobody new, an answer for everything that has arrived, then goodbye.

use super::Worker;
use crate::watch::Closed;
use mio::Events;
use std::time::{Duration, Instant};

/// How long commands and answers that are under way may take to come to their end.
const GRACE: Duration = Duration::from_secs(2);
/// Between two looks at who is still busy.
const STEP: Duration = Duration::from_millis(20);

impl Worker {
    pub(super) fn drain(mut self, events: &mut Events) {
        // Those who were let in by the kernel, and those handed over, count as connected.
        self.accept();
        self.read_mail();
        self.doors.clear();
        self.bench.draining = true;
        for (_, conn) in &mut self.conns {
            conn.readable(false);
        }
        let deadline = Instant::now() + GRACE;
        self.every_turn();
        self.dismiss(false);
        while !self.conns.is_empty() && Instant::now() < deadline {
            self.round(events, Some(STEP));
            self.dismiss(false);
        }
        self.dismiss(true);
    }

    fn every_turn(&mut self) {
        let all: Vec<usize> = self.conns.iter().map(|(index, _)| index).collect();
        all.into_iter().for_each(|index| self.turn(index));
    }

    /// Says goodbye to those who are not in the midst of something, or to all.
    fn dismiss(&mut self, all: bool) {
        let idle = self.conns.iter().filter(|(_, conn)| all || !(conn.queued || conn.is_busy()));
        let idle: Vec<usize> = idle.map(|(index, _)| index).collect();
        for index in idle {
            self.conns[index].finish();
            self.close(index, Closed::Shutdown);
        }
    }
}
