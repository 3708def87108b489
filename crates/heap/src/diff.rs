//! What changed between two reports: the growth of one life of a process, and the difference of any
//! two. Pure; a document may be foreign, and decides neither how much is kept nor how deep it goes.

use crate::report::{Growth, Report, Verdict};
use crate::verdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The value of `schema` of a difference.
pub const SCHEMA: &str = "plimsoll.report-diff/1";

/// Numbers that are compared, and rows kept of each table, the largest changes first.
const NUMBERS_MAX: usize = 2000;
const ROWS_MAX: usize = 100;
const DEPTH_MAX: usize = 6;

/// Two reports held against each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    pub schema: String,
    pub a: Side,
    pub b: Side,
    /// Whether both are of one life of one process; else the changes are those of two processes.
    pub same_life: bool,
    /// From a to b; negative if b was taken first. None where a time cannot be read.
    pub elapsed_s: Option<f64>,
    /// What `b` shows in the light of `a`; None unless both are of one life and `b` is the later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Byte figures that both have, by the dotted name of the field, unless they are equal.
    pub bytes: BTreeMap<String, Change>,
    /// Types, stacks, roots, size classes that changed, by the dotted name of their table.
    pub tables: BTreeMap<String, Vec<Row>>,
    /// Rows that changed and are not shown.
    pub rows_left_out: usize,
}

/// Which report it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    pub id: Option<String>,
    pub taken_at: String,
    pub pid: u32,
    pub start_time: u64,
    pub level: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub a: u64,
    pub b: u64,
    pub delta: i64,
}

/// One line of a table; what a report does not have counts as 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub bytes: Change,
    pub count: Change,
}

impl Change {
    #[must_use]
    pub fn new(a: u64, b: u64) -> Self {
        let delta = i128::from(b) - i128::from(a);
        let delta = delta.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Self { a, b, delta: i64::try_from(delta).unwrap_or_default() }
    }
}

/// Whether both are of one life of one process.
#[must_use]
pub fn same_life(a: &Report, b: &Report) -> bool {
    (a.identity.pid, a.identity.start_time) == (b.identity.pid, b.identity.start_time)
}

/// What `now` has more than `before`, to be put into `now`: of each figure that both have, also 0.
/// None unless both are of one life and `now` is the later one.
#[must_use]
pub fn growth(before: &Report, now: &Report) -> Option<Growth> {
    let elapsed_s = elapsed(before, now).filter(|&elapsed| elapsed > 0.0)?;
    same_life(before, now).then(|| Growth {
        since_id: before.id.clone(),
        since: before.taken_at.clone(),
        elapsed_s,
        bytes: changes(before, now).into_iter().map(|(name, c)| (name, c.delta)).collect(),
    })
}

/// The difference from `a` to `b`.
#[must_use]
pub fn diff(a: &Report, b: &Report) -> Diff {
    let mut rows_left_out = 0;
    let mut tables = BTreeMap::new();
    let (of_a, of_b) = (tables_of(a), tables_of(b));
    for (name, rows) in &of_b {
        // A table that one of them could not have says nothing about growth.
        let Some(before) = of_a.get(name) else { continue };
        let mut changed = rows_between(before, rows);
        rows_left_out += changed.len().saturating_sub(ROWS_MAX);
        changed.truncate(ROWS_MAX);
        if !changed.is_empty() {
            tables.insert(name.clone(), changed);
        }
    }
    Diff {
        schema: SCHEMA.to_owned(),
        a: Side::of(a),
        b: Side::of(b),
        same_life: same_life(a, b),
        elapsed_s: elapsed(a, b),
        verdict: growth(a, b).map(|_| verdict::judge(b, Some(a))),
        bytes: changes(a, b).into_iter().filter(|(_, change)| change.delta != 0).collect(),
        tables,
        rows_left_out,
    }
}

impl Side {
    fn of(report: &Report) -> Self {
        Self {
            id: report.id.clone(),
            taken_at: report.taken_at.clone(),
            pid: report.identity.pid,
            start_time: report.identity.start_time,
            level: report.method.level,
        }
    }
}

fn elapsed(a: &Report, b: &Report) -> Option<f64> {
    let at = |report: &Report| report.taken_at.parse::<Timestamp>().ok();
    Some(at(b)?.duration_since(at(a)?).as_secs_f64())
}

fn changes(a: &Report, b: &Report) -> BTreeMap<String, Change> {
    let (of_a, of_b) = (numbers(a), numbers(b));
    let change = |(name, &now): (&String, &u64)| {
        let before = *of_a.get(name)?;
        Some((name.clone(), Change::new(before, now)))
    };
    of_b.iter().filter_map(change).collect()
}

/// Every byte figure of a report by its dotted name, those of lists excepted.
fn numbers(report: &Report) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut put = |name: &str, part: Value| collect(name, &part, 0, &mut found);
    put("rss", json(&report.rss));
    put("allocator", json(&report.allocator));
    put("fragmentation", json(&report.fragmentation));
    put("leaks", json(&report.leaks));
    for (runtime, stats) in &report.runtime_stats {
        put(&format!("runtime_stats.{runtime}"), stats.clone());
    }
    found
}

/// The document's own types have no keys that JSON cannot have.
fn json(part: &impl Serialize) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}

fn collect(name: &str, value: &Value, depth: usize, found: &mut BTreeMap<String, u64>) {
    match value {
        Value::Object(fields) if depth < DEPTH_MAX => {
            for (key, field) in fields {
                collect(&format!("{name}.{key}"), field, depth + 1, found);
            }
        }
        Value::Number(number) if is_bytes(name) && found.len() < NUMBERS_MAX => {
            if let Some(number) = number.as_u64() {
                found.insert(name.to_owned(), number);
            }
        }
        _ => {}
    }
}

fn is_bytes(name: &str) -> bool {
    name.starts_with("rss.parts.") || name.ends_with("_bytes") || name.ends_with(".bytes")
}

type Table = BTreeMap<String, (u64, u64)>;

/// The tables of a report: bytes and count by name.
fn tables_of(report: &Report) -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::new();
    if let Some(leaks) = &report.leaks {
        let sizes =
            leaks.by_size.iter().map(|row| (row.size_bytes.to_string(), row.bytes, row.count));
        tables.insert("leaks.by_size".to_owned(), summed(sizes));
        let types = leaks.by_type.iter().map(|row| (row.name.clone(), row.bytes, row.count));
        tables.insert("leaks.by_type".to_owned(), summed(types));
        if report.method.level >= 2 {
            let stacks = leaks.by_stack.iter();
            let stacks = stacks.map(|row| (row.frames.join(";"), row.bytes, row.count));
            tables.insert("leaks.by_stack".to_owned(), summed(stacks));
        }
    }
    if let Some(roots) = &report.roots {
        let roots = roots.iter().map(|root| (root.name.clone(), root.retained_bytes, root.count));
        tables.insert("roots".to_owned(), summed(roots));
    }
    if let Some(allocator) = report.allocator.as_ref().filter(|a| !a.size_classes.is_empty()) {
        let classes = allocator.size_classes.iter();
        let classes = classes.map(|class| {
            let name = format!("{}-{}", class.min_bytes, class.max_bytes);
            (name, class.in_use_bytes, class.in_use_count)
        });
        tables.insert("allocator.size_classes".to_owned(), summed(classes));
    }
    for (runtime, stats) in &report.runtime_stats {
        for (pointer, key) in [("/types", "type"), ("/heap_profile/sites", "frames")] {
            let Some(rows) = stats.pointer(pointer).and_then(Value::as_array) else { continue };
            let name = format!("runtime_stats.{runtime}{}", pointer.replace('/', "."));
            tables.insert(name, summed(rows.iter().filter_map(|row| foreign(row, key))));
        }
    }
    tables
}

fn foreign(row: &Value, key: &str) -> Option<(String, u64, u64)> {
    let name = match row.get(key)? {
        Value::String(name) => name.clone(),
        Value::Array(frames) => {
            frames.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(";")
        }
        _ => return None,
    };
    let number = |key: &str| row.get(key).and_then(Value::as_u64);
    Some((name, number("bytes")?, number("count")?))
}

fn summed(rows: impl Iterator<Item = (String, u64, u64)>) -> Table {
    let mut table = Table::new();
    for (name, bytes, count) in rows {
        let row = table.entry(name).or_default();
        row.0 = row.0.saturating_add(bytes);
        row.1 = row.1.saturating_add(count);
    }
    table
}

fn rows_between(a: &Table, b: &Table) -> Vec<Row> {
    let gone = a.keys().filter(|name| !b.contains_key(*name));
    let row = |name: &String| {
        let before = a.get(name).copied().unwrap_or_default();
        let now = b.get(name).copied().unwrap_or_default();
        Row {
            name: name.clone(),
            bytes: Change::new(before.0, now.0),
            count: Change::new(before.1, now.1),
        }
    };
    let mut rows: Vec<Row> = b.keys().chain(gone).map(row).collect();
    rows.retain(|row| row.bytes.delta != 0 || row.count.delta != 0);
    rows.sort_by(|x, y| {
        let key =
            |row: &Row| Reverse((row.bytes.delta.unsigned_abs(), row.count.delta.unsigned_abs()));
        key(x).cmp(&key(y)).then_with(|| x.name.cmp(&y.name))
    });
    rows
}

#[cfg(test)]
mod tests;
