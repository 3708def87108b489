//! The sets of series that are scored: synthetic ones, recorded ones, and what is known of each.

use crate::families;
use crate::scenario::Scenario;
use crate::series::Series;
use crate::trace::{self, TraceError};
use crate::truth::{Leak, Truth};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What an alarm means in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Each series has a truth of its own.
    Known,
    /// Nothing leaks: each alarm is false.
    Silent,
    /// Everything drifts upward.
    Drift,
}

/// Series, their file, and what is known of them.
#[derive(Debug)]
pub struct Set {
    pub name: String,
    /// The trace as `plimsoll replay` is to read it.
    pub path: PathBuf,
    pub series: Vec<Series>,
    pub question: Question,
    /// By the series' name; for [`Question::Known`] there is one for each.
    pub truths: HashMap<String, Truth>,
}

/// Why a set could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Truth { path: PathBuf, source: serde_json::Error },
    #[error("{path}: nothing is known of {series}")]
    Unknown { path: PathBuf, series: String },
}

impl Set {
    #[must_use]
    pub fn rows(&self) -> usize {
        self.series.iter().map(|series| series.used.len()).sum()
    }

    /// The family of a synthetic series: what stands before the first slash.
    #[must_use]
    pub fn family(series: &Series) -> &str {
        series.name.split('/').next().unwrap_or_default()
    }
}

/// Makes the synthetic set and writes it to a folder: `synthetic.csv` and `synthetic.truth.json`.
///
/// # Errors
/// What could not be written.
pub fn synthetic(seeds: std::ops::Range<u32>, folder: &Path) -> Result<Set, SetError> {
    from_scenarios("synthetic", families::all(seeds), folder)
}

/// Writes scenarios as a trace and its truth.
///
/// # Errors
/// What could not be written.
pub fn from_scenarios(
    name: &str,
    scenarios: Vec<Scenario>,
    folder: &Path,
) -> Result<Set, SetError> {
    let path = folder.join(format!("{name}.csv"));
    let mut truths = HashMap::new();
    let mut series = Vec::new();
    for scenario in scenarios {
        truths.insert(scenario.series.name.clone(), scenario.truth);
        series.push(scenario.series);
    }
    trace::write(&path, &series)?;
    let truth_path = folder.join(format!("{name}.truth.json"));
    let sorted: std::collections::BTreeMap<_, _> = truths.iter().collect();
    let json = serde_json::to_vec_pretty(&sorted)
        .map_err(|source| SetError::Truth { path: truth_path.clone(), source })?;
    fs::write(&truth_path, json).map_err(|source| SetError::Io { path: truth_path, source })?;
    Ok(Set { name: name.to_owned(), path, series, question: Question::Known, truths })
}

/// The recorded traces of a folder, ascending by name: `inject…` with its truth beside it,
/// `ageing…` drifts, all others are healthy.
///
/// # Errors
/// When the folder cannot be read.
pub fn recorded_paths(folder: &Path) -> Result<Vec<PathBuf>, SetError> {
    let io = |source| SetError::Io { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(io)?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.to_string_lossy().ends_with(".csv.gz")).collect();
    paths.sort();
    Ok(paths)
}

/// The set's name: the file's, without `.csv.gz`.
#[must_use]
pub fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".csv.gz").unwrap_or(&name).to_owned()
}

/// Reads one recorded trace.
///
/// # Errors
/// What cannot be read, or a leak without a truth.
pub fn recorded(path: &Path) -> Result<Set, SetError> {
    let name = name_of(path);
    let series = trace::read(path)?;
    let (question, truths) = if name.starts_with("inject") {
        (Question::Known, injected_truths(path, &name, &series)?)
    } else if name.starts_with("ageing") {
        (Question::Drift, HashMap::new())
    } else {
        (Question::Silent, HashMap::new())
    };
    Ok(Set { name, path: path.to_owned(), series, question, truths })
}

/// What the truth of recorded injections says of each.
#[derive(Deserialize)]
struct Injected {
    onset_s: f64,
    oom_s: f64,
    shape: String,
}

fn injected_truths(
    path: &Path,
    name: &str,
    series: &[Series],
) -> Result<HashMap<String, Truth>, SetError> {
    let path = path.with_file_name(format!("{name}.truth.json"));
    let text = fs::read(&path).map_err(|source| SetError::Io { path: path.clone(), source })?;
    let injected: HashMap<String, Injected> = serde_json::from_slice(&text)
        .map_err(|source| SetError::Truth { path: path.clone(), source })?;
    let mut truths = HashMap::new();
    for series in series {
        let Some(Injected { onset_s, oom_s, shape }) = injected.get(&series.name) else {
            return Err(SetError::Unknown { path, series: series.name.clone() });
        };
        let leak = Leak {
            onset_s: *onset_s,
            oom_s: Some(*oom_s),
            end_s: *oom_s,
            life_from_s: *onset_s,
            rate_bytes_per_s: None,
        };
        truths.insert(series.name.clone(), Truth { shape: shape.clone(), leak: Some(leak) });
    }
    Ok(truths)
}
