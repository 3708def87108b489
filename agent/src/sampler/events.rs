//! The stream of what happened: a bounded ring for those who come late, a broadcast for the rest.

use crate::view::{Event, EventKind};
use serde::Serialize;
use std::collections::VecDeque;
use tokio::sync::broadcast;

/// Events that a new subscriber can still be told. At ~1 KiB each this bounds the ring at 256 KiB.
const RING_MAX: usize = 256;

#[derive(Debug)]
pub struct EventLog {
    ring: VecDeque<Event>,
    next_seq: u64,
    live: broadcast::Sender<Event>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self { ring: VecDeque::new(), next_seq: 1, live: broadcast::Sender::new(RING_MAX) }
    }
}

impl EventLog {
    /// Records and sends `data`. A document that cannot be serialised is sent as null.
    pub fn emit(&mut self, event: EventKind, at: String, data: &impl Serialize) {
        let data = serde_json::to_value(data).unwrap_or_default();
        let event = Event { seq: self.next_seq, at, event, data };
        self.next_seq += 1;
        if self.ring.len() == RING_MAX {
            self.ring.pop_front();
        }
        self.ring.push_back(event.clone());
        // No receiver is no failure.
        let _ = self.live.send(event);
    }

    /// Events numbered above `after`, oldest first, as far as the ring holds them.
    #[must_use]
    pub fn since(&self, after: u64) -> Vec<Event> {
        self.ring.iter().filter(|e| e.seq > after).cloned().collect()
    }

    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.live.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_the_newest_and_numbers_never_repeat() {
        let mut log = EventLog::default();
        for i in 0..300 {
            log.emit(EventKind::Verdict, String::new(), &i);
        }
        let held = log.since(0);
        assert_eq!((held.len(), held[0].seq, held[255].seq), (256, 45, 300));
        assert_eq!(log.since(299).len(), 1);
    }
}
