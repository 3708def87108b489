//! The flags of `run`, and `check-config` and `print-config`, which show what they come to.

use super::{Exit, Failure};
use crate::config::keys::{self, KEYS};
use crate::config::{Effective, Env, Problems, Request, effective_toml, load};
use std::io::Write;
use std::path::PathBuf;

/// Flags that set keys of the configuration. A flag beats the environment, that beats the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct RunArgs {
    /// Configuration file; default /etc/plimsoll/plimsoll.toml if it exists [env: PLIMSOLL_CONFIG]
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address of the HTTP API and the web page; default 127.0.0.1:9977 [env: PLIMSOLL_LISTEN]
    #[arg(long, value_name = "ADDR:PORT", value_parser = by_key("http.listen"))]
    pub listen: Option<String>,
    /// Serve on an address that others can reach, without a credential [env: PLIMSOLL_INSECURE]
    #[arg(long)]
    pub insecure: bool,
    /// TLS, client certificates and users, as Prometheus's exporters have them
    /// [env: PLIMSOLL_WEB_CONFIG_FILE]
    #[arg(long = "web.config.file", value_name = "FILE")]
    #[arg(value_parser = by_key("http.web_config_file"))]
    pub web_config_file: Option<String>,
    /// Directory in which history survives a restart [env: PLIMSOLL_STATE_DIR]
    #[arg(long, value_name = "DIR", value_parser = by_key("state_dir"))]
    pub state_dir: Option<String>,
    /// Keep no history on disk [env: PLIMSOLL_NO_PERSIST]
    #[arg(long)]
    pub no_persist: bool,
    /// Where the node's /proc is mounted [env: PLIMSOLL_PROC_ROOT]
    #[arg(long, value_name = "DIR", value_parser = by_key("proc_root"))]
    pub proc_root: Option<String>,
    /// Where the node's /sys is mounted [env: PLIMSOLL_SYS_ROOT]
    #[arg(long, value_name = "DIR", value_parser = by_key("sys_root"))]
    pub sys_root: Option<String>,
    /// Unix socket at which applications subscribe to the pressure signal
    /// [env: PLIMSOLL_PRESSURE_SOCKET]
    #[arg(long, value_name = "PATH", value_parser = by_key("pressure.socket"))]
    pub pressure_socket: Option<String>,
    /// Read everything this often, whatever its urgency, as in 1s [env: PLIMSOLL_INTERVAL]
    #[arg(long, value_name = "DURATION", value_parser = by_key("sampling.interval"))]
    pub interval: Option<String>,
    /// text or json [env: PLIMSOLL_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT", value_parser = by_key("log.format"))]
    pub log_format: Option<String>,
    /// off, error, warn, info, debug, trace, or module=level,… [env: PLIMSOLL_LOG_LEVEL]
    #[arg(long, value_name = "LEVEL", value_parser = by_key("log.level"))]
    pub log_level: Option<String>,
}

impl RunArgs {
    /// What these flags say, on top of `env` and the file.
    #[must_use]
    pub fn request(&self, env: Env) -> Request {
        let texts = [
            ("http.listen", &self.listen),
            ("http.web_config_file", &self.web_config_file),
            ("state_dir", &self.state_dir),
            ("proc_root", &self.proc_root),
            ("sys_root", &self.sys_root),
            ("pressure.socket", &self.pressure_socket),
            ("sampling.interval", &self.interval),
            ("log.format", &self.log_format),
            ("log.level", &self.log_level),
        ];
        let switches = [("http.insecure", self.insecure), ("history.persist", self.no_persist)];
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key, text.clone()?)));
        let switches =
            switches.into_iter().filter(|&(_, on)| on).map(|(key, _)| (key, "true".into()));
        Request { file: self.config.clone(), env, flags: texts.chain(switches).collect() }
    }

    /// The configuration that holds.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self, env: Env) -> Result<Effective, Problems> {
        load(&self.request(env))
    }
}

#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// The file; default $PLIMSOLL_CONFIG, else /etc/plimsoll/plimsoll.toml if it exists
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Checks the text of a flag as the key it sets is checked.
fn by_key(path: &'static str) -> impl Fn(&str) -> Result<String, String> + Clone {
    let key = keys::find(path).expect("flags name keys of the table");
    |text| key.check_text(text).map(|()| text.to_owned())
}

/// `check-config`: `ok` and what was read, or all problems.
pub(super) fn check(args: &CheckArgs, env: Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    let checked = load(&Request { file: args.file.clone(), env, flags: Vec::new() })?;
    let listen = checked.config.http.listen;
    let rules = crate::api::Rules::load(&checked.config, listen)?;
    crate::api::check_bind(listen, checked.config.http.insecure, rules.has_auth())?;
    match &checked.file {
        Some(file) => write!(out, "ok: {}", file.display())?,
        None => write!(out, "ok: no file")?,
    }
    let set = checked.set_count();
    let defaults = KEYS.len() - set;
    write!(out, "; {set} set, {defaults} left to their defaults")?;
    let routing = &checked.config.routing;
    let lists = [
        ("rule", routing.rules.len()),
        ("route", routing.routes.len()),
        ("destination", routing.destinations.len()),
        ("silence", routing.silences.len()),
    ];
    for (name, count) in lists.into_iter().filter(|(_, count)| *count > 0) {
        write!(out, ", {count} {name}{}", if count == 1 { "" } else { "s" })?;
    }
    let scheme = if rules.has_tls() { "https" } else { "http" };
    writeln!(out, "; serves on {scheme}://{listen}/")?;
    for warning in &checked.warnings {
        writeln!(out, "ignored: {warning}")?;
    }
    Ok(Exit::Good)
}

/// `print-config`: the effective configuration as TOML, each value with its origin.
pub(super) fn print(args: &RunArgs, env: Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    out.write_all(effective_toml(&args.load(env)?).as_bytes())?;
    Ok(Exit::Good)
}
