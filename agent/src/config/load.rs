//! Fills a configuration from file, environment and flags, and tells all that is wrong at once.
//!
//! A flag beats the environment, the environment the file, the file the default. Reads one file
//! and nothing else; the environment and the flags are handed in.

mod entries;
mod variables;

use super::keys::{self, KEYS, Key, Raw};
use super::lists::{self, EntryPlaces};
use super::{Config, Env, Place, Problem, Problems};
use crate::sources::read_bounded;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Read if it is there and no other file is named.
pub const DEFAULT_FILE: &str = "/etc/plimsoll/plimsoll.toml";

/// A configuration larger than this is none of ours.
const FILE_BYTES_MAX: usize = 1 << 20;

/// What to load from.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Must exist if named. None: `$PLIMSOLL_CONFIG`, else [`DEFAULT_FILE`] if that exists.
    pub file: Option<PathBuf>,
    pub env: Env,
    /// Paths of keys and the values that flags gave them.
    pub flags: Vec<(&'static str, String)>,
}

/// Who has set a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    #[default]
    Default,
    Set(Place),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Set(place @ Place::File { .. }) => write!(f, "file {place}"),
            Self::Set(Place::Flag(name)) => write!(f, "flag --{name}"),
            Self::Set(place) => write!(f, "{place}"),
        }
    }
}

/// A good configuration, and where each of its values comes from.
#[derive(Clone, Debug, Default)]
pub struct Effective {
    pub config: Config,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Variables of OpenTelemetry that were ignored, for they make no sense.
    pub warnings: Vec<Problem>,
    origins: BTreeMap<&'static str, Place>,
    /// By list and entry.
    entries: BTreeMap<(&'static str, usize), EntryPlaces>,
}

impl Effective {
    /// Who has set the key of this path.
    #[must_use]
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().map_or(Origin::Default, Origin::Set)
    }

    fn origin_place(&self, path: &str) -> Option<Place> {
        self.origins.get(path).cloned()
    }

    /// Who has set a key of an entry of a list.
    #[must_use]
    pub fn origin_in(&self, list: &str, entry: usize, key: &str) -> Origin {
        let entry = self.entries.iter().find(|((path, at), _)| *path == list && *at == entry);
        let place = entry.and_then(|(_, places)| places.keys.get(key)).cloned();
        place.map_or(Origin::Default, Origin::Set)
    }

    /// How many keys are not left to their default.
    #[must_use]
    pub fn set_count(&self) -> usize {
        self.origins.len()
    }
}

/// Loads and checks.
///
/// # Errors
/// All problems of all sources, in the order file, environment, flags, contradictions; but what
/// variables of OpenTelemetry have wrong is only warned of.
pub fn load(request: &Request) -> Result<Effective, Problems> {
    let mut loading = Loading::default();
    let named = request
        .file
        .clone()
        .or_else(|| request.env.get("PLIMSOLL_CONFIG").filter(|f| !f.is_empty()).map(Into::into));
    let file = named.or_else(|| Path::new(DEFAULT_FILE).exists().then(|| DEFAULT_FILE.into()));
    if let Some(path) = file {
        loading.read_file(&path);
        loading.effective.file = Some(path);
    }
    loading.read_otel(&request.env);
    for key in KEYS {
        let name = key.env();
        if let Some(text) = request.env.get(&name).filter(|text| !text.is_empty()) {
            loading.set_text(key, text, Place::Env(name));
        }
    }
    for (path, text) in &request.flags {
        let key = keys::find(path).expect("flags name keys of the table");
        loading.set_text(key, text, Place::Flag(key.flag.unwrap_or(path).into()));
    }
    loading.finish()
}

/// Checks the text of a file alone, without environment and flags. `path` is only for messages.
///
/// # Errors
/// All problems of the text, in its order, then contradictions.
pub fn from_text(path: &Path, text: &str) -> Result<Effective, Problems> {
    let mut loading = Loading::default();
    loading.read_text(path, text);
    loading.finish()
}

#[derive(Default)]
struct Loading {
    effective: Effective,
    problems: Vec<Problem>,
}

impl Loading {
    fn finish(mut self) -> Result<Effective, Problems> {
        self.contradictions();
        if self.problems.is_empty() { Ok(self.effective) } else { Err(Problems(self.problems)) }
    }

    fn set(&mut self, key: &'static Key, raw: &Raw, place: Place) {
        match key.field.set(&mut self.effective.config, raw) {
            Ok(()) => {
                self.effective.origins.insert(key.path, place);
            }
            Err(what) => self.problem(place, key.path, what, key.field.accepted()),
        }
    }

    fn set_text(&mut self, key: &'static Key, text: &str, place: Place) {
        let raw = match key.field.raw_of_text(text) {
            Raw::Bool(value) => Raw::Bool(value != key.inverted()),
            other => other,
        };
        self.set(key, &raw, place);
    }

    fn problem(&mut self, place: Place, key: &str, what: String, accepted: String) {
        self.problems.push(Problem { place, key: key.into(), what, accepted });
    }

    fn read_file(&mut self, path: &Path) {
        let start = Place::File { path: path.into(), line: 1, column: 1 };
        let bytes = match read_bounded(path, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(what) => {
                let what = format!("cannot read the file: {what}");
                return self.problem(start, "", what, String::new());
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => self.read_text(path, &text),
            Err(_) => self.problem(start, "", "the file is not UTF-8".into(), String::new()),
        }
    }

    fn read_text(&mut self, path: &Path, text: &str) {
        let file = File { path, text };
        let (table, faults) = DeTable::parse_recoverable(text);
        self.read_table(&file, "", table.get_ref());
        if !faults.is_empty() {
            // What a broken line seems to say is no problem of its own.
            let lines: Vec<usize> = faults.iter().map(|f| file.position(start_of(f)).0).collect();
            let broken = |problem: &Problem| match &problem.place {
                Place::File { line, .. } => lines.contains(line),
                _ => false,
            };
            self.problems.retain(|problem| !broken(problem));
        }
        for fault in faults {
            let place = file.place(start_of(&fault));
            self.problem(place, "", format!("not TOML: {}", fault.message()), String::new());
        }
        self.problems.sort_by_key(|problem| match problem.place {
            Place::File { line, column, .. } => (line, column),
            _ => (usize::MAX, 0),
        });
    }

    fn read_table(&mut self, file: &File<'_>, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path = match prefix {
                "" => name.get_ref().to_string(),
                prefix => format!("{prefix}.{}", name.get_ref()),
            };
            let at_value = file.place(value.span().start);
            match (keys::find(&path), value.get_ref()) {
                (Some(key), value) => self.set(key, &raw_of(value), at_value),
                (None, DeValue::Table(inner)) if keys::is_section(&path) => {
                    self.read_table(file, &path, inner);
                }
                (None, DeValue::Array(items)) if lists::find(&path).is_some() => {
                    self.read_list(file, &path, items);
                }
                (None, _) if lists::find(&path).is_some() => {
                    let what = format!("is an array of tables: begin each entry by [[{path}]]");
                    self.problem(at_value, &path, what, String::new());
                }
                (None, _) if keys::is_section(&path) => {
                    let what = format!("is a table: begin it by [{path}]");
                    self.problem(at_value, &path, what, String::new());
                }
                (None, _) => {
                    let at_name = file.place(name.span().start);
                    self.problem(at_name, &path, unknown(&path), String::new());
                }
            }
        }
    }

    /// What each value permits but not both together.
    fn contradictions(&mut self) {
        let config = self.effective.config.clone();
        let sampling = &config.sampling;
        if sampling.interval_min > sampling.interval_max {
            let what = "is longer than sampling.interval_max";
            self.contradiction("sampling.interval_min", "sampling.interval_max", what);
        }
        if config.alerts.imminent > config.alerts.oom_horizon {
            let what = "is longer than alerts.oom_horizon, beyond which nothing is told";
            self.contradiction("alerts.imminent", "alerts.oom_horizon", what);
        }
        let pressure = &config.pressure;
        if pressure.headroom_medium > pressure.headroom_low {
            let what = "is above pressure.headroom_low";
            self.contradiction("pressure.headroom_medium", "pressure.headroom_low", what);
        }
        if pressure.headroom_critical > pressure.headroom_medium {
            let what = "is above pressure.headroom_medium";
            self.contradiction("pressure.headroom_critical", "pressure.headroom_medium", what);
        }
        let reports = &config.reports;
        for (key, level) in [
            ("reports.http_level_max", reports.http_level_max),
            ("reports.recorder_level", reports.recorder_level),
        ] {
            if level > reports.level_max {
                self.contradiction(key, "reports.level_max", "is above reports.level_max");
            }
        }
        let http = &config.http;
        let credentials = http.tokens_file.is_some() || http.web_config_file.is_some();
        if reports.http_level_max > 0 && reports.token_file.is_none() && !credentials {
            let what = "lets processes be paused over HTTP: set reports.token_file or \
                        http.tokens_file as well";
            self.contradiction("reports.http_level_max", "reports.token_file", what);
        }
        let reachable = !http.listen.ip().to_canonical().is_loopback();
        // Whether the files hold a credential is seen when they are read.
        if reachable && !http.insecure && !credentials {
            let what = format!(
                "{} can be reached by others and no credential is set up: set http.tokens_file or \
                 http.web_config_file, listen on a loopback address, or say http.insecure = true \
                 (--insecure)",
                http.listen
            );
            self.contradiction("http.listen", "http.insecure", &what);
        }
        if let Some((key, other, what)) = config.export.contradiction() {
            self.half_of_a_pair(key, other, what);
        }
        for fault in config.routing.faults() {
            self.fault(fault);
        }
    }

    /// Tells it at the first key, or at the other if only that was set.
    fn contradiction(&mut self, key: &str, other: &str, what: &str) {
        let origins = &self.effective.origins;
        // Both at their defaults cannot contradict: a test holds that the defaults load.
        let Some(place) = origins.get(key).or_else(|| origins.get(other)).cloned() else { return };
        self.problem(place, key, what.into(), String::new());
    }
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    /// Line and column, from 1, of a byte offset.
    fn position(&self, offset: usize) -> (usize, usize) {
        let offset =
            (0..=offset.min(self.text.len())).rev().find(|&i| self.text.is_char_boundary(i));
        let before = &self.text[..offset.unwrap_or(0)];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    fn place(&self, offset: usize) -> Place {
        let (line, column) = self.position(offset);
        Place::File { path: self.path.into(), line, column }
    }
}

fn start_of(fault: &toml::de::Error) -> usize {
    fault.span().map_or(0, |span| span.start)
}

fn raw_of(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(n) => i128::from_str_radix(&n.as_str().replace('_', ""), n.radix())
            .map_or(Raw::Other("an integer out of range"), Raw::Integer),
        DeValue::Float(n) => {
            n.as_str().replace('_', "").parse().map_or(Raw::Other("a float"), Raw::Float)
        }
        DeValue::Boolean(value) => Raw::Bool(*value),
        DeValue::Array(items) => Raw::List(items.iter().map(|i| raw_of(i.get_ref())).collect()),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

fn unknown(path: &str) -> String {
    let name = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let sections = KEYS.iter().map(|key| key.section_and_name().0).filter(|s| !s.is_empty());
    let elsewhere = KEYS.iter().find(|key| name(key.path) == name(path)).map(|key| key.path);
    let lists = lists::LISTS.iter().map(|list| list.path());
    let near = KEYS.iter().map(|key| key.path).chain(sections).chain(lists);
    let near = near.map(|known| (distance(known, path), known)).min();
    let near = near.filter(|(far, known)| *far <= known.len() / 3).map(|(_, known)| known);
    match elsewhere.or(near) {
        Some(known) => format!("unknown key, did you mean {known}?"),
        None => "unknown key; `plimsoll generate config` shows all".into(),
    }
}

/// Edit distance: insertions, deletions and replacements that turn one text into the other.
/// Source: Wagner and Fischer, 1974. Cost: the product of the lengths, which are cut at 64.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
