//! `report`: looks into the heap of a process, here and now and without an agent; `report diff`
//! compares two reports.
//!
//! Level 0 leaves the process alone. Levels 1 and 2 pause it and trap its allocations; they are
//! taken only when asked for by number, within the bounds that are named beside it.

mod files;
mod progress;
mod room;

use super::{Exit, Failure};
use crate::config::{Env, Request, load};
use crate::reports::take::{Discretion, take};
use crate::reports::{Order, compare};
use crate::sources::process::read_identity;
use crate::sources::{ReadError, Roots};
use crate::view::AskedBy;
use plimsoll_heap::{Report, render};
use progress::Meter;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const NOTES: &str = "\
Level 0 leaves the process alone: where its memory goes, what its allocator holds, what is free and
could be given back. Level 1 also pauses it for up to --max-pause-ms, to find what nobody points to
any more; it is refused beforehand if that would not be enough. Level 2 also watches its allocations
for --window-s, to find which stacks leak; it slows the process meanwhile.

Reading another user's process needs root or CAP_SYS_PTRACE; level 2 needs CAP_BPF and CAP_PERFMON.
pprof is for `go tool pprof -http=: FILE.pb.gz` and its like.

Examples:
  plimsoll report 4242                        what the heap of process 4242 holds
  plimsoll report 4242 --out before.json      keep it
  plimsoll report 4242 --level 1              and what of it is leaked
  plimsoll report diff before.json after.json what changed";

/// Looks into the heap of a running process, without restarting or preparing it.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = NOTES)]
pub struct ReportArgs {
    #[command(subcommand)]
    pub command: Option<ReportCommand>,
    /// The process
    #[arg(value_name = "PID", required = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,
    /// How deep to look: 0 leaves the process alone, 1 pauses it, 2 also watches its allocations
    #[arg(long, value_name = "0|1|2", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=2))]
    pub level: u8,
    /// For how long it may stand still at level 1 and 2
    #[arg(long, value_name = "N", default_value_t = 500)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub max_pause_ms: u64,
    /// For how long its allocations are watched at level 2
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = window)]
    pub window_s: f64,
    /// Default by the name of --out, else text
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// File to write, readable by its owner only; default stdout
    #[arg(long, short, value_name = "F")]
    pub out: Option<PathBuf>,
    /// Configuration file, for proc_root and what is hidden of command lines
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum ReportCommand {
    /// Say what changed from one report to a later one
    Diff(DiffArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub struct DiffArgs {
    /// The earlier report
    #[arg(value_name = "A.json")]
    pub before: PathBuf,
    /// The later report
    #[arg(value_name = "B.json")]
    pub now: PathBuf,
    /// Default by the name of --out, else text
    #[arg(long, value_enum)]
    pub format: Option<DiffFormat>,
    /// File to write, readable by its owner only; default stdout
    #[arg(long, short, value_name = "F")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    Json,
    Text,
    Pprof,
    Svg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DiffFormat {
    Json,
    Text,
    Svg,
}

fn window(word: &str) -> Result<f64, String> {
    let number = word.parse::<f64>().ok().filter(|s| (0.1..=120.0).contains(s));
    number.ok_or_else(|| "a number of seconds from 0.1 to 120".to_owned())
}

pub(super) fn report(
    args: &ReportArgs,
    env: Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, Failure> {
    match (&args.command, args.pid) {
        (Some(ReportCommand::Diff(args)), _) => diff(args, out),
        (None, Some(pid)) => one(pid, args, env, out, err),
        (None, None) => Ok(Exit::Usage),
    }
}

fn one(
    pid: u32,
    args: &ReportArgs,
    env: Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, Failure> {
    let format = args.format.unwrap_or_else(|| by_name(args.out.as_deref()));
    if format == ReportFormat::Pprof && args.out.is_none() && io::stdout().is_terminal() {
        let what = "pprof is binary and no text for a terminal: name a file with --out";
        return Err(Failure::Report(what.to_owned()));
    }
    let config = load(&Request { file: args.config.clone(), env, flags: Vec::new() })?.config;
    let roots = Roots { proc: config.proc_root.clone(), sys: config.sys_root.clone() };
    let identity = read_identity(&roots, pid).map_err(|what| match what {
        ReadError::Gone => Failure::Report(format!("no process has the pid {pid}")),
        other => Failure::Report(format!("process {pid}: {other}")),
    })?;
    let order = Order {
        process: identity.id,
        comm: Some(identity.comm),
        room: room::of(&roots, pid),
        level: args.level,
        max_pause: Duration::from_millis(args.max_pause_ms),
        window: Duration::from_secs_f64(args.window_s),
        asked_by: AskedBy::Http,
        peer: None,
        stage: None,
    };
    let discretion = Discretion::new(&config);
    let meter = Meter::start(err, io::stderr().is_terminal());
    let taken = take(&order, None, &discretion, &|what| meter.show(what));
    meter.wipe();
    let report = taken.map_err(|refusal| Failure::Report(refusal.to_string()))?;
    files::write(args.out.as_deref(), out, &rendered(&report, format)?)?;
    Ok(Exit::Good)
}

fn rendered(report: &Report, format: ReportFormat) -> Result<Vec<u8>, Failure> {
    Ok(match format {
        ReportFormat::Json => pretty(report)?,
        ReportFormat::Text => render::text(report).into_bytes(),
        ReportFormat::Pprof => render::pprof(report)?,
        ReportFormat::Svg => render::svg(report).into_bytes(),
    })
}

fn diff(args: &DiffArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (before, now) = (files::read(&args.before)?, files::read(&args.now)?);
    let format = args.format.unwrap_or_else(|| match by_name(args.out.as_deref()) {
        ReportFormat::Json => DiffFormat::Json,
        ReportFormat::Svg => DiffFormat::Svg,
        ReportFormat::Text | ReportFormat::Pprof => DiffFormat::Text,
    });
    let shown = match format {
        DiffFormat::Json => pretty(&compare::document(&before, &now))?,
        DiffFormat::Text => compare::text(&before, &now).into_bytes(),
        DiffFormat::Svg => render::diff_svg(&before, &now).into_bytes(),
    };
    files::write(args.out.as_deref(), out, &shown)?;
    Ok(Exit::Good)
}

fn pretty(value: &impl serde::Serialize) -> Result<Vec<u8>, Failure> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

/// The format that a file's name asks for.
fn by_name(out: Option<&Path>) -> ReportFormat {
    let name = out.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let ends = |end: &str| name.as_deref().is_some_and(|name| name.ends_with(end));
    if ends(".json") {
        ReportFormat::Json
    } else if ends(".svg") {
        ReportFormat::Svg
    } else if ends(".pb.gz") || ends(".pprof") {
        ReportFormat::Pprof
    } else {
        ReportFormat::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_says_its_format() {
        let of = |name: &str| by_name(Some(Path::new(name)));
        assert_eq!(of("/tmp/a.json"), ReportFormat::Json);
        assert_eq!(of("a.pb.gz"), ReportFormat::Pprof);
        assert_eq!(of("a.svg"), ReportFormat::Svg);
        assert_eq!((of("a"), by_name(None)), (ReportFormat::Text, ReportFormat::Text));
    }

    #[test]
    fn a_window_is_a_bounded_time() {
        assert_eq!(window("2.5"), Ok(2.5));
        for wrong in ["", "0", "-1", "121", "NaN", "inf", "1s"] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
    }
}
