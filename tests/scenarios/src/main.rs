//! The bench of the detector; `cargo xtask bench detection` runs it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool for people")]

use clap::Parser;
use plimsoll_scenarios::bench::{OWN, Own, Scoreboard, contest};
use plimsoll_scenarios::inject::{BACKGROUNDS, Form, inject};
use plimsoll_scenarios::sets::{self, Set, SetError};
use plimsoll_scenarios::{baselines, fit, plot, replay, report};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Scores `plimsoll replay` and naive rules on synthetic and recorded memory traces.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench detection")]
struct Args {
    /// The detector; without it only the naive rules are scored
    #[arg(long)]
    binary: Option<PathBuf>,
    /// A folder of recorded traces
    #[arg(long)]
    traces: Option<PathBuf>,
    /// One seed instead of four, and not the largest recorded trace
    #[arg(long)]
    quick: bool,
    /// Only sets whose name contains this; `synthetic` and `injected-ours` are made here
    #[arg(long)]
    only: Option<String>,
    /// Fit the detector's weights to the recorded traces anew, and print them beside those it has
    #[arg(long, requires = "traces")]
    fit: bool,
    /// The detector with every caution, as in a full run
    #[arg(long)]
    frontier: bool,
    /// Leave the naive rules out
    #[arg(long)]
    no_baselines: bool,
    /// Name the series that went wrong
    #[arg(long)]
    verbose: bool,
    /// Write all figures here
    #[arg(long)]
    json: Option<PathBuf>,
    /// Keep the made traces and their truths in this folder
    #[arg(long)]
    write: Option<PathBuf>,
    /// After a full run, put the pictures into this folder
    #[arg(long)]
    plots: Option<PathBuf>,
}

/// What the detector's caution is set to for the frontier, the default first.
const CAUTIONS: &[f64] = &[0.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0, 6.0];

/// Left out of a quick run: two thirds of all recorded rows.
const LARGEST: &str = "bitbrains";

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    if let (true, Some(traces)) = (args.fit, &args.traces) {
        let sets = sets::recorded_paths(traces)?;
        let sets: Vec<Set> = sets.iter().map(|p| sets::recorded(p)).collect::<Result<_, _>>()?;
        println!("{}", fit::report(&sets));
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let folder = args.write.as_deref().unwrap_or(scratch.path());
    std::fs::create_dir_all(folder)?;
    let mut boards = Vec::new();
    if args.wants("synthetic") {
        let seeds = if args.quick { 1 } else { 4 };
        boards.push(scored(args, &sets::synthetic(0..seeds, folder)?)?);
    }
    if let Some(traces) = &args.traces {
        boards.extend(on_recorded(args, traces, folder)?);
    }
    if !args.no_baselines {
        println!("{}", report::table(&boards));
    }
    if args.cautions().len() > 1 {
        println!("{}", report::cautions(&boards));
    }
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&boards)?)?;
    }
    if let Some(plots) = args.plots.as_deref().filter(|_| args.is_full()) {
        std::fs::create_dir_all(plots)?;
        std::fs::write(plots.join("gallery.svg"), plot::gallery())?;
        if let Some(svg) = plot::frontier(&boards) {
            std::fs::write(plots.join("frontier.svg"), svg)?;
        }
    }
    Ok(())
}

impl Args {
    fn wants(&self, set: &str) -> bool {
        self.only.as_ref().is_none_or(|only| set.contains(only))
    }

    fn cautions(&self) -> &'static [f64] {
        if self.frontier || self.is_full() { CAUTIONS } else { &CAUTIONS[..1] }
    }

    fn is_full(&self) -> bool {
        !self.quick && self.only.is_none() && !self.no_baselines && self.traces.is_some()
    }
}

/// The recorded sets one after the other, and the leaks that are laid over them.
fn on_recorded(
    args: &Args,
    traces: &Path,
    folder: &Path,
) -> Result<Vec<Scoreboard>, Box<dyn Error>> {
    let paths: Vec<PathBuf> = sets::recorded_paths(traces)?
        .into_iter()
        .filter(|path| !(args.quick && sets::name_of(path).starts_with(LARGEST)))
        .collect();
    let with_ours = args.wants("injected-ours");
    let forms = if with_ours { measured_forms(&paths)? } else { Vec::new() };
    let mut boards = Vec::new();
    let mut ours = Vec::new();
    for path in paths {
        let name = sets::name_of(&path);
        let background = BACKGROUNDS.iter().find(|b| with_ours && name.starts_with(b.set));
        if !args.wants(&name) && background.is_none() {
            continue;
        }
        let set = sets::recorded(&path)?;
        if let Some(background) = background {
            ours.extend(inject(background, &set, &forms));
        }
        if args.wants(&name) {
            boards.push(scored(args, &set)?);
        }
    }
    if !ours.is_empty() {
        boards.push(scored(args, &sets::from_scenarios("injected-ours", ours, folder)?)?);
    }
    Ok(boards)
}

fn measured_forms(paths: &[PathBuf]) -> Result<Vec<Form>, SetError> {
    let ageing = paths.iter().find(|path| sets::name_of(path).starts_with("ageing"));
    let runs = ageing.map(|path| sets::recorded(path)).transpose()?;
    Ok(runs.iter().flat_map(|set| &set.series).filter_map(Form::measured).collect())
}

/// Lets all contestants judge a set, and prints the detector's figures.
fn scored(args: &Args, set: &Set) -> Result<Scoreboard, Box<dyn Error>> {
    let mut own = Vec::new();
    for &caution in args.cautions() {
        if let Some(binary) = &args.binary {
            let (events, took) = replay::replay(binary, &set.path, caution)?;
            own.push(Own { caution, events, took });
        }
    }
    let rules = if args.no_baselines { &[] } else { baselines::ALL };
    let board = contest(set, &own, rules);
    for scored in board.scored.iter().filter(|scored| scored.contestant == OWN) {
        let by_family = matches!(set.name.as_str(), "synthetic" | "injected-ours");
        println!("{}", report::recorded(&board, scored, args.verbose && !by_family));
        if by_family {
            println!("{}", report::families(scored, args.verbose));
        }
    }
    Ok(board)
}
