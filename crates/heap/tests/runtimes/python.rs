//! CPython against its own collector and `sys.getsizeof`, with every version that is installed.

use crate::programs::{Program, examine, skipped, source, stats};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// Debian's, and those that pyenv has installed.
fn pythons() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = vec!["/usr/bin/python3".into()];
    if let Some(home) = std::env::home_dir() {
        let versions = std::fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten();
        for version in versions.filter_map(Result::ok) {
            let minor = version.file_name().to_string_lossy().split('.').nth(1).map(str::to_owned);
            let minor = minor.and_then(|minor| minor.parse::<u32>().ok());
            if version.file_name().as_encoded_bytes().starts_with(b"3.")
                && minor.is_some_and(|minor| (9..=13).contains(&minor))
            {
                found.push(version.path().join("bin/python3"));
            }
        }
    }
    found.retain(|python| python.exists());
    found
}

fn kind(python: &Value, name: &str) -> (u64, u64) {
    let types = python["types"].as_array().unwrap();
    let kind = types.iter().find(|kind| kind["type"] == name);
    let kind = kind.unwrap_or_else(|| panic!("no {name} in {python}"));
    (kind["count"].as_u64().unwrap(), kind["bytes"].as_u64().unwrap())
}

#[track_caller]
fn check(python: &PathBuf) {
    let mut program = Program::start(Command::new(python).arg(source("hold.py")));
    program.ask();
    let said = program.ask();
    let found = examine(program.pid());
    let read = stats(&found, "python");
    let of = |name: &str| kind(&read, name);
    assert_eq!(of("Session").0, said[0], "{python:?}");
    assert_eq!(of("Slotted").0, said[1], "{python:?}");
    let near = |name: &str, said: u64| {
        let count = of(name).0;
        assert!(count.abs_diff(said) <= said / 50 + 20, "{python:?} {name}: {count}, not {said}");
    };
    near("function", said[2]);
    let [sizes, records, letters] = [said[3], said[4], said[5]];
    let (dicts, bytes) = of("dict");
    assert!(dicts >= records, "{python:?}: {dicts} dicts, at least {records}");
    assert!(bytes >= sizes * 98 / 100, "{python:?}: {bytes} bytes of dicts, at least {sizes}");
    let (texts, bytes) = of("str");
    assert!(texts >= records + 1000, "{python:?}: {texts}");
    assert!(bytes >= letters + records * 40, "{python:?}: {bytes}");
    assert_eq!(of("complex"), (7000, 7000 * 32), "{python:?}");
    assert_eq!(found.iter().flat_map(|finding| &finding.notes).collect::<Vec<_>>().len(), 0);
    assert!(read["version"].as_str().unwrap().starts_with("3."));
}

#[test]
fn objects_are_counted_by_type_as_the_interpreter_counts_them() {
    let pythons = pythons();
    if pythons.is_empty() {
        assert!(skipped("no CPython is installed"));
    }
    for python in &pythons {
        check(python);
    }
}
