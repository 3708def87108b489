//! Receivers of OTLP that others wrote, below `target/collectors`: the agent's export is tested
//! against them. Fetched with the ordinary package clients and unpacked, never installed.

use crate::Outcome;
use crate::run::{command, run, top};
use std::fs;
use std::path::Path;
use std::process::Command;

const MIRROR: &str = "http://deb.debian.org/debian";
/// Of package debian-archive-keyring.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The first release whose VictoriaMetrics takes OTLP with Prometheus' names.
const RELEASE: &str = "trixie";
const ROTEL: &str = "rotel==0.0.1a15";

/// Fetches those that are not there; needs the Python of `target/python`.
pub fn install() -> Outcome {
    let dir = top().join("target/collectors");
    if !dir.join("victoria-metrics/usr/bin/victoria-metrics").exists() {
        println!("needs VictoriaMetrics of {RELEASE}: takes what the agent exports");
        victoria_metrics(&dir)?;
    }
    if !dir.join("rotel/rotel/rotel-agent").exists() {
        println!("needs {ROTEL}: takes what the agent exports");
        let mut install = Command::new(top().join("target/python/bin/pip"));
        install.args(["install", "--quiet", "--disable-pip-version-check", "--target"]);
        install.arg(dir.join("rotel")).arg(ROTEL);
        run(install)?;
    }
    Ok(())
}

fn victoria_metrics(dir: &Path) -> Outcome {
    let own = dir.join("apt");
    let made = ["lists/partial", "cache/archives/partial", "package"]
        .iter()
        .try_for_each(|folder| fs::create_dir_all(own.join(folder)))
        .and_then(|()| {
            let list = format!("deb [arch=amd64 signed-by={KEYRING}] {MIRROR} {RELEASE} main\n");
            fs::write(own.join("sources.list"), list)
        });
    made.map_err(|e| format!("{}: {e}", own.display()))?;
    apt(&own, &["-q", "update"])?;
    let package = own.join("package");
    apt(&own, &["-q", "download", &format!("victoria-metrics/{RELEASE}")])?;
    let entries = fs::read_dir(&package).map_err(|e| format!("{}: {e}", package.display()))?;
    let mut names = entries.flatten().map(|entry| entry.path());
    let deb = names.find(|path| path.extension().is_some_and(|ending| ending == "deb"));
    let deb = deb.ok_or("apt-get fetched no package of VictoriaMetrics")?;
    let mut unpack = command(&["dpkg-deb", "--extract"]);
    unpack.arg(deb).arg(dir.join("victoria-metrics"));
    run(unpack)?;
    // Lists and package are of no further use, and are many MiB.
    fs::remove_dir_all(&own).map_err(|e| format!("{}: {e}", own.display()))
}

/// apt with sources, lists and cache of its own: the machine's are neither read nor changed.
fn apt(own: &Path, words: &[&str]) -> Outcome {
    let mut apt = command(&["apt-get"]);
    for (name, file) in [
        ("Dir::Etc::SourceList", "sources.list"),
        ("Dir::State::Lists", "lists"),
        ("Dir::Cache", "cache"),
    ] {
        apt.arg("-o").arg(format!("{name}={}", own.join(file).display()));
    }
    for option in [
        "Dir::Etc::SourceParts=/dev/null",
        "Dir::State::Status=/dev/null",
        "APT::Architecture=amd64",
        "APT::Sandbox::User=root",
        "Acquire::Languages=none",
    ] {
        apt.args(["-o", option]);
    }
    apt.args(words).current_dir(own.join("package"));
    run(apt)
}
