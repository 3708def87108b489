//! `cargo xtask memcached-suite`: memcached's own tests, run against the cache under its name.
//!
//! They come with Debian's source package, which apt-get fetches; nothing of them is kept here. The
//! files that test what this cache does not have are left out. Of the rest each must pass, but for
//! those that are known not to, each with its reason; one of those that passes after all is said.

mod known;
mod source;

use crate::Outcome;
use crate::run::{command, run, top};
use crate::tools::{Tool, install};
use known::{KNOWN, LEFT_OUT};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const USAGE: &str = "cargo xtask memcached-suite [--release bookworm|trixie] [FILE.t]…";

const NEEDS: &[Tool] = &[
    Tool { program: "cc", package: "build-essential", why: "compiles memcached's timedrun" },
    Tool { program: "perl", package: "perl", why: "runs memcached's tests" },
    Tool { program: "xz", package: "xz-utils", why: "unpacks memcached's source" },
];

/// No file of the suite takes as long where it passes.
const FILE_TIME_MAX: Duration = Duration::from_secs(90);

/// As much of a failed test's name is shown; some hold whole values.
const NAME_CHARS: usize = 120;

/// What one file came to.
#[derive(Debug)]
struct Outcomes {
    passed: usize,
    failed: Vec<String>,
    skipped: bool,
    /// It did not come to its end.
    broke: bool,
    took: Duration,
}

impl Outcomes {
    fn is_good(&self) -> bool {
        self.failed.is_empty() && !self.broke
    }
}

pub fn suite(args: &[&str]) -> Outcome {
    let (release, files) = match args {
        ["--release", release, files @ ..] => (Some(*release), files),
        files => (None, files),
    };
    if files.iter().any(|file| !file.ends_with(".t")) {
        return Err(USAGE.to_owned());
    }
    install(NEEDS)?;
    run(command(&["cargo", "build", "--package", "plimsoll-cache"]))?;
    let source = source::fetch(&top().join("target/memcached-suite"), release)?;
    let files = chosen(&source, files)?;
    let build = prepare(&source)?;
    let mut surprises = Vec::new();
    for file in &files {
        let outcomes = one(&build, file)?;
        let known = KNOWN.iter().find(|known| known.file == file);
        println!("{}", line(file, &outcomes, known.map(|known| known.why)));
        match (outcomes.is_good(), known) {
            (true, Some(known)) if !outcomes.skipped && !known.sometimes => {
                println!("     {file} passes after all: strike it off the list");
            }
            (false, None) => surprises.push(format!("{file}: {}", outcomes.failed.join("; "))),
            _ => {}
        }
    }
    if surprises.is_empty() {
        println!("{} files, none fails that should not", files.len());
        return Ok(());
    }
    Err(format!("{} of {} files fail:\n{}", surprises.len(), files.len(), surprises.join("\n")))
}

/// The files to run: those named, or all that test what is there.
fn chosen(source: &Path, named: &[&str]) -> Result<Vec<String>, String> {
    if !named.is_empty() {
        return Ok(named.iter().map(|file| (*file).to_owned()).collect());
    }
    let entries = fs::read_dir(source.join("t")).map_err(|e| format!("memcached's t: {e}"))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let is_ours = |name: &String| {
        name.ends_with(".t") && !LEFT_OUT.iter().any(|(start, _)| name.starts_with(start))
    };
    let mut files: Vec<String> = names.filter(is_ours).collect();
    files.sort();
    Ok(files)
}

/// Puts the cache where memcached's tests look for memcached.
fn prepare(source: &Path) -> Result<PathBuf, String> {
    let timedrun = source.join("timedrun");
    let mut compile = command(&["cc", "-o"]);
    compile.arg(&timedrun).arg(source.join("timedrun.c"));
    run(compile)?;
    let cache = top().join("target/debug/plimsoll-cache");
    for name in ["memcached", "memcached-debug"] {
        let link = source.join(name);
        // It is not there the first time.
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&cache, &link).map_err(|e| e.to_string())?;
    }
    Ok(source.to_owned())
}

fn one(build: &Path, file: &str) -> Result<Outcomes, String> {
    let begun = Instant::now();
    let output = build.join("suite.out");
    let out = fs::File::create(&output).map_err(|e| e.to_string())?;
    let errors = fs::File::create(build.join("suite.err")).map_err(|e| e.to_string())?;
    let mut perl = Command::new("timeout");
    perl.args(["--kill-after=5", &FILE_TIME_MAX.as_secs().to_string(), "perl", "-It/lib"]);
    perl.arg(format!("t/{file}")).current_dir(build);
    perl.stdin(Stdio::null()).stdout(out).stderr(errors);
    let status = perl.status().map_err(|e| format!("perl: {e}"))?;
    let text = String::from_utf8_lossy(&fs::read(&output).map_err(|e| e.to_string())?).into_owned();
    let failed = text.lines().filter(|line| line.starts_with("not ok"));
    let failed: Vec<String> = failed.map(|line| line.chars().take(NAME_CHARS).collect()).collect();
    let passed = text.lines().filter(|line| line.starts_with("ok")).count();
    let plan = text.lines().find_map(|line| line.strip_prefix("1.."));
    let skipped = plan.is_some_and(|plan| plan.starts_with("0 "));
    let planned = plan.and_then(|plan| plan.trim().parse().ok()).unwrap_or(passed + failed.len());
    let ended = skipped || passed + failed.len() == planned;
    // With failed tests the exit code is their number.
    let broke = !ended || (failed.is_empty() && !status.success());
    Ok(Outcomes { passed, failed, skipped, broke, took: begun.elapsed() })
}

fn line(file: &str, it: &Outcomes, why: Option<&str>) -> String {
    let word = match it {
        Outcomes { skipped: true, .. } => "skip",
        it if it.is_good() => "pass",
        _ => "FAIL",
    };
    let end = if it.broke { ", not to its end" } else { "" };
    let (passed, failed, seconds) = (it.passed, it.failed.len(), it.took.as_secs());
    let why = why.map(|why| format!("  ({why})")).unwrap_or_default();
    format!("{word} {file}: {passed} passed, {failed} failed{end}, {seconds} s{why}")
}
