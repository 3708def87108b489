//! What the machines boot into: the product, the scenario driver and the end-to-end tests, linked
//! statically, in an initramfs with busybox.
//!
//! Built in a target directory of its own, for the flags differ from those of every other build
//! here; see docs/decisions/0009.

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
        let built = target.join(TARGET).join(PROFILE);
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
    match memchr::memmem::find(&content, b"ld-linux") {
        None => Ok(content),
        Some(_) => Err(format!("{} is not static: install busybox-static", found.display())),
    }
}

/// The test program that cargo says it has made.
fn executable(messages: &str) -> Option<PathBuf> {
    let mut parsed = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    parsed.find_map(|message: serde_json::Value| {
        let is_tests = message["target"]["name"] == "e2e";
        Some(PathBuf::from(message["executable"].as_str().filter(|_| is_tests)?))
    })
}
