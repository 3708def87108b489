//! Kernels for the test bed, out of Debian packages that are fetched and unpacked, never installed.
//!
//! apt works here with sources, lists and cache of its own below `target/vm/apt`, so neither the
//! release that this machine runs nor its sources matter. What was unpacked once is used again.

use crate::Outcome;
use crate::run::{captured, command, run, top};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIRROR: &str = "http://deb.debian.org/debian";
/// Of package debian-archive-keyring.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Stands for whichever kernel the release has now.
const NEWEST: &str = "linux-image-cloud-amd64";

/// Where a package has its modules, depending on its release.
const MODULES: [&str; 2] = ["usr/lib/modules", "lib/modules"];

/// A line of kernels, and the Debian release that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    pub line: &'static str,
    release: &'static str,
}

pub const KERNELS: [Kernel; 2] =
    [Kernel { line: "6.1", release: "bookworm" }, Kernel { line: "6.12", release: "trixie" }];

/// What is taken out of a kernel's package.
#[derive(Clone, Debug)]
pub struct Files {
    /// What boots.
    pub image: PathBuf,
    /// The module that makes block devices of RAM, compressed or not.
    pub brd: PathBuf,
}

impl Kernel {
    /// Its files; fetched if they are not there.
    pub fn files(self) -> Result<Files, String> {
        let dir = top().join("target/vm/kernels").join(self.line);
        let files = || {
            Ok::<_, String>(Files { image: only(&dir, "vmlinuz-")?, brd: only(&dir, "brd.ko")? })
        };
        if let Ok(files) = files() {
            return Ok(files);
        }
        fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let apt = Apt::prepare()?;
        let package = apt.newest(self)?;
        println!("needs Linux {} (package {package} of {}): boots it", self.line, self.release);
        let scratch = tempfile::tempdir_in(&dir).map_err(|e| e.to_string())?;
        let archive = apt.download(&package, self, scratch.path())?;
        let mut unpack = command(&["dpkg-deb", "--extract"]);
        unpack.arg(archive).arg(scratch.path());
        run(unpack)?;
        // The module first: where the image is, all is.
        let modules = MODULES.map(|path| only(&scratch.path().join(path), self.line));
        let modules = modules.into_iter().find_map(Result::ok);
        let modules = modules.ok_or_else(|| format!("{package} has no modules"))?;
        for from in [
            only(&modules.join("kernel/drivers/block"), "brd.ko")?,
            only(&scratch.path().join("boot"), "vmlinuz-")?,
        ] {
            let to = dir.join(from.file_name().unwrap_or_default());
            fs::rename(&from, &to).map_err(|e| format!("{}: {e}", to.display()))?;
        }
        files()
    }
}

/// apt with directories of its own.
struct Apt {
    dir: PathBuf,
}

impl Apt {
    fn prepare() -> Result<Self, String> {
        if !Path::new(KEYRING).exists() {
            return Err(format!("{KEYRING} is missing: install debian-archive-keyring"));
        }
        let dir = top().join("target/vm/apt");
        let sources: String = KERNELS
            .iter()
            .map(|k| format!("deb [arch=amd64 signed-by={KEYRING}] {MIRROR} {} main\n", k.release))
            .collect();
        let made = fs::create_dir_all(dir.join("lists/partial"))
            .and_then(|()| fs::create_dir_all(dir.join("cache/archives/partial")))
            .and_then(|()| fs::write(dir.join("sources.list"), sources));
        made.map_err(|e| format!("{}: {e}", dir.display()))?;
        let apt = Self { dir };
        run(apt.command("apt-get", &["-q", "update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let own = |key: &str, name: &str| format!("{key}={}", self.dir.join(name).display());
        let mut command = command(&[program]);
        for option in [
            own("Dir::Etc::SourceList", "sources.list"),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            own("Dir::State::Lists", "lists"),
            own("Dir::Cache", "cache"),
            // Nothing counts as installed.
            "Dir::State::Status=/dev/null".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command.args(words);
        command
    }

    /// The name of the package that the release's meta package depends on.
    fn newest(&self, kernel: Kernel) -> Result<String, String> {
        let meta = format!("{NEWEST}/{}", kernel.release);
        let shown = captured(self.command("apt-cache", &["show", &meta]))?;
        let image = format!("linux-image-{}.", kernel.line);
        let depends = shown.lines().filter_map(|line| line.strip_prefix("Depends: "));
        let named = depends.filter_map(|list| list.split([' ', ',']).next());
        let mut named = named.filter(|name| name.starts_with(&image));
        named.next().map(str::to_owned).ok_or_else(|| {
            format!("{} has no kernel {} any more: {shown}", kernel.release, kernel.line)
        })
    }

    fn download(&self, package: &str, kernel: Kernel, to: &Path) -> Result<PathBuf, String> {
        let package = format!("{package}/{}", kernel.release);
        let mut download = self.command("apt-get", &["-q", "download", &package]);
        download.current_dir(to);
        let fetched: Outcome = run(download);
        fetched?;
        only(to, "linux-image-")
    }
}

/// The one file of a directory whose name begins so.
fn only(dir: &Path, prefix: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let own = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    let mut found = entries.flatten().map(|entry| entry.path()).filter(own);
    found.next().ok_or_else(|| format!("no {prefix}… in {}", dir.display()))
}
