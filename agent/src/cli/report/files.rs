//! Reports as files: read back with a place and a reason where they are not what they should be,
//! and written for their owner only.

use super::super::Failure;
use super::super::text::clean;
use plimsoll_heap::{Report, report::SCHEMA};
use serde::Deserialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A report that is longer is none of ours.
const BYTES_MAX: u64 = 64 << 20;

/// Reads a report.
pub(super) fn read(path: &Path) -> Result<Report, Failure> {
    let name = clean(&path.display().to_string());
    let failed = |what: String| Failure::Report(format!("{name}: {what}"));
    let mut text = Vec::new();
    let file = File::open(path).map_err(|e| failed(format!("cannot be read: {e}")))?;
    let read = file.take(BYTES_MAX + 1).read_to_end(&mut text);
    read.map_err(|e| failed(format!("cannot be read: {e}")))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(failed(format!("is longer than {} MiB: no report", BYTES_MAX >> 20)));
    }
    parse(&text).map_err(|what| Failure::Report(format!("{name}:{what}")))
}

/// `LINE:COLUMN: what is wrong` where it is not a report.
fn parse(text: &[u8]) -> Result<Report, String> {
    #[derive(Deserialize)]
    struct Schema {
        schema: Option<String>,
    }
    let told = |e: &serde_json::Error| {
        let what = e.to_string();
        let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
        format!("{}:{}: {}", e.line(), e.column(), clean(what))
    };
    let schema = serde_json::from_slice::<Schema>(text).map_err(|e| told(&e))?.schema;
    match schema.as_deref() {
        Some(SCHEMA) => serde_json::from_slice(text).map_err(|e| told(&e)),
        Some(other) => Err(format!(" its schema is '{}', not {SCHEMA}", clean(other))),
        None => Err(format!(" it has no schema: no heap report ({SCHEMA})")),
    }
}

/// Writes to `path`, which only its owner can read if it is made here, or to `out`.
pub(super) fn write(path: Option<&Path>, out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        return out.write_all(bytes);
    };
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_report_is_told_with_line_and_reason() {
        let of = |text: &str| parse(text.as_bytes()).unwrap_err();
        assert_eq!(of("{\n  \"schema\": oops}"), "2:13: expected value");
        assert_eq!(of("{}"), " it has no schema: no heap report (plimsoll.report/1)");
        let other = of(r#"{"schema": "plimsoll.incident/1"}"#);
        assert_eq!(other, " its schema is 'plimsoll.incident/1', not plimsoll.report/1");
        let cut = of("{\"schema\": \"plimsoll.report/1\",\n \"taken_at\": 7}");
        assert!(cut.starts_with("2:14: invalid type"), "{cut}");
        assert!(of("\u{1b}[2J").starts_with("1:1: "));
        assert!(!of("{\"schema\": \"\\u001b[31m\"}").contains('\u{1b}'));
        let whole = include_str!("../../../../crates/heap/fixtures/leaking.json");
        assert_eq!(parse(whole.as_bytes()).unwrap().identity.pid, 4242);
    }
}
