//! The thin edge of the cache node: allocator, arguments, log, exit code.

use plimsoll_cache::app::{self, daemon};
use plimsoll_cache::cli::{self, Ask, LogFormat, Plan};
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Set, the commands of a debugging clock are obeyed.
const DEBUG_CLOCK: &str = "PLIMSOLL_CACHE_DEBUG_CLOCK";

const LICENSE: &str = "plimsoll-cache: Apache License 2.0, http://www.apache.org/licenses/\n";

fn main() -> ExitCode {
    let debug_clock = std::env::var_os(DEBUG_CLOCK).is_some();
    let code = match cli::parse(std::env::args_os(), debug_clock) {
        Ok(Ask::Help) => show(&cli::usage()),
        Ok(Ask::Version) => show(&cli::version()),
        Ok(Ask::License) => show(LICENSE),
        Ok(Ask::Run(plan)) => run(*plan),
        Err(refusal) => complain(&refusal, refusal.code),
    };
    code.into()
}

fn run(plan: Plan) -> u8 {
    let is_daemon = plan.daemon && std::env::var_os(daemon::MARK).is_some();
    if plan.daemon && !is_daemon {
        return match daemon::begin(std::env::args_os()) {
            Ok(code) => code,
            Err(why) => complain(&format_args!("failed to daemonize: {why}"), 1),
        };
    }
    if is_daemon && let Err(why) = daemon::detach(plan.core_files) {
        return complain(&format_args!("failed to daemonize: {why}"), 1);
    }
    start_log(&plan);
    let talks = plan.settings.verbosity > 0;
    let ready = |addresses: &plimsoll_cache::serve::Addresses| {
        tracing::info!(%addresses, "listening");
        if is_daemon {
            daemon::ready(talks);
        }
    };
    match app::run(plan, ready) {
        Ok(()) => 0,
        Err(why) => complain(&why, why.code()),
    }
}

fn show(text: &str) -> u8 {
    // A closed pipe is no reason to complain about.
    let _ = std::io::stdout().write_all(text.as_bytes());
    0
}

fn complain(why: &dyn std::fmt::Display, code: u8) -> u8 {
    // There is nowhere left to say that stderr is closed.
    let _ = writeln!(std::io::stderr(), "plimsoll-cache: {why}");
    code
}

/// The log goes to stderr. As memcached it is quiet unless `-v` is given.
fn start_log(plan: &Plan) {
    let level = match plan.settings.verbosity {
        0 if plan.as_memcached => "error",
        0 | 1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(std::io::stderr);
    match plan.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
