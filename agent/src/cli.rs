//! The command line: what can be asked, and the commands that ask a running agent or this machine.
//!
//! `run` and `demo` are only parsed here; `main` hands them to who does them. Commands write to
//! the streams they are given and return an [`Exit`]; nothing here ends the process.

mod ask;
mod doctor;
mod explain;
mod generate;
mod leaks;
mod replay;
mod report;
mod route;
mod settings;
mod text;
mod top;

pub use doctor::DoctorArgs;
pub use explain::ExplainArgs;
pub use generate::{GenerateArgs, What};
pub use leaks::LeaksArgs;
pub use replay::ReplayArgs;
pub use report::{DiffArgs, DiffFormat, ReportArgs, ReportCommand, ReportFormat};
pub use route::{RouteArgs, RouteCommand, TestArgs, WhoArgs};
pub use settings::{CheckArgs, RunArgs};
pub use top::TopArgs;

use crate::config::{self, Problems};
use clap::{CommandFactory as _, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Good,
    Failed,
    Usage,
    BadConfig,
}

impl Exit {
    /// The process's exit code. 78 is EX_CONFIG of sysexits(3).
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::BadConfig => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("PLIMSOLL_COMMIT").unwrap_or("commit unknown");
    let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    format!("{} ({commit}, {arch}-{os}-{libc})", env!("CARGO_PKG_VERSION"))
});

const EXAMPLES: &str = "\
Examples:
  plimsoll                            watch this node with good defaults; http://127.0.0.1:9977
  plimsoll run --config agent.toml    watch it as the file says
  plimsoll top                        see it live; ? shows the keys
  plimsoll leaks                      what is leaking, most urgent first
  plimsoll leaks --json | jq .        the same for programs
  plimsoll explain-oom                why the kernel killed last, and what to do
  plimsoll report 4242                what the heap of a process holds, and what is leaked
  plimsoll replay trace.csv.gz        what it would have said of recorded usage
  plimsoll doctor                     what can be seen on this machine, and what would give more
  plimsoll route test pager           send a test notice, and see what comes back
  plimsoll generate config > f.toml   a file with everything that can be set
  plimsoll demo                       watch a small leak being caught

Exit codes: 0 good, 1 failed, 2 wrong usage, 78 bad configuration.";

/// Watches memory on this node: what leaks, why, and how long until the kernel kills it.
#[derive(Clone, Debug, Parser)]
#[command(name = "plimsoll", bin_name = "plimsoll")]
#[command(version = VERSION.as_str(), after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// What to do; `run` with its defaults if nothing was said.
    #[must_use]
    pub fn chosen(self) -> Command {
        self.command.unwrap_or_else(|| Command::Run(RunArgs::default()))
    }
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Watch this node and serve what is found (the default)
    Run(RunArgs),
    /// Let three small programs leak, level off and saw, and see them told apart
    Demo(DemoArgs),
    /// One of the programs that the demo starts
    #[command(hide = true)]
    DemoProgram(ProgramArgs),
    #[command(flatten)]
    Tool(Tool),
}

/// The commands that [`execute`] does.
#[derive(Clone, Debug, Subcommand)]
pub enum Tool {
    /// See processes, workloads and cgroups live
    Top(TopArgs),
    /// List what is leaking or running towards its limit, most urgent first
    Leaks(LeaksArgs),
    /// Explain a kill for want of memory: what, who, why, since when, what to do
    #[command(name = "explain-oom")]
    Explain(ExplainArgs),
    /// Check what the agent can see on this machine, and say what would give more
    Doctor(DoctorArgs),
    /// Look into the heap of a running process: what it holds, what is leaked, what is only free
    Report(ReportArgs),
    /// Run the detector over a recorded trace and write what it would have said
    Replay(ReplayArgs),
    /// Check a configuration file and tell everything that is wrong with it
    CheckConfig(CheckArgs),
    /// Print the configuration that holds, and where each value comes from
    PrintConfig(RunArgs),
    /// Try out who is told of alerts
    Route(RouteArgs),
    /// Print a reference configuration, shell completion, the man page or the API's document
    Generate(GenerateArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// How long to show it
    #[arg(long, value_name = "N", default_value_t = 90)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Go on serving the web page afterwards, until interrupted
    #[arg(long)]
    pub keep_serving: bool,
    /// Address of the demo's agent; port 0 takes any free port
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
}

#[derive(Clone, Debug, clap::Args)]
pub struct ProgramArgs {
    /// leak, plateau or sawtooth
    pub shape: String,
    /// Directory of the cgroup to enter
    #[arg(long, value_name = "DIR")]
    pub cgroup: Option<PathBuf>,
}

/// Reads the command line. Help, version and usage errors are shown here.
///
/// # Errors
/// How to end at once.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    Cli::try_parse_from(args).map_err(|shown| {
        // A closed pipe is no reason to complain about.
        let _ = shown.print();
        if shown.use_stderr() { Exit::Usage } else { Exit::Good }
    })
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Config(#[from] Problems),
    #[error(transparent)]
    Rules(#[from] crate::api::RuleFaults),
    #[error(transparent)]
    Bind(#[from] crate::api::BindRefused),
    #[error(transparent)]
    Ask(#[from] ask::AskError),
    #[error("{0}")]
    Replay(String),
    #[error("{0}")]
    Route(String),
    #[error("{0}")]
    Incident(String),
    #[error("{0}")]
    Report(String),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// Does what `tool` says. A reader that closes the pipe early is content with what it has.
pub fn execute(tool: Tool, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let env = config::process_env();
    let done = match tool {
        Tool::Top(args) => top::top(&args, out),
        Tool::Leaks(args) => leaks::leaks(&args, out),
        Tool::Explain(args) => explain::explain(&args, env, out),
        Tool::Doctor(args) => doctor::doctor(&args, env, out),
        Tool::Report(args) => report::report(&args, env, out, err),
        Tool::Replay(args) => replay::run(&args, out, err),
        Tool::CheckConfig(args) => settings::check(&args, env, out),
        Tool::PrintConfig(args) => settings::print(&args, env, out),
        Tool::Route(args) => route::route(&args, env, out),
        Tool::Generate(args) => generate::generate(&args, Cli::command(), out),
    };
    let done = done.and_then(|exit| Ok(out.flush().map(|()| exit)?));
    done.unwrap_or_else(|failure| complain(&failure, err))
}

fn complain(failure: &Failure, err: &mut dyn Write) -> Exit {
    let closed = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    let exit = match failure {
        Failure::Output(e) if closed(e) => return Exit::Good,
        Failure::Json(e) if e.io_error_kind() == Some(io::ErrorKind::BrokenPipe) => {
            return Exit::Good;
        }
        Failure::Config(_) | Failure::Rules(_) | Failure::Bind(_) => Exit::BadConfig,
        _ => Exit::Failed,
    };
    // There is nowhere left to say that stderr is closed.
    let _ = writeln!(err, "plimsoll: {failure}");
    exit
}

#[cfg(test)]
mod documents;
#[cfg(test)]
mod tests;
