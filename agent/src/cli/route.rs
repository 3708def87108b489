//! `route`: sends a test notice to destinations, and says what would become of an alert.
//!
//! Needs no running agent. A test goes past the queues: what it says is what one attempt came to.

use super::{Exit, Failure};
use crate::clock::Clock;
use crate::config::{DestinationConfig, Effective, Env, LOG, Request, load};
use crate::route::matcher::{Labels, is_name};
use crate::route::{attempt, explain, test_notice};
use std::io::Write;
use std::path::PathBuf;

#[derive(Clone, Debug, clap::Args)]
pub struct RouteArgs {
    #[command(subcommand)]
    pub command: RouteCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum RouteCommand {
    /// Send a test notice to one destination, or to all, and say what came back
    Test(TestArgs),
    /// Say which rule, silence, route, group and destinations an alert of these labels would take
    Explain(WhoArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub struct TestArgs {
    /// Configuration file; default as for `run`
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Name of a destination; default all
    #[arg(value_name = "DESTINATION")]
    pub destination: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct WhoArgs {
    /// Configuration file; default as for `run`
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Labels, such as alertname=OomPredicted severity=critical namespace=shop
    #[arg(value_name = "LABEL=VALUE", required = true, value_parser = label)]
    pub labels: Vec<(String, String)>,
}

pub(super) fn route(args: &RouteArgs, env: Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    match &args.command {
        RouteCommand::Test(args) => test(args, env, out),
        RouteCommand::Explain(args) => {
            let config = loaded(args.config.clone(), env)?.config;
            let labels: Labels = args.labels.iter().cloned().collect();
            let clock = Clock::start();
            out.write_all(explain(&config, &labels, clock.unix_ms(clock.now())).as_bytes())?;
            Ok(Exit::Good)
        }
    }
}

fn test(args: &TestArgs, env: Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    let config = loaded(args.config.clone(), env)?.config;
    let all = &config.routing.destinations;
    if args.destination.as_deref() == Some(LOG) {
        writeln!(out, "log: is always there; alerts are written to the agent's own log")?;
        return Ok(Exit::Good);
    }
    let wanted =
        |own: &&DestinationConfig| args.destination.as_ref().is_none_or(|name| *name == own.name);
    let chosen: Vec<&DestinationConfig> = all.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = all.iter().map(|own| own.name.as_str()).collect();
        return Err(Failure::Route(match (&args.destination, names.is_empty()) {
            (_, true) => "no destination is configured: alerts go to the log alone".into(),
            (Some(name), false) => {
                format!("{name:?} is no destination; there are {}", names.join(", "))
            }
            (None, false) => "nothing to test".into(),
        }));
    }
    let clock = Clock::start();
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut exit = Exit::Good;
    for destination in chosen {
        let now = clock.now();
        let notice = test_notice(&node, &destination.name, now, clock);
        for attempt in attempt(destination, &notice, clock.unix_ms(now)) {
            let kind = destination.kind.name();
            match attempt.outcome {
                Ok(status) => writeln!(out, "{} ({kind}): took it ({status})", attempt.label)?,
                Err(why) => {
                    exit = Exit::Failed;
                    let why = super::text::clean(&why);
                    writeln!(out, "{} ({kind}): did not take it: {why}", attempt.label)?;
                }
            }
        }
    }
    Ok(exit)
}

fn loaded(file: Option<PathBuf>, env: Env) -> Result<Effective, Failure> {
    Ok(load(&Request { file, env, flags: Vec::new() })?)
}

fn label(text: &str) -> Result<(String, String), String> {
    let label = text.split_once('=').filter(|(name, _)| is_name(name));
    let label = label.map(|(name, value)| (name.to_owned(), value.to_owned()));
    label.ok_or_else(|| "is not LABEL=VALUE".to_owned())
}
