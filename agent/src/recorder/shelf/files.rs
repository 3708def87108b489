//! The files of the shelf: names, atomic writes, reading back what a run has left.

use super::{INCIDENT_BYTES_MAX, ShelfError, is_id};
use crate::recorder::draft::{CHECKPOINT_SCHEMA, Checkpoint};
use crate::view::{INCIDENT_SCHEMA, Incident, IncidentSummary};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FOLDER: &str = "incidents";
const CHECKPOINT: &str = "recorder.json";
/// The last file that could not be read.
const DAMAGED: &str = "incident.damaged";
/// The checkpoint is at most 32 pins with what was said and found; far less in truth.
const CHECKPOINT_BYTES_MAX: u64 = 4 << 20;

/// What is known of an incident without reading it again.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) summary: IncidentSummary,
    pub(super) bytes: u64,
    pub(super) boot_id: String,
    pub(super) kernel_time_s: f64,
    pub(super) pids: Vec<u32>,
}

impl Entry {
    pub(super) fn of(incident: &Incident, bytes: u64, on_disk: bool) -> Self {
        Self {
            summary: incident.in_short(on_disk),
            bytes,
            boot_id: incident.boot_id.clone(),
            kernel_time_s: incident.kernel_time_s.unwrap_or(f64::NAN),
            pids: incident.victims.iter().filter_map(|victim| victim.pid).collect(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) notes: Vec<String>,
}

/// Makes the folder, removes what was left half written, reads every incident's entry.
pub(super) fn prepare(state_dir: &Path) -> Result<Found, ShelfError> {
    let folder = state_dir.join(FOLDER);
    let io = |what| ShelfError::Io { path: folder.clone(), what };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io)?;
    let mut found = Found::default();
    for path in paths(&folder).map_err(io)? {
        if path.extension().is_some_and(|extension| extension == "tmp") {
            let _ = fs::remove_file(&path);
        } else if let Some(id) = id_of(&path) {
            match read(state_dir, id) {
                Ok(incident) => {
                    let bytes = fs::metadata(&path).map_or(0, |meta| meta.len());
                    found.entries.push(Entry::of(&incident, bytes, true));
                }
                Err(what) => {
                    found.notes.push(format!("{what}; it is set aside as {DAMAGED}"));
                    let _ = fs::rename(&path, folder.join(DAMAGED));
                }
            }
        }
    }
    found.entries.sort_by(|a, b| a.summary.id.cmp(&b.summary.id));
    Ok(found)
}

/// All incidents of a state directory, newest first, for who asks without an agent. Changes
/// nothing; what cannot be read is left out.
///
/// # Errors
/// When the folder cannot be listed; one that is not there has none.
pub fn read_dir(state_dir: &Path) -> Result<Vec<Incident>, ShelfError> {
    let folder = state_dir.join(FOLDER);
    let listed = match paths(&folder) {
        Ok(listed) => listed,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(what) => return Err(ShelfError::Io { path: folder, what }),
    };
    let mut ids: Vec<&str> = listed.iter().filter_map(|path| id_of(path)).collect();
    ids.sort_unstable();
    Ok(ids.into_iter().rev().filter_map(|id| read(state_dir, id).ok()).collect())
}

pub(super) fn read(state_dir: &Path, id: &str) -> Result<Incident, ShelfError> {
    let path = state_dir.join(FOLDER).join(name_of(id));
    let text = read_bounded(&path, 2 * INCIDENT_BYTES_MAX as u64)?;
    let incident: Incident = serde_json::from_slice(&text)
        .map_err(|what| ShelfError::Garbled { path: path.clone(), what })?;
    if incident.schema != INCIDENT_SCHEMA || incident.id != id || !is_id(id) {
        let what = io::Error::new(io::ErrorKind::InvalidData, "not an incident of this schema");
        return Err(ShelfError::Io { path, what });
    }
    Ok(incident)
}

/// Writes an incident whole or not at all. Returns its size.
pub(super) fn write(state_dir: &Path, incident: &Incident) -> Result<u64, ShelfError> {
    let folder = state_dir.join(FOLDER);
    let path = folder.join(name_of(&incident.id));
    let text = serde_json::to_vec(incident)
        .map_err(|what| ShelfError::Garbled { path: path.clone(), what })?;
    let io = |what| ShelfError::Io { path: path.clone(), what };
    replace(&path, &text, true).map_err(io)?;
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    Ok(text.len() as u64)
}

pub(super) fn delete(state_dir: &Path, id: &str) {
    // What is gone already need not be deleted.
    let _ = fs::remove_file(state_dir.join(FOLDER).join(name_of(id)));
}

pub(super) fn write_checkpoint(
    state_dir: &Path,
    checkpoint: &Checkpoint,
) -> Result<(), ShelfError> {
    let path = state_dir.join(FOLDER).join(CHECKPOINT);
    let text = serde_json::to_vec(checkpoint)
        .map_err(|what| ShelfError::Garbled { path: path.clone(), what })?;
    replace(&path, &text, false).map_err(|what| ShelfError::Io { path, what })
}

/// What an earlier run left of its recorder; None where none did, or where it cannot be read.
#[must_use]
pub fn read_checkpoint(state_dir: &Path) -> Option<Checkpoint> {
    let path = state_dir.join(FOLDER).join(CHECKPOINT);
    let text = read_bounded(&path, CHECKPOINT_BYTES_MAX).ok()?;
    let checkpoint: Checkpoint = serde_json::from_slice(&text).ok()?;
    (checkpoint.schema == CHECKPOINT_SCHEMA).then_some(checkpoint)
}

/// Brings a document below its bound: series go first, the oldest half at a time, then tasks.
pub(super) fn bounded(mut incident: Incident) -> Incident {
    const ROUNDS_MAX: usize = 12;
    for _ in 0..ROUNDS_MAX {
        let size = serde_json::to_vec(&incident).map_or(0, |text| text.len());
        if size <= INCIDENT_BYTES_MAX {
            return incident;
        }
        let longest = incident.series.iter_mut().max_by_key(|series| series.points.len());
        match longest.filter(|series| series.points.len() > 100) {
            Some(series) => {
                series.points.drain(..series.points.len() / 2);
            }
            None => {
                let half = incident.task_dump.len() / 2;
                let cut = u32::try_from(incident.task_dump.len() - half).unwrap_or(u32::MAX);
                incident.task_dump.truncate(half);
                incident.task_dump_left_out = incident.task_dump_left_out.saturating_add(cut);
                incident.evidence.pop();
            }
        }
    }
    incident
}

/// Writes beside the place and renames; a failure leaves nothing behind.
fn replace(path: &Path, text: &[u8], sync: bool) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(text)?;
        if sync { file.sync_all() } else { Ok(()) }
    });
    let renamed = written.and_then(|()| fs::rename(&beside, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    renamed
}

fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, ShelfError> {
    let io = |what| ShelfError::Io { path: path.to_owned(), what };
    let mut text = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(most + 1).read_to_end(&mut text).map_err(io)?;
    if text.len() as u64 > most {
        return Err(io(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(text)
}

fn paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

fn name_of(id: &str) -> String {
    format!("incident-{id}.json")
}

fn id_of(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("incident-")?.strip_suffix(".json").filter(|id| is_id(id))
}
