//! `cargo xtask bench heap`: what heap reports promise, against what the programs know themselves.
//!
//! Programs are compiled and started for it, and end with it. Each part measures in a release build
//! of this very program and adds its rows to one table.

mod blocks;
mod level0;
mod probe;
pub mod table;
mod walk;

use crate::Outcome;
use crate::run::{command, run};
use table::Row;

const USAGE: &str = "cargo xtask bench heap [--only level0|walk|probe]";

/// Each measures some rows.
type Part = fn() -> Result<Vec<Row>, String>;
const PARTS: [(&str, Part); 3] =
    [("level0", level0::measure), ("walk", walk::measure), ("probe", probe::measure)];

/// Builds for release, then hands over to that build.
pub fn bench(args: &[&str]) -> Outcome {
    wanted(args)?;
    run(command(&["cargo", "build", "--quiet", "--release", "--package", "xtask"]))?;
    let mut bench = command(&["target/release/xtask"]);
    bench.args(["bench-program", "heap"]).args(args);
    run(bench)
}

/// The bench itself, in the release build.
pub fn program(args: &[&str]) -> Outcome {
    if let ["--walk", pid] = args {
        return walk::one(pid);
    }
    let only = wanted(args)?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (name, part) in PARTS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        match part() {
            Ok(measured) => rows.extend(measured),
            Err(why) => failed.push(format!("{name}: {why}")),
        }
    }
    print!("{}", table::print(&rows));
    let missed = rows.iter().filter(|row| row.is_met() == Some(false));
    failed.extend(missed.map(|row| format!("{}: {} {}", row.what, row.shown(), row.unit)));
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

fn wanted<'a>(args: &[&'a str]) -> Result<Option<&'a str>, String> {
    match args {
        [] => Ok(None),
        ["--only", name] if PARTS.iter().any(|(part, _)| part == name) => Ok(Some(name)),
        _ => Err(USAGE.to_owned()),
    }
}
