//! The files of the report shelf: `reports/report-ID.json`, 0600 in a folder of 0700.
//!
//! Each is written beside its place, synced and renamed, so that a kill -9 or a power cut leaves a
//! whole file or none. What cannot be read back is set aside, never served.

use super::shelf::{Entry, is_id};
use crate::view::ReportSummary;
use plimsoll_heap::{Report, report::SCHEMA};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FOLDER: &str = "reports";
/// The last file that could not be read.
const DAMAGED: &str = "report.damaged";
/// One file; a larger report loses the ends of its lists. Units: bytes.
pub(super) const REPORT_BYTES_MAX: usize = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {what}")]
    Io { path: PathBuf, what: io::Error },
    #[error("{path}: {what}")]
    Garbled { path: PathBuf, what: serde_json::Error },
}

/// A file: what is kept beside the report, and the report.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    /// Units: milliseconds since the Unix epoch.
    at_ms: i64,
    summary: ReportSummary,
    report: T,
}

/// Makes the folder, removes what was left half written, reads what there is. Oldest first.
pub(super) fn prepare(state_dir: &Path) -> Result<(Vec<Entry>, Vec<String>), FileError> {
    let folder = state_dir.join(FOLDER);
    let io = |what| FileError::Io { path: folder.clone(), what };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io)?;
    let (mut entries, mut notes) = (Vec::new(), Vec::new());
    for listed in fs::read_dir(&folder).map_err(io)? {
        let path = listed.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            let _ = fs::remove_file(&path);
            continue;
        }
        let Some(id) = id_of(&path) else { continue };
        match read_kept(state_dir, id) {
            Ok((kept, bytes)) => {
                let summary = ReportSummary { on_disk: true, ..kept.summary };
                entries.push(Entry { summary, at_ms: kept.at_ms, bytes, held: None });
            }
            Err(what) => {
                notes.push(format!("{what}; it is set aside as {DAMAGED}"));
                let _ = fs::rename(&path, folder.join(DAMAGED));
            }
        }
    }
    entries.sort_by(|a, b| a.summary.id.cmp(&b.summary.id));
    Ok((entries, notes))
}

pub(super) fn read(state_dir: &Path, id: &str) -> Result<Report, FileError> {
    read_kept(state_dir, id).map(|(kept, _)| kept.report)
}

fn read_kept(state_dir: &Path, id: &str) -> Result<(Kept<Report>, u64), FileError> {
    let path = path_of(state_dir, id);
    let io = |what| FileError::Io { path: path.clone(), what };
    let mut text = Vec::new();
    // A link in its place is not followed: nothing of ours makes one.
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(no_follow).open(&path).map_err(io)?;
    file.take(2 * REPORT_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(io)?;
    if text.len() > 2 * REPORT_BYTES_MAX {
        return Err(io(io::ErrorKind::FileTooLarge.into()));
    }
    let kept: Kept<Report> = serde_json::from_slice(&text)
        .map_err(|what| FileError::Garbled { path: path.clone(), what })?;
    let own = kept.report.schema == SCHEMA && kept.summary.id == id && is_id(id);
    if own && kept.report.id.as_deref() == Some(id) {
        return Ok((kept, text.len() as u64));
    }
    Err(io(io::Error::new(io::ErrorKind::InvalidData, "not a report of this schema")))
}

/// Writes a report whole or not at all. Returns its size.
pub(super) fn write(
    state_dir: &Path,
    summary: &ReportSummary,
    at_ms: i64,
    report: &Report,
) -> Result<u64, FileError> {
    let path = path_of(state_dir, &summary.id);
    let kept = Kept { at_ms, summary: summary.clone(), report };
    let text = serde_json::to_vec(&kept)
        .map_err(|what| FileError::Garbled { path: path.clone(), what })?;
    let io = |what| FileError::Io { path: path.clone(), what };
    let beside = path.with_extension("tmp");
    let written = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
    let renamed = written.and_then(|()| fs::rename(&beside, &path));
    if renamed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    renamed.map_err(io)?;
    File::open(state_dir.join(FOLDER)).and_then(|folder| folder.sync_all()).map_err(io)?;
    Ok(text.len() as u64)
}

pub(super) fn delete(state_dir: &Path, id: &str) {
    // What is gone already need not be deleted.
    let _ = fs::remove_file(path_of(state_dir, id));
}

/// Brings a report below its bound: the ends of its longest lists go, and a note says so.
pub(super) fn bounded(mut report: Report) -> Report {
    const ROUNDS_MAX: usize = 16;
    let size = |report: &Report| serde_json::to_vec(report).map_or(0, |text| text.len());
    let mut rows_max = 4_096_usize;
    for _ in 0..ROUNDS_MAX {
        if size(&report) <= REPORT_BYTES_MAX {
            break;
        }
        if let Some(leaks) = &mut report.leaks {
            leaks.by_size.truncate(rows_max);
            leaks.by_type.truncate(rows_max);
            leaks.by_stack.truncate(rows_max);
        }
        if let Some(roots) = &mut report.roots {
            roots.truncate(rows_max);
        }
        if let Some(allocator) = &mut report.allocator {
            allocator.arenas.truncate(rows_max);
            allocator.size_classes.truncate(rows_max);
        }
        if rows_max == 4_096 {
            let note = "it was too long to be kept whole: the ends of its lists are left out";
            report.method.notes.push(note.to_owned());
            report.method.complete = false;
        }
        if rows_max <= 64 {
            report.runtime_stats.clear();
            report.method.notes.truncate(64);
        }
        rows_max /= 2;
    }
    report
}

fn path_of(state_dir: &Path, id: &str) -> PathBuf {
    state_dir.join(FOLDER).join(format!("report-{id}.json"))
}

fn id_of(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("report-")?.strip_suffix(".json").filter(|id| is_id(id))
}
