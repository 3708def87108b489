//! `cargo xtask bench export`: what an export by OTLP costs and what it survives.
//!
//! The encoding alone (a bench of its own process), then the release agent: on a node of 10,000
//! real processes and 500 cgroups of containers; with a collector that is dead for ten minutes;
//! killed between two exports. All that is started ends with the bench.

mod kills;
mod node;
mod outage;

use super::heap::table::{self, Row};
use super::sampling::machine;
use crate::Outcome;
use crate::run::{command, run, top};
use plimsoll_tests::Agent;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

const USAGE: &str = "cargo xtask bench export [--quick] [--only encoding|node|outage|kills]
--quick: 1,000 processes, 50 containers, a collector that is dead for half a minute, two kills.";

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    processes: usize,
    containers: usize,
    /// How old an agent is when its memory is looked at.
    settle: Duration,
    /// Exports, and scrapes, that are measured.
    rounds: usize,
    outage: Duration,
    kills: usize,
}

const FULL: Plan = Plan {
    processes: 10_000,
    containers: 500,
    settle: Duration::from_secs(45),
    rounds: 7,
    outage: Duration::from_secs(600),
    kills: 5,
};
const QUICK: Plan = Plan {
    processes: 1_000,
    containers: 50,
    settle: Duration::from_secs(10),
    rounds: 3,
    outage: Duration::from_secs(30),
    kills: 2,
};

/// Each measures some rows.
type Part = fn(&Plan) -> Result<Vec<Row>, String>;
const PARTS: [(&str, Part); 4] = [
    ("encoding", encoding),
    ("node", node::measure),
    ("outage", outage::measure),
    ("kills", kills::measure),
];

pub fn bench(args: &[&str]) -> Outcome {
    let (plan, only) = read(args)?;
    run(command(&["cargo", "build", "--release", "--package", "plimsoll"]))?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (name, part) in PARTS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        println!("== {name}");
        match part(&plan) {
            Ok(measured) => rows.extend(measured),
            Err(why) => failed.push(format!("{name}: {why}")),
        }
    }
    println!("\n{}\n{}", machine(), table::print(&rows));
    let missed = rows.iter().filter(|row| row.is_met() == Some(false));
    failed.extend(missed.map(|row| format!("{}: {} {}", row.what, row.shown(), row.unit)));
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

fn read<'a>(args: &[&'a str]) -> Result<(Plan, Option<&'a str>), String> {
    let (plan, rest) = match args {
        ["--quick", rest @ ..] => (QUICK, rest),
        rest => (FULL, rest),
    };
    match rest {
        [] => Ok((plan, None)),
        ["--only", name] if PARTS.iter().any(|(part, _)| part == name) => Ok((plan, Some(name))),
        _ => Err(USAGE.to_owned()),
    }
}

/// Gathering, encoding and compressing alone; prints a table of its own.
fn encoding(_: &Plan) -> Result<Vec<Row>, String> {
    run(command(&["cargo", "bench", "--package", "plimsoll", "--bench", "export"]))?;
    Ok(Vec::new())
}

/// The release agent with `lines` as its configuration, in `dir`.
fn agent(dir: &Path, lines: &str) -> Result<Agent, String> {
    let config = dir.join("plimsoll.toml");
    std::fs::write(&config, lines).map_err(|e| format!("{}: {e}", config.display()))?;
    let state = dir.join("state");
    let mut command = super::flock::mortal(top().join("target/release/plimsoll"));
    command.args(["run", "--listen", "127.0.0.1:0", "--config"]).arg(config);
    command.arg("--state-dir").arg(&state);
    command.env("PLIMSOLL_PRESSURE_SOCKET", dir.join("pressure.sock"));
    Ok(Agent::spawn(command, &state))
}

/// The configuration of an export to `address`.
fn exporting(address: &str, interval_s: u64, more: &str) -> String {
    format!(
        "[export.otlp]\nenabled = true\nendpoint = \"http://{address}\"\n\
         interval = \"{interval_s}s\"\n{more}\n"
    )
}

/// Looks every half second until `done` says so or `within` is over, and shows what it says.
fn watch(within: Duration, mut done: impl FnMut() -> (bool, String)) -> bool {
    let begun = Instant::now();
    loop {
        let (is_done, said) = done();
        print!("\r{:5.0} s: {said}    ", begun.elapsed().as_secs_f64());
        // A line that is not shown yet is shown with the next.
        let _ = std::io::stdout().flush();
        if is_done || begun.elapsed() >= within {
            println!();
            return is_done;
        }
        std::thread::park_timeout(Duration::from_millis(500));
    }
}
