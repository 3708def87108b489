//! `cargo xtask bench loop`: every promise of the closed loop, with memcached and Redis in the
//! cache's place beside ours. The scenarios are run by `plimsoll-loop`; here they are put into one
//! table.

use super::cache::PEERS;
use super::sampling::machine;
use crate::Outcome;
use crate::run::{command, run, top};
use crate::tools::install;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

const USAGE: &str = "cargo xtask bench loop [--only NAME] [--slow]
NAME is a scenario of `plimsoll-loop list`; --slow adds the leak of ten minutes.";

/// Where Debian puts the peers, and what the driver calls them.
const IN_PLACE: [(&str, &str); 2] =
    [("memcached", "/usr/bin/memcached"), ("redis", "/usr/bin/redis-server")];
/// Small values, as caches mostly hold: what a peer needs beside them then counts.
const VALUE_BYTES: &str = "200";

pub fn bench(args: &[&str]) -> Outcome {
    let names: &[&str] = match args {
        [] => &["all"],
        ["--slow"] => &["all", "slow-leak"],
        ["--only", name] => &[name],
        _ => return Err(USAGE.to_owned()),
    };
    install(PEERS)?;
    let mut build = command(&["cargo", "build", "--quiet", "--release", "--package", "plimsoll"]);
    build.args(["--package", "plimsoll-cache", "--package", "plimsoll-loop", "--bins"]);
    run(build)?;
    let mut reports = Vec::new();
    for name in names {
        reports.extend(reports_of(name)?);
    }
    println!("{}\n\n{}", machine(), table(&reports));
    let broken = reports.iter().filter(|report| is_ours(report) && report["passed"] != true);
    let broken: Vec<&str> = broken.filter_map(|report| report["scenario"].as_str()).collect();
    if broken.is_empty() { Ok(()) } else { Err(format!("broken: {}", broken.join(", "))) }
}

/// Runs scenarios and returns what the driver says of each, shown as it comes.
fn reports_of(name: &str) -> Result<Vec<Value>, String> {
    let dir = top().join("target/release");
    let mut driver = Command::new(dir.join("plimsoll-loop"));
    driver.args(["run", "--json", "--value-bytes", VALUE_BYTES, "--scenario", name]);
    driver.arg("--agent").arg(dir.join("plimsoll")).arg("--cache").arg(dir.join("plimsoll-cache"));
    for (peer, path) in IN_PLACE {
        driver.arg("--in-place-of-cache").arg(format!("{peer}={path}"));
    }
    let spawned = driver.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut driver = spawned.map_err(|e| format!("plimsoll-loop: {e}"))?;
    let stdout = driver.stdout.take().ok_or("its output is piped")?;
    let mut reports = Vec::new();
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let report: Value = serde_json::from_str(&line).map_err(|e| format!("{line}: {e}"))?;
        println!("{} ({}): passed {}", report["scenario"], report["subject"], report["passed"]);
        for note in report["notes"].as_array().into_iter().flatten() {
            println!("    {}", note.as_str().unwrap_or_default());
        }
        reports.push(report);
    }
    // Its exit code says no more than the reports do.
    driver.wait().map_err(|e| e.to_string())?;
    Ok(reports)
}

fn is_ours(report: &Value) -> bool {
    report["subject"] == "plimsoll-cache"
}

/// A row for each promise: ours, and what the peers measured of the same.
fn table(reports: &[Value]) -> String {
    let mut text = "| scenario | must | wanted | plimsoll-cache | memcached | redis |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for ours in reports.iter().filter(|report| is_ours(report)) {
        for must in ours["musts"].as_array().into_iter().flatten() {
            let word = |key: &str| must[key].as_str().unwrap_or_default().to_owned();
            let peer = |subject: &str| {
                let found = reports.iter().find(|report| {
                    report["scenario"] == ours["scenario"] && report["subject"] == subject
                });
                let musts = found.and_then(|report| report["musts"].as_array());
                let same = musts.and_then(|m| m.iter().find(|m| m["what"] == must["what"]));
                same.map_or("–".to_owned(), shown)
            };
            let scenario = ours["scenario"].as_str().unwrap_or_default();
            let (own, memcached, redis) = (shown(must), peer("memcached"), peer("redis"));
            let (what, wanted) = (word("what"), word("wanted"));
            text +=
                &format!("| {scenario} | {what} | {wanted} | {own} | {memcached} | {redis} |\n");
        }
    }
    text
}

fn shown(must: &Value) -> String {
    let measured = must["measured"].as_str().unwrap_or_default();
    if must["passed"] == true { measured.to_owned() } else { format!("**{measured}**") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_has_the_same_promise_of_all_and_what_is_broken_stands_out() {
        let report = |subject: &str, measured: &str, passed: bool| {
            let must = json!({"what": "lives", "wanted": "0 kills", "measured": measured,
                              "passed": passed});
            json!({"scenario": "burst", "subject": subject, "musts": [must], "passed": passed})
        };
        let reports =
            [report("plimsoll-cache", "0 kills", true), report("memcached", "1 kills", false)];
        let text = table(&reports);
        let row = text.lines().last();
        assert_eq!(row, Some("| burst | lives | 0 kills | 0 kills | **1 kills** | – |"));
    }
}
