//! History on disk: an append-only log that survives restart, reboot and kill -9.
//!
//! ```text
//! sampler ── Journal::flush, every 10 s ── queue of 3 ── writer thread ── history-0000000007.log
//!            encodes what changed            never waited for               only ever appended to
//! ```
//!
//! # Files
//! In the state directory (0700), each 0600: `lock` (flock, one agent per directory),
//! `history-N.log` (the newest complete one counts), `history-N.tmp` (one being made; removed at
//! start), `history.damaged` (the last one that could not be read at all).
//!
//! # Format, version 1, little endian
//! ```text
//! file    "plimsoll" version:u32 frame…
//! frame   "plmf" len:u32 crc32:u32 kind:u8 payload           crc and len cover kind and payload
//! kind 1  boot id, first in the file
//! kind 2  now wall record…    zigzag varints: boot clock, wall minus boot clock; milliseconds
//! record  1 FULL      cell target flags usual minute_from track<5>
//!                     0 | 1 hour_from track<7> track<7>
//!         2 RUNS      cell usual_s until count (gap mask delta… span)…
//!         3 CLOSED    cell at      4 REOPENED  cell      5 SILENT  cell until
//! track   count [at (gap mask delta… span)…]
//! ```
//! Numbers are varints; instants are told as distance from `now`; `gap`, `mask`, `delta` and `span`
//! are those of `codec`. An open series without a record is unchanged: its value holds until the
//! last frame's `now`. So a sleeping process costs no bytes at all, and a changed reading 6 to 10
//! after about 9 for its series and flush. Buckets are written only in FULL; on reading they arise
//! from the runs as they did at first.
//!
//! # Snapshots
//! When a file has grown by a quarter of the disk budget, a new one is begun: slices of 256 KiB
//! with every series in full, one per flush, and in both files whatever changes meanwhile. Once
//! complete it is synced, renamed and the directory synced before older files go. A failed write
//! (ENOSPC, EIO, EROFS) or a full queue stops appending and asks for a new snapshot half a minute
//! later. At most two files are held: disk_budget should be at least twice the RAM budget.
//!
//! # What is lost
//! kill -9: what happened since the last flush, for appends are in the page cache at once. They are
//! not synced: a power cut may cost what the kernel had not written back yet (30 s by default), and
//! recognisably so: reading ends at the first frame whose checksum is wrong. At 60 changed readings
//! per second, a busy node of 10,000 processes under cadence by urgency, the log takes about 75 MB
//! a day; a node where nothing changes 26 bytes per flush, 0.2 MB a day.

mod decode;
mod encode;
mod files;
mod frame;
mod load;
mod writer;

pub use frame::framed;
pub use load::{Boot, Loaded, read_log};

use super::store::{History, HistoryParams};
use crate::clock::{Clock, Stamp};
use crate::units::Bytes;
use encode::Records;
use files::{Batch, Files};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use writer::{Progress, Writer};

/// After a failure a new snapshot is tried this much later.
const RETRY: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct JournalParams {
    /// The state directory; made if it is not there.
    pub dir: PathBuf,
    /// All that the log may take on disk. Below twice the RAM budget a full history may not fit.
    pub disk_budget: Bytes,
    pub history: HistoryParams,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(
        "{0}: another plimsoll agent writes its history here; give this one its own --state-dir"
    )]
    Locked(PathBuf),
    #[error("{path}: {what}")]
    Io { path: PathBuf, what: io::Error },
}

/// A snapshot under way.
#[derive(Clone, Copy, Debug)]
struct Snapshot {
    position: usize,
    begun: bool,
}

/// The history's way to disk.
#[derive(Debug)]
pub struct Journal {
    writer: Writer,
    progress: Arc<Progress>,
    encoder: Encoder,
    _lock: File,
}

/// What is known of the log without looking at the disk.
#[derive(Debug)]
struct Encoder {
    /// Number of the latest snapshot; wraps, but is never 0, which no series was written to.
    number: u8,
    snapshot: Option<Snapshot>,
    /// Where changes go on that did not fit into the last frame.
    position: usize,
    failures: u64,
    retry_at: Option<Stamp>,
    /// A frame did not reach the writer, so nothing may be appended behind it.
    lost: bool,
    file_bytes_max: u64,
}

impl Journal {
    /// Locks the directory, reads what is there, and writes it to a fresh file. Blocks for as long
    /// as that takes (0.3 s for a full 16 MiB). If the fresh file cannot be written that is no
    /// error but shows in [`Self::health`].
    ///
    /// # Errors
    /// Another agent holds the directory, or it cannot be made, read or locked.
    pub fn load(
        params: &JournalParams,
        boot: Boot<'_>,
        now: Stamp,
    ) -> Result<(Self, Loaded), JournalError> {
        let dir = &params.dir;
        let io = |what| JournalError::Io { path: dir.clone(), what };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        let lock = lock(dir)?;
        let (mut loaded, newest) = load::load_dir(dir, &params.history, boot).map_err(io)?;
        let progress = Arc::new(Progress::default());
        let mut files = Files::new(dir, boot.id, params.disk_budget.0, newest);
        let mut encoder = Encoder {
            number: 0,
            snapshot: None,
            position: 0,
            failures: 0,
            retry_at: None,
            lost: false,
            file_bytes_max: params.disk_budget.0 / 4,
        };
        let history = &mut loaded.history;
        let wall_ms = now.0.saturating_add(boot.wall_minus_boot_ms);
        while encoder.note_failures(&progress, now) == 0 {
            let batch = encoder.encode(history, &progress, now, boot.wall_minus_boot_ms);
            progress.write(&mut files, &batch, wall_ms);
            if batch.completes {
                break;
            }
        }
        encoder.note_failures(&progress, now);
        let writer = Writer::spawn(files, Arc::clone(&progress)).map_err(io)?;
        Ok((Self { writer, progress, encoder, _lock: lock }, loaded))
    }

    /// Encodes what changed since the last call and queues it; never waits for the disk. True if
    /// there is more: then call again soon, not only after the flush interval.
    ///
    /// Cost: 0.5 ms for 13,000 series of which 650 changed; 3 to 8 ms for a slice of a snapshot.
    pub fn flush(&mut self, history: &mut History, now: Stamp, clock: Clock) -> bool {
        self.encoder.note_failures(&self.progress, now);
        let batch = self.encoder.encode(history, &self.progress, now, clock.unix_ms(Stamp(0)));
        if batch.changes.is_empty() && batch.slice.is_empty() {
            return false;
        }
        if !self.writer.submit(batch, clock.unix_ms(now)) {
            self.encoder.lost = true;
            self.progress.failed("the disk is too slow, a frame was dropped", clock.unix_ms(now));
        }
        self.encoder.snapshot.is_some() || self.encoder.position > 0
    }

    /// Why what happens now is not on disk, and since when. None while all is well.
    #[must_use]
    pub fn health(&self) -> Option<String> {
        self.progress.degraded.lock().clone()
    }

    #[must_use]
    pub fn flush_failures(&self) -> u64 {
        self.progress.failures.load(Relaxed)
    }
}

impl Encoder {
    /// Gives up the snapshot under way if anything failed. Returns the failures so far.
    fn note_failures(&mut self, progress: &Progress, now: Stamp) -> u64 {
        let failures = progress.failures.load(Relaxed);
        if failures != self.failures {
            self.failures = failures;
            self.snapshot = None;
            self.retry_at = Some(now.plus(RETRY));
        }
        failures
    }

    fn encode(
        &mut self,
        history: &mut History,
        progress: &Progress,
        now: Stamp,
        wall: i64,
    ) -> Batch {
        let appending = progress.appending.load(Relaxed);
        let due = !appending
            || self.retry_at.is_some()
            || progress.appended.load(Relaxed) > self.file_bytes_max;
        if self.snapshot.is_none() && due && self.retry_at.is_none_or(|at| now >= at) {
            self.number = self.number.checked_add(1).unwrap_or(1);
            self.snapshot = Some(Snapshot { position: 0, begun: false });
            self.retry_at = None;
        }
        let mut batch = Batch { lost: std::mem::take(&mut self.lost), ..Batch::default() };
        if appending || self.snapshot.is_some() {
            let (from, number) = (self.position, self.number);
            batch.changes = framed_records(now, wall, |records| {
                self.position = history.encode_changes(records, from, number).unwrap_or(0);
            });
        }
        if let Some(snapshot) = &mut self.snapshot {
            batch.begins = !snapshot.begun;
            snapshot.begun = true;
            let mut more = None;
            batch.slice = framed_records(now, wall, |records| {
                more = history.encode_snapshot(records, snapshot.position, self.number);
            });
            batch.completes = more.is_none();
            self.snapshot = more.map(|position| Snapshot { position, begun: true });
        }
        batch
    }
}

fn framed_records(now: Stamp, wall: i64, fill: impl FnOnce(&mut Records<'_>)) -> Vec<u8> {
    let mut frame = frame::begun(frame::RECORDS);
    let mut records = Records { out: &mut frame, now: now.0 };
    records.times(wall);
    fill(&mut records);
    frame::seal(&mut frame);
    frame
}

fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join("lock");
    let io = |what| JournalError::Io { path: path.clone(), what };
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(io)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::Locked(dir.to_owned())),
        Err(e) => Err(io(e.into())),
    }
}

#[cfg(test)]
mod tests;
