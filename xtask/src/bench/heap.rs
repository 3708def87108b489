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
use crate::tools;
use table::Table;

const USAGE: &str = "cargo xtask bench heap [--only level0|walk|probe]";

/// Each measures some rows.
type Part = fn(&mut Table) -> Result<(), String>;
const PARTS: [(&str, Part); 3] =
    [("level0", level0::measure), ("walk", walk::measure), ("probe", probe::measure)];

/// Builds for release, then hands over to that build.
pub fn bench(args: &[&str]) -> Outcome {
    wanted(args)?;
    if let Err(why) = tools::install(tools::FOR_HEAP) {
        eprintln!("{why}: rows of it will be missing");
    }
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
    let mut table = Table::new();
    for (name, part) in PARTS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        table.attempt(name, part);
    }
    print!("{}", table::print(&table.rows));
    let mut failed = table.failed;
    let missed = table.rows.iter().filter(|row| row.is_met() == Some(false));
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
