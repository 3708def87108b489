//! What the machines boot into: the product, the scenario driver and the end-to-end tests, linked
//! statically, in an initramfs with busybox.
//!
//! Built in a target directory of its own, for the flags differ from those of every other build
//! here; see docs/decisions/0010.

use super::archive::Archive;
use super::kernel::Files;
use crate::run::{captured, command, top};
use std::fs;
use std::path::{Path, PathBuf};

/// glibc's linker flags do what musl would need a second toolchain for.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const FLAGS: &str = "-Ctarget-feature=+crt-static";
const PROFILE: &str = "vm";
const PROGRAMS: [&str; 4] = ["plimsoll", "plimsoll-cache", "plimsoll-loop", "plimsoll-load"];
const PACKAGES: [&str; 4] = ["plimsoll", "plimsoll-cache", "plimsoll-loop", "plimsoll-tests"];

/// The built programs: name and content.
#[derive(Debug)]
pub struct Programs(Vec<(String, Vec<u8>)>);

impl Programs {
    /// Where they are once built.
    pub fn directory() -> PathBuf {
        top().join("target/vm/build").join(TARGET).join(PROFILE)
    }

    /// Builds them, or finds that nothing changed.
    pub fn build() -> Result<Self, String> {
        let target = top().join("target/vm/build");
        // All at once: another choice of packages is another choice of features, built anew.
        let mut cargo = command(&["cargo", "build", "--bins", "--test", "e2e"]);
        cargo.args(["--message-format", "json-render-diagnostics"]);
        cargo.args(["--profile", PROFILE, "--target", TARGET, "--target-dir"]).arg(&target);
        for package in PACKAGES {
            cargo.args(["--package", package]);
        }
        cargo.env("RUSTFLAGS", FLAGS);
        // Only cargo knows the name of the file that holds the tests.
        let tests = executable(&captured(cargo)?).ok_or("cargo named no test program")?;
        let built = Self::directory();
        let mut programs: Vec<(String, PathBuf)> =
            PROGRAMS.iter().map(|name| ((*name).to_owned(), built.join(name))).collect();
        programs.push(("e2e".to_owned(), tests));
        let read = |(name, path): (String, PathBuf)| Ok((name, read(&path)?));
        Ok(Self(programs.into_iter().map(read).collect::<Result<_, String>>()?))
    }

    /// An initramfs that does what `plan` says ([`super::plan`]).
    pub fn pack(
        &self,
        plan: &str,
        kernel: &Files,
        only: impl Fn(&str) -> bool,
    ) -> Result<Vec<u8>, String> {
        let mut archive = Archive::default();
        archive.directory("bin");
        archive.file("bin/busybox", &busybox()?);
        archive.file("init", &read(&top().join("tests/vm/bed.sh"))?);
        archive.file("plan", plan.as_bytes());
        let module = kernel.brd.file_name().unwrap_or_default().to_string_lossy();
        archive.file(&module, &read(&kernel.brd)?);
        archive.directory("plimsoll");
        for (name, content) in self.0.iter().filter(|(name, _)| only(name)) {
            archive.file(&format!("plimsoll/{name}"), content);
        }
        Ok(archive.finish())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The content of the one that is linked statically: in the machine there is no library to load.
fn busybox() -> Result<Vec<u8>, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|dir| dir.join("busybox"));
    let found = found.find(|path| path.is_file()).ok_or("busybox is not there")?;
    let content = read(&found)?;
    if needs_loader(&content) {
        return Err(format!("{} is not static: install busybox-static", found.display()));
    }
    Ok(content)
}

/// Whether a program asks for a dynamic loader: it has a header of type PT_INTERP. Source: elf(5).
pub fn needs_loader(program: &[u8]) -> bool {
    const PT_INTERP: usize = 3;
    let bytes = |at: usize, len: usize| program.get(at..at.checked_add(len)?);
    let number = |at: usize, len: usize| -> Option<usize> {
        Some(bytes(at, len)?.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let (Some(from), Some(each), Some(count)) = (number(32, 8), number(54, 2), number(56, 2))
    else {
        return false;
    };
    let kind = |at: usize| number(from.saturating_add(at * each), 4);
    (0..count).any(|at| kind(at) == Some(PT_INTERP))
}

/// The test program that cargo says it has made.
fn executable(messages: &str) -> Option<PathBuf> {
    let mut parsed = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    parsed.find_map(|message: serde_json::Value| {
        let is_tests = message["target"]["name"] == "e2e";
        Some(PathBuf::from(message["executable"].as_str().filter(|_| is_tests)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_asks_for_a_loader_is_told_from_one_that_does_not() {
        let mut program = vec![0_u8; 64 + 2 * 56];
        (program[32], program[54], program[56]) = (64, 56, 2);
        program[64] = 1;
        assert!(!needs_loader(&program), "two segments, one of which is loaded");
        program[64 + 56] = 3;
        assert!(needs_loader(&program));
        assert!(!needs_loader(b"#!/bin/sh"));
    }
}
