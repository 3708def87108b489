//! `explain-oom`: one incident as a post-mortem, from the running agent or, without one, from the
//! state directory.

mod post_mortem;

use super::ask::{Agent, AgentArgs, AskError};
use super::{Exit, Failure, text};
use crate::config::{Env, Request, load};
use crate::recorder::shelf::{is_id, read_dir};
use crate::view::{Incident, IncidentSummary};
use jiff::Timestamp;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// The incident; default the newest
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// The incident as the API has it
    #[arg(long)]
    pub json: bool,
    /// Only list what incidents there are
    #[arg(long, conflicts_with = "id")]
    pub list: bool,
    /// Read this state directory and ask no agent
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Configuration file, whose state_dir is read where no agent answers
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// What was found, and where.
enum Found {
    One(Box<Incident>),
    List(Vec<IncidentSummary>),
    None(String),
}

pub(super) fn explain(args: &ExplainArgs, env: Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    match find(args, env)? {
        Found::One(incident) if args.json => {
            serde_json::to_writer(&mut *out, &incident)?;
            writeln!(out)?;
        }
        Found::List(list) if args.json => {
            serde_json::to_writer(&mut *out, &list)?;
            writeln!(out)?;
        }
        Found::None(_) if args.json => writeln!(out, "{}", if args.list { "[]" } else { "null" })?,
        Found::One(incident) => {
            out.write_all(post_mortem::text(&incident, Timestamp::now()).as_bytes())?;
        }
        Found::List(list) => out.write_all(listed(&list).as_bytes())?,
        Found::None(place) => writeln!(out, "no kill for want of memory is on record {place}")?,
    }
    Ok(Exit::Good)
}

fn find(args: &ExplainArgs, env: Env) -> Result<Found, Failure> {
    if let Some(id) = args.id.as_deref().filter(|id| !is_id(id)) {
        let shown = text::clean(id);
        return Err(Failure::Incident(format!("'{shown}' is not the id of an incident")));
    }
    if let Some(dir) = &args.state_dir {
        return from_disk(args, dir);
    }
    match from_agent(args) {
        Err(AskError::NoAgent { .. }) => {
            let config =
                load(&Request { file: args.config.clone(), env: env.clone(), flags: Vec::new() })?;
            let euid = rustix::process::geteuid().as_raw();
            let dir = config.config.resolve_state_dir(euid, &env).ok_or_else(|| {
                Failure::Incident("no agent answers, and there is no state directory".to_owned())
            })?;
            from_disk(args, &dir)
        }
        other => Ok(other?),
    }
}

fn from_agent(args: &ExplainArgs) -> Result<Found, AskError> {
    let agent = Agent::at(&args.agent)?;
    if let Some(id) = &args.id {
        return Ok(Found::One(Box::new(agent.incident(id)?)));
    }
    let list = agent.incidents()?;
    match list.first() {
        Some(_) if args.list => Ok(Found::List(list)),
        Some(newest) => Ok(Found::One(Box::new(agent.incident(&newest.id)?))),
        None => Ok(Found::None("with the running agent".to_owned())),
    }
}

fn from_disk(args: &ExplainArgs, dir: &Path) -> Result<Found, Failure> {
    let incidents = read_dir(dir).map_err(|e| Failure::Incident(e.to_string()))?;
    let place = format!("in {}", dir.display());
    if args.list {
        let list: Vec<_> = incidents.iter().map(|incident| incident.in_short(true)).collect();
        return Ok(if list.is_empty() { Found::None(place) } else { Found::List(list) });
    }
    let wanted = |incident: &Incident| args.id.as_ref().is_none_or(|id| *id == incident.id);
    match (incidents.into_iter().find(wanted), &args.id) {
        (Some(incident), _) => Ok(Found::One(Box::new(incident))),
        (None, None) => Ok(Found::None(place)),
        (None, Some(id)) => Err(Failure::Incident(format!("there is no incident {id} {place}"))),
    }
}

fn listed(list: &[IncidentSummary]) -> String {
    let mut out = String::new();
    for incident in list {
        let summary = text::clean(&incident.summary);
        let at = incident.at.split('.').next().unwrap_or_default();
        out.push_str(&format!("{}  {at}Z  {summary}\n", text::clean(&incident.id)));
    }
    out
}

#[cfg(test)]
mod tests;
