//! `cargo xtask bench cache`: every figure that the cache node promises, with its peers beside it.
//!
//! The generator must not be what is measured, so the work is done by a release build of this very
//! program, started anew. Servers run one load at a time; on a small machine generator and server
//! share the cores, so absolute figures are lower than elsewhere and the ratios are what counts.

mod give_back;
mod histogram;
mod load;
mod misses;
mod random;
mod servers;
mod size;
mod speed;
mod squeeze;
mod table;
mod wire;

use crate::Outcome;
use crate::run::{command, exists, run, top};
use crate::tools::{Tool, install};
use load::{Load, Mix, Pace};
use servers::{Kind, Program, Server};
use std::path::PathBuf;
use std::time::Duration;
use table::Row;

const USAGE: &str = "cargo xtask bench cache [--quick] [--only speed|size|give-back|squeeze|misses]
    [--ours PATH] [--memcached PATH]… [--valkey PATH]… [--redis PATH]… [--alone]
Peers given by path stand beside Debian's memcached and redis; --alone leaves those out.";

pub const PEERS: &[Tool] = &[
    Tool { program: "memcached", package: "memcached", why: "a peer in the table" },
    Tool { program: "redis-server", package: "redis-server", why: "a peer in the table" },
];

type Figures = Vec<Row>;

/// How much is done.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Keys of the speed runs.
    keys: u64,
    /// Items whose memory is measured.
    items: u64,
    /// How often each run is repeated, and how long one is.
    runs: usize,
    lasts: Duration,
    /// The cache that is told to give back half.
    full_mib: u64,
    squeezed: Duration,
    /// Length of the sequences whose misses are counted.
    requests: usize,
}

const WHOLE: Extent = Extent {
    keys: 1_000_000,
    items: 1_000_000,
    runs: 5,
    lasts: Duration::from_secs(5),
    full_mib: 2048,
    squeezed: Duration::from_secs(60),
    requests: 3_000_000,
};

const QUICK: Extent = Extent {
    keys: 200_000,
    items: 1_000_000,
    runs: 3,
    lasts: Duration::from_secs(2),
    full_mib: 1024,
    squeezed: Duration::from_secs(12),
    requests: 1_500_000,
};

/// Builds for release, then hands over to that build.
pub fn bench(args: &[&str]) -> Outcome {
    Wish::read(args)?;
    install(PEERS)?;
    let mut build = command(&["cargo", "build", "--quiet", "--release", "--package", "xtask"]);
    build.args(["--package", "plimsoll-cache"]);
    run(build)?;
    let mut bench = command(&["target/release/xtask"]);
    bench.args(["bench-program", "cache"]).args(args);
    run(bench)
}

/// What was asked for on the command line.
#[derive(Clone, Debug)]
struct Wish {
    extent: Extent,
    only: Option<String>,
    ours: PathBuf,
    peers: Vec<(Kind, PathBuf)>,
}

impl Wish {
    fn read(args: &[&str]) -> Result<Self, String> {
        let mut wish = Self {
            extent: WHOLE,
            only: None,
            ours: top().join("target/release/plimsoll-cache"),
            peers: Vec::new(),
        };
        let mut is_alone = false;
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().copied().ok_or_else(|| USAGE.to_owned());
            match *word {
                "--quick" => wish.extent = QUICK,
                "--alone" => is_alone = true,
                "--only" => wish.only = Some(value()?.to_owned()),
                "--ours" => wish.ours = value()?.into(),
                "--memcached" => wish.peers.push((Kind::Memcached, value()?.into())),
                "--valkey" | "--redis" => wish.peers.push((Kind::Redis, value()?.into())),
                _ => return Err(USAGE.to_owned()),
            }
        }
        if !is_alone {
            let debians = [(Kind::Memcached, "memcached"), (Kind::Redis, "redis-server")];
            let there = debians.into_iter().filter(|(_, name)| exists(name));
            let there: Vec<_> = there.map(|(kind, name)| (kind, PathBuf::from(name))).collect();
            wish.peers.splice(0..0, there);
        }
        Ok(wish)
    }

    fn wants(&self, what: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == what)
    }
}

/// The bench itself, in the release build.
pub fn program(args: &[&str]) -> Outcome {
    let wish = Wish::read(args)?;
    let mut programs = vec![Program::new(Kind::Ours, &wish.ours)?];
    for (kind, path) in &wish.peers {
        programs.push(Program::new(*kind, path)?);
    }
    println!("{}\n", machine());
    type Part = fn(&[Program], &Extent) -> Result<Figures, String>;
    let parts: [(&str, Part); 5] = [
        ("give-back", give_back::measure),
        ("squeeze", squeeze::measure),
        ("speed", speed::measure),
        ("size", size::measure),
        ("misses", misses::measure),
    ];
    let columns: Vec<String> = programs.iter().map(|program| program.name.clone()).collect();
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (name, part) in parts.into_iter().filter(|(name, _)| wish.wants(name)) {
        match part(&programs, &wish.extent) {
            Ok(more) => {
                // Shown as they come: the whole takes minutes.
                println!("{}", table::print(&columns, &more));
                rows.extend(more);
            }
            Err(why) => failed.push(format!("{name}: {why}")),
        }
    }
    println!("\n{}", table::print(&columns, &rows));
    let missed = rows.iter().filter(|row| row.is_met() == Some(false));
    let missed: Vec<&str> = missed.map(|row| row.what.as_str()).collect();
    println!(
        "goals missed: {}",
        if missed.is_empty() { "none".to_owned() } else { missed.join("; ") }
    );
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// The machine and how busy it is: a figure without them is none.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let models =
        cpuinfo.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let models: Vec<&str> = models.map(|(_, model)| model).collect();
    let model = models.first().copied().unwrap_or("unknown processor");
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{} × {model}, Linux {}, load before the start {load}. Generator and server share the \
         cores: compare the ratios. Medians (least–most) of repeated runs.",
        models.len(),
        kernel.trim()
    )
}

/// Stores `keys` values of a length, as fast as the server takes them.
fn fill(program: &Program, server: &Server, keys: u64, value_len: usize) -> Outcome {
    let load = Load {
        address: server.address,
        dialect: program.dialect(),
        connections: 4,
        threads: 1,
        pace: Pace::Closed { depth: 64 },
        mix: Mix::Fill,
        keys,
        value_len,
        lasts: Duration::from_secs(300),
        seed: 0,
    };
    let outcome = load::run_whole(&load).map_err(|why| format!("{}: {why}", program.name))?;
    if outcome.answered < keys {
        return Err(format!("{}: only {} of {keys} stored", program.name, outcome.answered));
    }
    Ok(())
}
