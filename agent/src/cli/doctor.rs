//! `doctor`: what the agent can see on this machine, why it matters, and what would give more.
//!
//! Needs no running agent and changes nothing. `facts` looks, `checks` judges what was seen.

mod checks;
mod destinations;
mod export;
mod facts;
mod names;
mod probes;

use super::{Exit, Failure};
use crate::config::{Effective, Env, Problems, Request, load};
use crate::sources::Roots;
use facts::Facts;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct DoctorArgs {
    /// One JSON object with all checks
    #[arg(long)]
    pub json: bool,
    /// Configuration file that the agent will use
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the node's /proc is mounted
    #[arg(long, value_name = "DIR")]
    pub proc_root: Option<String>,
    /// Where the node's /sys is mounted
    #[arg(long, value_name = "DIR")]
    pub sys_root: Option<String>,
    /// Directory in which history would be kept
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
}

/// How a check came out. Only `Fail` keeps the agent from its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    level: Level,
    /// What was found.
    what: String,
    /// What the agent uses it for.
    why: &'static str,
    /// What to do about it; None if nothing need be done.
    todo: Option<String>,
}

pub(super) fn doctor(args: &DoctorArgs, env: Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (effective, problems) = match load(&request(args, env.clone())) {
        Ok(effective) => (effective, None),
        Err(problems) => (Effective::default(), Some(problems)),
    };
    let config = &effective.config;
    let roots = Roots { proc: config.proc_root.clone(), sys: config.sys_root.clone() };
    let state_dir = config.resolve_state_dir(rustix::process::geteuid().as_raw(), &env);
    let names = names::check(&config.kubernetes, &env);
    let facts = Facts::gather(&roots, state_dir, config.http.listen);
    let mut checks = vec![configuration(&effective, problems.as_ref())];
    checks.extend(checks::all(&facts));
    checks.extend(destinations::check(&config.routing.destinations));
    checks.extend(export::check(&config.export));
    checks.extend(names);
    if args.json {
        let ok = checks.iter().all(|check| check.level != Level::Fail);
        serde_json::to_writer(&mut *out, &serde_json::json!({ "ok": ok, "checks": checks }))?;
        writeln!(out)?;
    } else {
        out.write_all(in_words(&checks).as_bytes())?;
    }
    let failed = checks.iter().any(|check| check.level == Level::Fail);
    Ok(if failed { Exit::Failed } else { Exit::Good })
}

fn request(args: &DoctorArgs, env: Env) -> Request {
    let flags = [
        ("proc_root", &args.proc_root),
        ("sys_root", &args.sys_root),
        ("state_dir", &args.state_dir),
    ];
    let flags = flags.into_iter().filter_map(|(key, text)| Some((key, text.clone()?))).collect();
    Request { file: args.config.clone(), env, flags }
}

const IGNORED: &str = "a variable of OpenTelemetry that makes no sense counts as unset";

fn configuration(effective: &Effective, problems: Option<&Problems>) -> Check {
    let why = "a bad configuration does not start";
    let (level, what, todo) = match (problems, &effective.file) {
        (Some(problems), _) => {
            let remedy = "mend it; the checks below assume the defaults";
            (Level::Fail, problems.to_string(), Some(remedy.to_owned()))
        }
        (None, Some(file)) => (Level::Ok, file.display().to_string(), None),
        (None, None) => (Level::Ok, "no file, the defaults hold".into(), None),
    };
    if !effective.warnings.is_empty() {
        let ignored = effective.warnings.iter().map(|warning| format!("\nignored: {warning}"));
        let what = what + &ignored.collect::<String>();
        let todo = Some("mend or unset the variables".to_owned());
        return Check { name: "configuration", level: Level::Warn, what, why: IGNORED, todo };
    }
    Check { name: "configuration", level, what, why, todo }
}

fn in_words(checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let mark = match check.level {
            Level::Ok => "[ok]  ",
            Level::Warn => "[warn]",
            Level::Fail => "[fail]",
        };
        let what: Vec<String> = check.what.lines().map(super::text::clean).collect();
        out += &format!("{mark} {}: {}\n", check.name, what.join("\n         "));
        if check.level != Level::Ok {
            out += &format!("         why: {}\n", check.why);
        }
        if let Some(todo) = &check.todo {
            out += &format!("         do:  {}\n", super::text::clean(todo));
        }
    }
    let count = |level| checks.iter().filter(|check| check.level == level).count();
    out + &match (count(Level::Fail), count(Level::Warn)) {
        (0, 0) => "The agent can see everything here.\n".to_owned(),
        (0, 1) => "The agent can run here; one thing could be better.\n".to_owned(),
        (0, warnings) => format!("The agent can run here; {warnings} things could be better.\n"),
        (failures, _) => format!("The agent cannot do its work here: {failures} failed.\n"),
    }
}

#[cfg(test)]
mod tests;
