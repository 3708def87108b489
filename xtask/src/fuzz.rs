//! `cargo xtask fuzz`: the fuzz targets beside the parsers, each for a while.

use crate::Outcome;
use crate::run::{command, exists, run, top};

const SECONDS: &str = "30";

pub fn fuzz(args: &[&str]) -> Outcome {
    if !exists("cargo-fuzz") {
        run(command(&["cargo", "install", "--locked", "cargo-fuzz"]))?;
    }
    let (targets, seconds) = match args {
        [] => (all_targets()?, SECONDS),
        [target] => (vec![(*target).to_owned()], SECONDS),
        [target, seconds] => (vec![(*target).to_owned()], *seconds),
        _ => return Err("cargo xtask fuzz [TARGET] [SECONDS]".to_owned()),
    };
    for target in targets {
        let mut fuzz = command(&["cargo", "fuzz", "run", "--fuzz-dir", "tests/fuzz", &target]);
        fuzz.args(["--", &format!("-max_total_time={seconds}"), "-max_len=65536"]);
        // The coverage instrumentation is a nightly flag; this makes the stable compiler take it.
        fuzz.env("RUSTC_BOOTSTRAP", "1");
        run(fuzz)?;
    }
    Ok(())
}

fn all_targets() -> Result<Vec<String>, String> {
    let dir = top().join("tests/fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_suffix(".rs").map(str::to_owned)
    };
    let mut targets: Vec<String> = entries.flatten().filter_map(name).collect();
    targets.sort();
    Ok(targets)
}
