//! Adds to a report what takes a pause, and, before it, a window in which allocations are trapped:
//! levels 1 and 2.

use std::time::Duration;

use super::{Options, Progress, Step, WINDOW_MAX};
use crate::Refusal;
use crate::probes::{Watched, Window};
use crate::reach::{self, Limits, TABLE_BYTES_MAX, Walked};
use crate::report::Report;
use crate::target::Opened;

/// What was found before the rest of the report is taken.
#[derive(Default)]
pub struct Looked {
    /// None where there is no heap that can be walked.
    walked: Option<Walked>,
    window: Option<Watched>,
    /// What was asked for and is not to be had here.
    missing: Vec<String>,
}

/// Walks the target within its bound, at level 2 behind a window. A heap that cannot be walked
/// leaves the report at level 0, a target that cannot be probed at level 1, with a note.
///
/// # Errors
/// The target cannot be stopped, or the pause would be too long: whoever asked for a pause has to
/// know that there was none.
pub fn look(
    opened: &Opened,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Looked, Refusal> {
    let pause_max = Duration::from_millis(options.max_pause_ms);
    let limits = Limits { pause_max, table_bytes_max: TABLE_BYTES_MAX };
    let mut looked = Looked::default();
    match window_and_walk(&mut looked, opened, options, limits, progress) {
        Ok(walked) => looked.walked = Some(walked),
        Err(unavailable @ Refusal::Unavailable { .. }) => {
            looked.missing.push(unavailable.to_string());
        }
        Err(refusal) => return Err(refusal),
    }
    Ok(looked)
}

fn window_and_walk(
    looked: &mut Looked,
    opened: &Opened,
    options: &Options,
    limits: Limits,
    progress: &mut dyn FnMut(Progress),
) -> Result<Walked, Refusal> {
    let mut window = None;
    if options.level > 1 {
        // Not after a window that was for nothing.
        reach::foresee(opened, limits)?;
        match watched(opened, options.window.min(WINDOW_MAX), progress) {
            Ok(watched) => window = Some(watched),
            Err(why) => {
                let note = format!("allocations could not be trapped, so no stacks: {why}");
                looked.missing.push(note);
            }
        }
    }
    progress(Step::Lost.into());
    let walked = reach::walk(opened, limits)?;
    opened.check()?;
    looked.window = window.map(|window| window.close(&walked.lost));
    Ok(walked)
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

impl Looked {
    /// Fills in what was lost, and at level 2 who allocates that.
    pub fn add_to(self, report: &mut Report) {
        report.method.complete &= self.missing.is_empty();
        report.method.notes.extend(self.missing);
        let Some(walked) = self.walked else { return };
        fill(report, walked);
        let Some(leaks) = &mut report.leaks else { return };
        if let Some(window) = self.window {
            leaks.by_stack = window.by_stack;
            report.method.level = 2;
            report.method.window_s = Some(window.length.as_secs_f64());
            report.method.notes.extend(window.notes);
        }
        report.method.notes.extend(not_walked(report));
    }
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

/// What a walk over glibc's blocks says nothing of: the heap of a runtime or of another allocator.
fn not_walked(report: &Report) -> Option<String> {
    let runtime = report.identity.runtime.as_deref().filter(|runtime| *runtime != "native");
    let allocator = report.allocator.as_ref()?;
    let other = (allocator.name != "glibc").then_some(allocator.name.as_str());
    let whose = runtime.or(other)?;
    Some(format!(
        "lost blocks were looked for in glibc's malloc only: what {whose} has in a heap of its own \
         is not among them"
    ))
}
