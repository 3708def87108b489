//! The log's files: which there are, which one is appended to, which one is being made.

use super::frame::{self, FILE_HEAD};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const DAMAGED: &str = "history.damaged";

/// One file open for appending.
#[derive(Debug)]
struct Log {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Log {
    /// Appends whole frames or nothing: a torn one is cut off again as far as the disk lets us.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        if written.is_err() {
            // What remains torn is recognised by its checksum when it is read back.
            let _ = self.file.set_len(self.len);
        } else {
            self.len += bytes.len() as u64;
        }
        written
    }
}

/// What the encoder hands over at one flush; frames are sealed.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// A batch before this one was lost: what is open misses something.
    pub lost: bool,
    pub changes: Vec<u8>,
    /// A new file begins before, and is complete after, this slice.
    pub begins: bool,
    pub slice: Vec<u8>,
    pub completes: bool,
}

#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    boot_id: String,
    disk_budget: u64,
    /// Number of the newest file that there is or was.
    newest: u64,
    current: Option<Log>,
    next: Option<Log>,
    /// How long `current` was when it was complete.
    complete_len: u64,
}

impl Files {
    pub(super) fn new(dir: &Path, boot_id: &str, disk_budget: u64, newest: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            boot_id: boot_id.to_owned(),
            disk_budget,
            newest,
            current: None,
            next: None,
            complete_len: 0,
        }
    }

    /// Changes go somewhere: there is a complete file, and nothing was lost behind it.
    pub(super) const fn appending(&self) -> bool {
        self.current.is_some()
    }

    /// Appended since the current file was complete. Units: bytes.
    pub(super) fn appended(&self) -> u64 {
        self.current.as_ref().map_or(0, |log| log.len.saturating_sub(self.complete_len))
    }

    /// Writes one batch.
    ///
    /// # Errors
    /// The first failure. Nothing is appended to the file that missed something; a file being made
    /// is given up and removed. A fresh snapshot mends both.
    pub(super) fn write(&mut self, batch: &Batch) -> io::Result<()> {
        if batch.lost {
            (self.current, self.next) = (None, None);
        }
        let appended = self.append(batch);
        let sliced = self.slice(batch);
        if sliced.is_err()
            && let Some(next) = self.next.take()
        {
            let _ = fs::remove_file(next.path);
        }
        appended.and(sliced)
    }

    fn append(&mut self, batch: &Batch) -> io::Result<()> {
        self.within_budget(batch.changes.len())?;
        let Some(current) = &mut self.current else { return Ok(()) };
        let appended = current.append(&batch.changes);
        if appended.is_err() {
            self.current = None;
        }
        appended
    }

    fn slice(&mut self, batch: &Batch) -> io::Result<()> {
        if batch.begins {
            self.next = None;
            self.next = Some(self.begin()?);
        }
        self.within_budget(batch.changes.len() + batch.slice.len())?;
        let Some(next) = &mut self.next else { return Ok(()) };
        next.append(&batch.changes)?;
        next.append(&batch.slice)?;
        if batch.completes { self.complete() } else { Ok(()) }
    }

    fn within_budget(&mut self, more: usize) -> io::Result<()> {
        let held: u64 = [&self.current, &self.next].into_iter().flatten().map(|log| log.len).sum();
        if held + more as u64 <= self.disk_budget {
            return Ok(());
        }
        self.current = None;
        let text = format!("the disk budget of {} bytes is used up", self.disk_budget);
        Err(io::Error::new(io::ErrorKind::QuotaExceeded, text))
    }

    fn begin(&mut self) -> io::Result<Log> {
        self.newest += 1;
        let path = self.dir.join(format!("history-{:010}.tmp", self.newest));
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(true).write(true).mode(0o600).open(&path)?;
        let mut log = Log { file, path, len: 0 };
        let mut head = FILE_HEAD.to_vec();
        head.extend(frame::framed(frame::BOOT, self.boot_id.as_bytes()));
        match log.append(&head) {
            Ok(()) => Ok(log),
            Err(e) => {
                let _ = fs::remove_file(&log.path);
                Err(e)
            }
        }
    }

    /// Makes the new file the current one: it is on the disk before the older ones go.
    fn complete(&mut self) -> io::Result<()> {
        let Some(mut next) = self.next.take() else { return Ok(()) };
        let path = next.path.with_extension("log");
        let renamed = next
            .file
            .sync_all()
            .and_then(|()| fs::rename(&next.path, &path))
            .and_then(|()| File::open(&self.dir)?.sync_all());
        if let Err(e) = renamed {
            let _ = fs::remove_file(&next.path);
            return Err(e);
        }
        next.path = path;
        self.complete_len = next.len;
        self.current = Some(next);
        for (number, path) in logs(&self.dir)? {
            if number < self.newest {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// The complete files of a directory with their numbers, newest first.
pub(super) fn logs(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix("history-")?.strip_suffix(".log"))
            .and_then(|number| number.parse().ok());
        if let Some(number) = number {
            logs.push((number, path));
        }
    }
    logs.sort_by(|a, b| b.cmp(a));
    Ok(logs)
}

/// Removes what an agent that was killed had begun.
pub(super) fn remove_unfinished(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("history-") && name.ends_with(".tmp") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Moves a file that cannot be read out of the way; the one set aside before it is given up.
pub(super) fn set_aside(dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let aside = dir.join(DAMAGED);
    fs::rename(path, &aside)?;
    Ok(aside)
}
