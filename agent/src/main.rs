//! The thin edge: allocator, arguments, log, exit code.

use plimsoll::api;
use plimsoll::app::{self, demo};
use plimsoll::cli::{self, Command, DemoArgs, Exit, ProgramArgs, RunArgs};
use plimsoll::config::{self, Config, LogFormat};
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let exit = match cli::parse(std::env::args_os()).map(cli::Cli::chosen) {
        Err(exit) => exit,
        Ok(Command::Run(args)) => run(&args),
        Ok(Command::Demo(args)) => show_demo(&args),
        Ok(Command::DemoProgram(args)) => be_program(&args),
        Ok(Command::Tool(tool)) => {
            cli::execute(tool, &mut std::io::stdout().lock(), &mut std::io::stderr().lock())
        }
    };
    exit.into()
}

fn run(args: &RunArgs) -> Exit {
    let env = config::process_env();
    let request = args.request(env.clone());
    let (config, warnings) = match config::load(&request) {
        Ok(effective) => (effective.config, effective.warnings),
        Err(problems) => return complain(Exit::BadConfig, &problems),
    };
    let relevel = start_log(&config);
    for warning in warnings {
        tracing::warn!("ignored: {warning}");
    }
    let euid = rustix::process::geteuid().as_raw();
    let state_dir = config.history.persist.then(|| config.resolve_state_dir(euid, &env)).flatten();
    let announce = |address: std::net::SocketAddr, has_tls: bool| {
        let scheme = if has_tls { "https" } else { "http" };
        // A closed stdout is no reason to stop watching.
        let _ = writeln!(
            std::io::stdout(),
            "plimsoll watches this node: {scheme}://{address}/  (live in a terminal: plimsoll top \
             --url {scheme}://{address}; what leaks: plimsoll leaks; what it cannot see: \
             {scheme}://{address}/readyz?verbose)"
        );
    };
    match app::run(app::Start { config, request, state_dir, relevel }, announce) {
        Ok(()) => Exit::Good,
        Err(why) if why.is_bad_config() => complain(Exit::BadConfig, &why),
        Err(why) => complain(Exit::Failed, &why),
    }
}

fn show_demo(args: &DemoArgs) -> Exit {
    let settings = demo::DemoSettings {
        duration: Duration::from_secs(args.seconds),
        keep_serving: args.keep_serving,
        listen: args.listen.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()),
    };
    match demo::run(settings, &mut std::io::stdout()) {
        Ok(true) => Exit::Good,
        Ok(false) => Exit::Failed,
        Err(why) => complain(Exit::Failed, &why),
    }
}

fn be_program(args: &ProgramArgs) -> Exit {
    let Some(shape) = demo::program::Shape::of_name(&args.shape) else { return Exit::Usage };
    match demo::program::be(shape, args.cgroup.as_deref()) {
        Ok(()) => Exit::Good,
        Err(why) => complain(Exit::Failed, &why),
    }
}

fn complain(exit: Exit, why: &dyn std::fmt::Display) -> Exit {
    // There is nowhere left to say that stderr is closed.
    let _ = writeln!(std::io::stderr(), "plimsoll: {why}");
    exit
}

/// The log goes to stderr. The configuration's check has accepted the level already. Returns what
/// sets another level later.
fn start_log(config: &Config) -> app::Relevel {
    let level = filter(&config.log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Text => {
            let log = log.with_ansi(std::io::stderr().is_terminal()).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Box::new(move |level| handle.reload(filter(level)?).map_err(|e| e.to_string()))
        }
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Box::new(move |level| handle.reload(filter(level)?).map_err(|e| e.to_string()))
        }
    }
}

/// The level, and the audit whatever the level is.
fn filter(level: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(format!("{level},{}=info", api::guard::audit::TARGET))
        .map_err(|e| e.to_string())
}
