//! `cargo xtask bench live`: real leaks in real cgroups beside healthy programs, and how long
//! before the kernel's kill the release agent warned of each.
//!
//! All leaks run at once, each towards a limit of its own. Nothing is left behind, also when it is
//! interrupted: the programs die with the bench, their cgroups are removed.

mod table;

use super::flock::mortal;
use crate::run::{command, run, top};
use crate::tools;
use crate::{Outcome, interrupt};
use plimsoll_tests::Agent;
use plimsoll_tests::live::roster::{Part, Role, leaks, siblings};
use plimsoll_tests::live::stage::{Stage, Suspicion};
use plimsoll_tests::live::workshop::Workshop;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// How often ends are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the agent is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);
const SAY_EVERY: Duration = Duration::from_secs(2);
/// After so many times its pace, quiet time included, a leak that lives on is given up.
const PATIENCE: f64 = 1.8;

/// What was asked for on the command line.
#[derive(Debug)]
pub struct Wish<'a> {
    minutes: Vec<u64>,
    only: Option<&'a str>,
}

impl<'a> Wish<'a> {
    /// `[--minutes 2|20|both] [--only NAME]`, where NAME is the start of a leak's name.
    pub fn read(mut words: &[&'a str]) -> Result<Self, String> {
        let mut wish = Self { minutes: vec![2], only: None };
        while let [option, value, rest @ ..] = words {
            match (*option, *value) {
                ("--minutes", "2") => wish.minutes = vec![2],
                ("--minutes", "20") => wish.minutes = vec![20],
                ("--minutes", "both") => wish.minutes = vec![2, 20],
                ("--only", name) => wish.only = Some(name),
                _ => return Err(format!("what is {option} {value}?")),
            }
            words = rest;
        }
        match words {
            [] => Ok(wish),
            more => Err(format!("what is {more:?}?")),
        }
    }

    fn roles(&self, pace: Duration) -> Result<Vec<Role>, String> {
        let mut roles = leaks(pace);
        let all: Vec<&str> = roles.iter().map(|role| role.name).collect();
        roles.retain(|role| self.only.is_none_or(|name| role.name.starts_with(name)));
        if roles.is_empty() {
            return Err(format!("no leak has that name; there are: {}", all.join(", ")));
        }
        roles.extend(siblings(pace));
        Ok(roles)
    }
}

pub fn bench(wish: &Wish<'_>) -> Outcome {
    tools::install(tools::FOR_LIVE)?;
    run(command(&[
        "cargo",
        "build",
        "--release",
        "--package=plimsoll",
        "--package=plimsoll-tests",
        "--bins",
    ]))?;
    let interrupted = interrupt::watched()?;
    for &minutes in &wish.minutes {
        let pace = Duration::from_secs(minutes * 60);
        let roles = wish.roles(pace)?;
        let sources: Vec<_> = roles.iter().map(|role| role.source).collect();
        let workshop = Workshop::build(&sources, &top().join("target/release"))?;
        let stage = play(&roles, &workshop, pace, &interrupted)?;
        table::print(&stage, minutes);
    }
    Ok(())
}

fn play(
    roles: &[Role],
    workshop: &Workshop,
    pace: Duration,
    interrupted: &interrupt::Flag,
) -> Result<Stage, String> {
    let state_dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut plimsoll = mortal(top().join("target/release/plimsoll"));
    plimsoll.args(["run", "--listen", "127.0.0.1:0", "--state-dir"]).arg(state_dir.path());
    let agent = Agent::spawn(plimsoll, state_dir.path());
    let mut stage = Stage::start(roles, workshop)?;
    let begun = Instant::now();
    let given_up = pace.mul_f64(PATIENCE);
    let (mut asked, mut said) = (Duration::ZERO, Duration::ZERO);
    while !stage.leaks_are_over() && begun.elapsed() < given_up {
        if interrupted.is_set() {
            return Err("\ninterrupted; the programs and their cgroups are gone".to_owned());
        }
        stage.look();
        let at = begun.elapsed();
        if at >= asked {
            stage.ask(&agent);
            asked = at + ASK_EVERY;
        }
        if at >= said {
            progress(&stage, at);
            said = at + SAY_EVERY;
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
    println!();
    Ok(stage)
}

fn progress(stage: &Stage, at: Duration) {
    let (leaks, siblings): (Vec<_>, Vec<_>) = stage.actors.iter().partition(|a| a.leaks());
    let worst = |least| leaks.iter().filter(|leak| leak.worst() >= Some(least)).count();
    let ended = leaks.iter().filter(|leak| leak.end.is_some()).count();
    let accused = siblings.iter().filter(|sibling| sibling.worst().is_some()).count();
    print!(
        "\r{:5.0} s: of {} leaks {} suspected, {} foretold, {ended} ended; \
        of {} siblings {accused} accused ",
        at.as_secs_f64(),
        leaks.len(),
        worst(Suspicion::LeakSuspected),
        worst(Suspicion::OomPredicted),
        siblings.len(),
    );
    // A line that is not shown yet is shown with the next.
    let _ = std::io::stdout().flush();
}

/// When its leak set in, after its start. None of what does not leak.
const fn onset(role: &Role) -> Option<Duration> {
    match role.part {
        Part::Leaks { quiet } => Some(quiet),
        Part::Healthy => None,
    }
}
