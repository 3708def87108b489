//! Debian's source package of memcached, fetched with apt-get as its signature allows.
//!
//! apt-get is given lists and sources of its own below `target/`, so nothing of the machine's
//! configuration is read or changed.

use crate::run::{command, run};
use std::fs;
use std::path::{Path, PathBuf};

const MIRROR: &str = "http://deb.debian.org/debian";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The release whose package is taken if nothing else is said: the newest stable one.
const RELEASE: &str = "trixie";

/// Fetches and unpacks below `dir`; returns the folder of the source. What is there is not fetched
/// again.
pub(super) fn fetch(dir: &Path, release: Option<&str>) -> Result<PathBuf, String> {
    let release = release.unwrap_or(RELEASE);
    let dir = dir.join(release);
    let source = dir.join("source");
    if source.join("t").is_dir() {
        return Ok(source);
    }
    for folder in ["lists/partial", "cache/archives/partial", "source"] {
        fs::create_dir_all(dir.join(folder)).map_err(failed(folder))?;
    }
    let list = format!("deb-src [signed-by={KEYRING}] {MIRROR} {release} main\n");
    fs::write(dir.join("sources.list"), list).map_err(failed("sources.list"))?;
    apt(&dir, &["update", "-q"])?;
    apt(&dir, &["source", "--download-only", "memcached"])?;
    let entries = fs::read_dir(&dir).map_err(failed("the downloads"))?;
    let names = entries.flatten().map(|entry| entry.path());
    let tar = names.filter(|path| path.to_string_lossy().contains(".orig.tar.")).last();
    let tar = tar.ok_or("apt-get fetched no source of memcached")?;
    let mut unpack = command(&["tar", "--strip-components=1", "-C"]);
    unpack.arg(&source).arg("-xf").arg(&tar);
    run(unpack)?;
    Ok(source)
}

fn failed(what: &str) -> impl FnOnce(std::io::Error) -> String {
    move |e| format!("{what}: {e}")
}

fn apt(dir: &Path, words: &[&str]) -> Result<(), String> {
    let mut apt = command(&["apt-get"]);
    for (name, file) in [
        ("Dir::Etc::SourceList", "sources.list"),
        ("Dir::State::Lists", "lists"),
        ("Dir::Cache", "cache"),
    ] {
        apt.arg("-o").arg(format!("{name}={}", dir.join(file).display()));
    }
    apt.args(["-o", "Dir::Etc::SourceParts=/dev/null"]);
    // As root apt would fetch as another user, who cannot write here.
    apt.args(["-o", "APT::Sandbox::User=root"]).args(words).current_dir(dir);
    run(apt)
}
