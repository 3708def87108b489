//! `cargo xtask deb` and `cargo xtask image`: Debian packages, and container images without Docker,
//! both of the programs linked statically; [`check`] holds them to what reads them.
//!
//! A program without libraries runs on every distribution, and is all that its image holds.

mod check;
mod deb;
mod image;
mod tree;

pub use check::check;

use crate::Outcome;
use crate::run::{command, run, top};
use crate::vm::needs_loader;
use std::path::{Path, PathBuf};

const USAGE: &str = "cargo xtask deb|image|packages [--profile release|vm]";

/// The C library's own way of being linked in; musl would bring another allocator and resolver.
const FLAGS: &str = "-Ctarget-feature=+crt-static";

/// Version of packages and images: the workspace's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Agent,
    Cache,
}

impl Program {
    const ALL: [Self; 2] = [Self::Agent, Self::Cache];

    const fn name(self) -> &'static str {
        match self {
            Self::Agent => "plimsoll",
            Self::Cache => "plimsoll-cache",
        }
    }
}

/// Builds a package for each program into `target/deb`.
pub fn debs(args: &[&str]) -> Outcome {
    let built = built(args)?;
    Program::ALL.into_iter().try_for_each(|program| deb::make(program, &built).map(drop))
}

/// Builds an image for each program into `target/image`.
pub fn images(args: &[&str]) -> Outcome {
    let built = built(args)?;
    Program::ALL.into_iter().try_for_each(|program| image::make(program, &built).map(drop))
}

/// Builds both for each program, and holds them to what reads them.
pub fn packages(args: &[&str]) -> Outcome {
    check(&built(args)?)
}

/// The directory with both programs, linked statically.
fn built(args: &[&str]) -> Result<PathBuf, String> {
    let profile = match args {
        [] => "release",
        ["--profile", profile @ ("release" | "vm")] => profile,
        _ => return Err(USAGE.to_owned()),
    };
    let target = top().join("target/static");
    // Named, it keeps the flags away from what runs while building.
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = command(&["cargo", "build", "--bins", "--profile", profile]);
    cargo.args(["--target", &triple, "--target-dir"]).arg(&target);
    for program in Program::ALL {
        cargo.args(["--package", program.name()]);
    }
    cargo.env("RUSTFLAGS", FLAGS);
    run(cargo)?;
    Ok(target.join(triple).join(profile))
}

/// A program out of `built` without its symbols, once it is certain that it needs nothing else.
fn alone(program: Program, built: &Path) -> Result<Vec<u8>, String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let path = scratch.path().join(program.name());
    let mut strip = command(&["strip", "--strip-all", "-o"]);
    strip.arg(&path).arg(built.join(program.name()));
    tree::quiet(strip)?;
    let content = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    if needs_loader(&content) {
        return Err(format!("{} is not static", program.name()));
    }
    Ok(content)
}

/// Units: MiB, for people.
fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
