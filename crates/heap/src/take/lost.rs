//! Adds to a report what takes a pause, and, before it, a window in which allocations are trapped:
//! levels 1 and 2.

use std::time::Duration;

use super::{Options, Progress, Step, WINDOW_MAX};
use crate::Refusal;
use crate::probes::Window;
use crate::reach::{self, Limits, TABLE_BYTES_MAX, Walked};
use crate::report::Report;
use crate::target::Opened;

/// Walks the target within its bound and fills in what it lost, and at level 2 who allocates that.
/// A heap that cannot be walked leaves the report at level 0, a target that cannot be probed
/// at level 1, with a note.
///
/// # Errors
/// The target cannot be stopped, or the pause would be too long: whoever asked for a pause has to
/// know that there was none.
pub fn add(
    report: &mut Report,
    opened: &Opened,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Refusal> {
    let pause_max = Duration::from_millis(options.max_pause_ms);
    let limits = Limits { pause_max, table_bytes_max: TABLE_BYTES_MAX };
    match window_and_walk(report, opened, options, limits, progress) {
        Err(unavailable @ Refusal::Unavailable { .. }) => {
            report.method.complete = false;
            report.method.notes.push(unavailable.to_string());
            Ok(())
        }
        other => other,
    }
}

fn window_and_walk(
    report: &mut Report,
    opened: &Opened,
    options: &Options,
    limits: Limits,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Refusal> {
    let mut window = None;
    if options.level > 1 {
        // Not after a window that was for nothing.
        reach::foresee(opened, limits)?;
        match watched(opened, options.window.min(WINDOW_MAX), progress) {
            Ok(watched) => window = Some(watched),
            Err(why) => {
                report.method.complete = false;
                let note = format!("allocations could not be trapped, so no stacks: {why}");
                report.method.notes.push(note);
            }
        }
    }
    progress(Step::Lost.into());
    let walked = reach::walk(opened, limits)?;
    opened.check()?;
    let has_leaks = walked.leaks.is_some();
    let window = window.map(|window| window.close(&walked.lost));
    fill(report, walked);
    let Some(window) = window.filter(|_| has_leaks) else { return Ok(()) };
    report.method.level = 2;
    report.method.window_s = Some(window.length.as_secs_f64());
    report.method.notes.extend(window.notes);
    if let Some(leaks) = &mut report.leaks {
        leaks.by_stack = window.by_stack;
    }
    Ok(())
}

/// A window that has passed; its probes are still there, so that no free is missed until the walk.
fn watched<'a>(
    opened: &'a Opened,
    length: Duration,
    progress: &mut dyn FnMut(Progress),
) -> Result<Window<'a>, String> {
    let mut window = Window::open(opened)?;
    let mut left = |left: Duration| progress(Step::Window { left_s: left.as_secs() }.into());
    left(length);
    window.watch(length, &mut left)?;
    Ok(window)
}

fn fill(report: &mut Report, walked: Walked) {
    let method = &mut report.method;
    method.level = 1;
    method.freeze = "ptrace".to_owned();
    method.pause_us = u64::try_from(walked.pause.as_micros()).unwrap_or(u64::MAX);
    method.bytes_read += walked.bytes_read;
    method.complete &= walked.complete;
    for note in walked.notes {
        if !method.notes.contains(&note) {
            method.notes.push(note);
        }
    }
    report.leaks = walked.leaks;
    report.roots = walked.roots;
}
