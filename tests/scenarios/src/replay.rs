//! Runs the detector under test over a trace, as its users do.

use crate::events::{ByEntity, Event};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Why there are no events to score.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("{binary}: {source}")]
    Start { binary: PathBuf, source: std::io::Error },
    #[error("{binary} replay {trace}: {status}\n{stderr}")]
    Failed { binary: PathBuf, trace: PathBuf, status: String, stderr: String },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path}, line {line}: {source}")]
    Malformed { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("{path}, line {line}: goes back in time for {entity}")]
    BackInTime { path: PathBuf, line: usize, entity: String },
}

/// Runs `binary replay trace` with that caution and reads what it wrote; says how long it took.
///
/// # Errors
/// When it cannot be run, fails, or writes something other than events in time order.
pub fn replay(
    binary: &Path,
    trace: &Path,
    caution: f64,
) -> Result<(ByEntity, Duration), ReplayError> {
    let out = tempfile::NamedTempFile::new()
        .map_err(|source| ReplayError::Io { path: std::env::temp_dir(), source })?;
    let begun = Instant::now();
    let ran = Command::new(binary)
        .arg("replay")
        .arg(trace)
        .arg(format!("--caution={caution}"))
        .arg("--out")
        .arg(out.path())
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ReplayError::Start { binary: binary.to_owned(), source })?;
    let took = begun.elapsed();
    if !ran.status.success() {
        return Err(ReplayError::Failed {
            binary: binary.to_owned(),
            trace: trace.to_owned(),
            status: ran.status.to_string(),
            stderr: String::from_utf8_lossy(&ran.stderr).into_owned(),
        });
    }
    Ok((read_events(out.path())?, took))
}

/// One line of the file.
#[derive(Deserialize)]
struct Line {
    entity: String,
    #[serde(flatten)]
    event: Event,
}

/// Reads an events file.
///
/// # Errors
/// What is malformed or out of order, with its line.
pub fn read_events(path: &Path) -> Result<ByEntity, ReplayError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ReplayError::Io { path: path.to_owned(), source })?;
    let mut events = ByEntity::new();
    for (line, text) in (1..).zip(text.lines()) {
        let read = serde_json::from_str(text).map_err(|source| ReplayError::Malformed {
            path: path.to_owned(),
            line,
            source,
        })?;
        let Line { entity, event } = read;
        let before = events.get(&entity).and_then(|events: &Vec<Event>| events.last());
        if before.is_some_and(|before| before.time_s > event.time_s) {
            return Err(ReplayError::BackInTime { path: path.to_owned(), line, entity });
        }
        events.entry(entity).or_default().push(event);
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Kind;

    #[test]
    fn events_are_read_by_entity_and_must_not_go_back_in_time() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("events.jsonl");
        let line = |t: u32, entity: &str| {
            format!(
                r#"{{"time_s":{t},"entity":"{entity}","event":"oom_predicted","rate_bytes_per_s":1.5,
                "eta_s":{{"p10":1,"p50":2,"p90":3}},"confidence":0.9,"cause":"heap_leak"}}"#
            )
            .replace('\n', "")
        };
        let text = [line(5, "a"), line(1, "b"), line(6, "a")].join("\n");
        fs::write(&path, &text).expect("written");
        let events = read_events(&path).expect("they are in order");
        assert_eq!((events["a"].len(), events["b"][0].event), (2, Kind::OomPredicted));
        fs::write(&path, text + "\n" + &line(4, "a")).expect("written");
        let error = read_events(&path).expect_err("4 is before 6").to_string();
        assert!(error.ends_with("line 4: goes back in time for a"), "{error}");
    }
}
