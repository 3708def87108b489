//! The descriptors through which the busiest processes are read: opened, given back, counted.
//!
//! How many may be kept is the configuration's and the kernel's; beyond that a process is read by
//! opening its files each time. Refuses to close anything that others opened.

use super::state::State;
use crate::sources::process;
use crate::sources::{ReadError, Roots};
use crate::target::ProcessId;
use crate::view::SourceState;
use std::time::Duration;

/// A descriptor is kept only for what is read more often than this: above it, opening costs less
/// than the kernel memory that the descriptor holds (1.1 KiB).
pub const KEPT_BELOW: Duration = Duration::from_secs(10);

/// Opens or gives back the kept descriptor, as the interval and the budget of descriptors say.
pub fn keep_descriptor(
    state: &mut State,
    roots: &Roots,
    index: u32,
    id: ProcessId,
    interval: Duration,
) {
    let Some(process) = state.processes.get_mut(index) else { return };
    let wanted = interval < KEPT_BELOW;
    let counters = &mut state.counters;
    if wanted && process.kept.is_none() {
        if counters.kept_fds >= counters.kept_fds_max {
            descriptors_spent(state);
            return;
        }
        match process::Kept::open(roots, id) {
            Ok(kept) => {
                process.kept = Some(kept);
                counters.kept_fds += 1;
            }
            Err(ReadError::Io { .. }) => descriptors_ran_out(state),
            Err(_) => {}
        }
    } else if !wanted && interval > KEPT_BELOW * 2 && process.kept.take().is_some() {
        counters.kept_fds -= 1;
    }
}

/// All descriptors that may be kept are in use, and more are wanted.
fn descriptors_spent(state: &mut State) {
    if state.health.state("descriptors") != Some(SourceState::Degraded) {
        state.health.degraded(
            "descriptors",
            format!("{} files kept open, and no more", state.counters.kept_fds_max),
            "the rest is opened for each reading, which costs ten times as much CPU; raise \
             RLIMIT_NOFILE or sampling.kept_fds_max",
        );
    }
}

/// EMFILE or ENFILE: from now on keep no more than are open, and a tenth less for the others' sake.
fn descriptors_ran_out(state: &mut State) {
    let counters = &mut state.counters;
    counters.kept_fds_max = counters.kept_fds - counters.kept_fds / 10;
    state.health.degraded(
        "descriptors",
        format!("{} kept open", state.counters.kept_fds),
        "out of file descriptors: the rest is opened for each reading; raise RLIMIT_NOFILE",
    );
}
