//! From the store to a file, block by block, at a bounded rate. Takes no lock for longer than a few
//! items need to be copied.

use super::file::{BLOCK_BYTES, Header, Kind, Writer};
use crate::clock::Clock;
use crate::store::{Cursor, Refused, Store};
use rustix::fs::{Advice, fadvise, fdatasync};
use std::fs::{self, File};
use std::io::{self, Error, ErrorKind};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes copied under one lock of a partition: some ten microseconds.
const BYTES_PER_LOOK: usize = 32 << 10;

/// After so much the file is brought to the disk and its pages are let go, so that a snapshot does
/// not fill the cgroup with pages that cannot be dropped.
const BYTES_PER_FLUSH: u64 = 4 << 20;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Held when it ended: about as many as were written.
    pub items: u64,
    pub bytes: u64,
    pub took: Duration,
}

/// How to write.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    pub kind: Kind,
    /// None: as fast as the disk.
    pub bytes_per_s_max: Option<NonZeroU64>,
    /// Set from outside: stop and leave no file.
    pub cancelled: &'a AtomicBool,
}

/// Writes all live items to `path`: under another name first, renamed when whole and on the disk.
///
/// # Errors
/// The file cannot be written, the budget has no room for the buffer, or it was cancelled. What was
/// at `path` stays then.
pub fn save(path: &Path, store: &Store, clock: &Clock, manner: Manner<'_>) -> io::Result<Saved> {
    let temporary = temporary(path);
    let written = write(&temporary, store, clock, manner).and_then(|saved| {
        fs::rename(&temporary, path)?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(saved)
    });
    if written.is_err() {
        // It may not have been made at all.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".writing");
    name.into()
}

fn write(path: &Path, store: &Store, clock: &Clock, manner: Manner<'_>) -> io::Result<Saved> {
    let begun = Instant::now();
    let out_of_memory = |_: Refused| Error::new(ErrorKind::OutOfMemory, "no memory for its buffer");
    let _buffer = store.charge(2 * BLOCK_BYTES as u64).map_err(out_of_memory)?;
    let salt = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let salt = salt.map_or(0, |d| d.subsec_nanos()) ^ std::process::id();
    let (unix_at_zero, written) = (clock.unix_at_zero(), clock.now());
    let header = Header { kind: manner.kind, unix_at_zero, written, salt };
    let mut writer = Writer::begin(File::create(path)?, &header)?;
    let mut cursor = Cursor::default();
    let mut block = Vec::with_capacity(2 * BLOCK_BYTES);
    let (mut saved, mut unflushed, mut more) = (Saved::default(), 0, true);
    while more {
        if manner.cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Interrupted, "cancelled"));
        }
        block.clear();
        while more && block.len() < BLOCK_BYTES {
            let until = block.len() + BYTES_PER_LOOK;
            more = store.image(&mut cursor, &mut block, until, clock.now());
        }
        writer.block(&block)?;
        saved.bytes += block.len() as u64;
        unflushed += block.len() as u64;
        if unflushed >= BYTES_PER_FLUSH {
            unflushed = 0;
            let_go(writer.inner())?;
        }
        if let Some(rate) = manner.bytes_per_s_max {
            pace(begun, saved.bytes, rate, manner.cancelled);
        }
    }
    let file = writer.end()?;
    let_go(&file)?;
    file.sync_all()?;
    saved.items = store.totals().items;
    saved.took = begun.elapsed();
    Ok(saved)
}

fn let_go(file: &File) -> io::Result<()> {
    fdatasync(file)?;
    // A file system that takes no advice keeps the pages.
    let _ = fadvise(file, 0, None, Advice::DontNeed);
    Ok(())
}

/// Waits until `bytes` at `rate` are due.
fn pace(begun: Instant, bytes: u64, rate: NonZeroU64, cancelled: &AtomicBool) {
    let due = Duration::from_secs_f64(bytes as f64 / rate.get() as f64);
    while let Some(left) = due.checked_sub(begun.elapsed()) {
        if left.is_zero() || cancelled.load(Ordering::Relaxed) {
            return;
        }
        std::thread::park_timeout(left);
    }
}
