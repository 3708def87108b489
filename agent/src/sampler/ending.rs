//! Processes on their way out: without memory, and not gone yet.
//!
//! A process that ends gives up its memory first and its place in `/proc` last: for as long as the
//! kernel takes its pages down, some ten milliseconds for some hundred MiB, and until its parent has
//! asked for its end, all that is read of it is zero. That zero is the end and no reading: in the
//! history it would stand as a fall, and who was buried with it would be nobody to a kill that is
//! heard of afterwards.

use super::state::State;
use super::wheel::Tick;
use super::{judging, recording};
use crate::clock::Stamp;
use crate::units::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// What was thought of it holds for so long: kills are heard of meanwhile. Afterwards it is judged
/// as one that holds nothing, for nobody may ever ask for its end.
const UNREAPED: Duration = Duration::from_secs(10);

/// A process was read and has no memory: remembers it as it was, the first time.
pub fn without_memory(state: &mut State, index: u32, tick: Tick, now: Stamp) {
    let Some(process) = state.processes.get(index) else { return };
    let (before, judge_due) = (process.track.split, process.track.judge_due);
    if before.used == Bytes::ZERO {
        if judge_due <= tick {
            judging::judge_process(state, index, now);
        }
        return;
    }
    let place = process.facts.workload;
    let workload = place.and_then(|at| state.workloads.get(at)).map(|w| Arc::clone(&w.name));
    let life = [state.started_at(process.facts.id), now];
    recording::buried(&mut state.recorder.dead, process, workload, life);
    let judge_due = state.wheel.tick_at(now.plus(UNREAPED));
    if let Some(process) = state.processes.get_mut(index) {
        process.track.split = Default::default();
        process.track.judge_due = judge_due;
        process.calm = None;
    }
    if let Some(workload) = place.and_then(|at| state.workloads.get_mut(at)) {
        workload.changed(before, Default::default());
    }
}
