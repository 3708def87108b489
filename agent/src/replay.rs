//! The detector over a recorded trace: rows in, events out. No kernel is asked and no clock read;
//! time is the trace's own, and nothing that lies ahead of a row is known when it is judged.
//!
//! ```text
//! source   a file or stdin, inflated if it is gzip          lines   one line at a time, bounded
//!    └─► columns   header → places, line → Row                 └─► fields   commas and quotes
//!           └─► fleet   entity → its own Track, history and Standing
//!                  └─► entity   due? push, judge, pace: what the sampler does, by its functions
//!                         └─► news   verdict before and after → Event
//! ```
//!
//! The tiers of `history`, the cadence and the schedule of judgements of `sampler`, and
//! `verdict::judge` are those of `run`; only who brings the readings differs. A target of `run` is
//! read when it is due; here the first row at or after that moment is the reading, and rows before
//! it are passed over.
//!
//! Memory: up to 64 KiB for each entity, nothing for a row. Time: entities share no clock, so they
//! may follow one another or interleave.

mod columns;
mod entity;
mod fields;
mod fleet;
mod lines;
mod news;
mod source;

pub use columns::{Columns, Row};
pub use entity::Entity;
pub use fleet::Fleet;
pub use lines::{LINE_BYTES_MAX, Lines};
pub use news::{Event, EventKind};
pub use source::{Progress, Source};

use std::io::{self, Read, Write};

/// What a trace was found to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub rows: u64,
    /// Rows that were due and became readings; the rest came too soon after one.
    pub readings: u64,
    pub entities: usize,
    pub events: u64,
}

/// Why a trace could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A line is not what it should be. Shape: `line` counts from 1, the header and blank lines
    /// included.
    #[error("{line}: {what}")]
    Line { line: u64, what: String },
    /// The source failed after `line` whole lines.
    #[error("{}: cannot read on: {what}", line + 1)]
    Read { line: u64, what: io::Error },
    #[error(transparent)]
    Output(io::Error),
}

/// Rows between two calls of a watcher.
const WATCHED_EVERY: u64 = 1024;

/// Replays `trace` and writes each event to `out` as one line of JSON. `watch` is called now and
/// then with the rows so far, for whoever shows progress. `caution`: as `alerts.caution`.
///
/// # Errors
/// At the first line that is malformed, with its number; events of the lines before are written.
pub fn replay(
    trace: impl Read,
    caution: f64,
    out: &mut dyn Write,
    mut watch: impl FnMut(u64),
) -> Result<Summary, ReplayError> {
    let mut lines = Lines::new(trace);
    let mut fleet = Fleet::judged_with(caution);
    let mut done = Summary::default();
    let Some(header) = lines.advance()? else {
        return Err(lines.malformed("the trace is empty: a header is expected".to_owned()));
    };
    let mut columns = Columns::of(header).map_err(|what| lines.malformed(what))?;
    while let Some(line) = lines.advance()? {
        if line.is_empty() {
            continue;
        }
        let seen = columns.row(line).and_then(|row| {
            let news = fleet.see(&row)?;
            Ok((news, row.entity))
        });
        match seen {
            Ok((seen, entity)) => {
                done.rows += 1;
                done.readings += u64::from(seen.is_reading);
                for event in seen.news.iter().flatten() {
                    done.events += 1;
                    event.write(entity, out).map_err(ReplayError::Output)?;
                }
            }
            Err(what) => return Err(lines.malformed(what)),
        }
        if done.rows % WATCHED_EVERY == 0 {
            watch(done.rows);
        }
    }
    done.entities = fleet.len();
    Ok(done)
}

#[cfg(test)]
mod tests;
