//! Processes on their way in: started elsewhere, and moved into their cgroup a moment later.
//!
//! No event tells of the move. Whoever uses memory is looked up again with its particulars; who
//! waits for something to do is not, and older kernels count its first 64 pages late.

use super::cadence::FIRST_INTERVAL;
use super::state::State;
use crate::clock::Stamp;
use std::time::Duration;

/// Who was older than this when it was first seen has arrived long ago.
const YOUNG: Duration = Duration::from_secs(60);

/// Has it looked up once, a moment after it was first seen, where a young process is now.
pub fn look_again(state: &mut State, index: u32, now: Stamp) {
    let Some(process) = state.processes.get_mut(index) else { return };
    let facts = &mut process.facts;
    if !facts.is_arriving || now.since(facts.seen_at) < FIRST_INTERVAL {
        return;
    }
    facts.is_arriving = false;
    let (id, seen_at) = (facts.id, facts.seen_at);
    if seen_at.since(state.started_at(id)) < YOUNG {
        state.renamed.push(id.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Health, Node};
    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::history::{History, HistoryParams};
    use crate::sources::node::host;
    use crate::sources::process::{CgroupPaths, Identity};
    use crate::target::ProcessId;
    use crate::units::Bytes;

    fn state() -> State {
        let mut config = Config::default();
        config.history.persist = false;
        let clock = Clock::start();
        let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(2) });
        let host = host::read(&crate::sources::Roots::default());
        let node = Node::new(host, &mut history, clock.now());
        State::new(config, clock, node, history, None, Health::default())
    }

    /// First seen 100 s after boot, started so many seconds after boot.
    fn seen(state: &mut State, started_s: u64) -> u32 {
        let start_time = started_s * rustix::param::clock_ticks_per_second();
        let identity = Identity {
            id: ProcessId { pid: 7, start_time },
            ppid: 1,
            comm: "p".to_owned(),
            exe: None,
            uid: None,
            kernel_thread: false,
            cgroup: CgroupPaths::default(),
        };
        state.processes.add(identity, &mut state.history, Stamp(100_000))
    }

    #[test]
    fn who_was_young_when_first_seen_is_looked_up_once_more_and_no_other() {
        let mut state = state();
        let young = seen(&mut state, 99);
        look_again(&mut state, young, Stamp(100_900));
        assert!(state.renamed.is_empty(), "it may still be on its way");
        look_again(&mut state, young, Stamp(101_000));
        look_again(&mut state, young, Stamp(102_000));
        assert_eq!(state.renamed, [7]);
        let old = seen(&mut state, 10);
        look_again(&mut state, old, Stamp(101_000));
        assert_eq!(state.renamed, [7]);
    }
}
