//! Adds to a report what takes a pause: level 1.

use std::time::Duration;

use crate::Refusal;
use crate::reach::{self, Limits, TABLE_BYTES_MAX};
use crate::report::Report;
use crate::target::Opened;

/// Walks the target for at most `max_pause_ms` and fills in what it lost. A heap that cannot be
/// walked leaves the report at level 0, with a note.
///
/// # Errors
/// The target cannot be stopped, or the pause would be too long: whoever asked for a pause has to
/// know that there was none.
pub fn add(report: &mut Report, opened: &Opened, max_pause_ms: u64) -> Result<(), Refusal> {
    let pause_max = Duration::from_millis(max_pause_ms);
    let limits = Limits { pause_max, table_bytes_max: TABLE_BYTES_MAX };
    let method = &mut report.method;
    let walked = match reach::walk(opened, limits) {
        Ok(walked) => walked,
        Err(unavailable @ Refusal::Unavailable { .. }) => {
            method.complete = false;
            method.notes.push(unavailable.to_string());
            return Ok(());
        }
        Err(refusal) => return Err(refusal),
    };
    opened.check()?;
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
    Ok(())
}
