//! `cargo xtask bench detection`: what the detector finds, misses and cries, beside naive rules.
//!
//! Millions of rows are made, read and judged, too many for a debug build such as this one: the
//! work is done by the package `plimsoll-scenarios`, built for release.

use crate::Outcome;
use crate::run::{command, run, top};
use std::path::PathBuf;

/// Passes its arguments on; adds `--binary` (built here) and `--traces` where they are not given.
pub fn bench(args: &[&str]) -> Outcome {
    let has = |flag: &str| {
        args.iter().any(|arg| {
            arg.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    };
    let build = ["cargo", "build", "--release", "--package", "plimsoll-scenarios"];
    let mut build = command(&build);
    let mut bench = command(&["target/release/plimsoll-bench"]);
    if !has("--binary") {
        build.args(["--package", "plimsoll"]);
        bench.arg("--binary").arg(top().join("target/release/plimsoll"));
    }
    if !has("--traces")
        && let Some(traces) = recorded_traces()
    {
        bench.arg("--traces").arg(traces);
    }
    bench.arg("--plots").arg(top().join("docs/detection")).args(args);
    run(build)?;
    run(bench)
}

/// Where the recorded traces lie if they are there: they are not part of this repository.
fn recorded_traces() -> Option<PathBuf> {
    let beside = top().parent()?.join("shared").join("traces");
    beside.is_dir().then_some(beside)
}
