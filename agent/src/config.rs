//! What can be set: the structure with its defaults, and where history is kept.
//!
//! [`keys`] is the one table of all keys; [`load`] fills a [`Config`] from file, environment and
//! flags by it, [`print`] writes one by it, so that they cannot drift apart. A configuration with
//! any fault is refused whole: nothing here guesses what was meant.

mod export;
mod field;
pub mod keys;
mod kubernetes;
pub mod lists;
mod live;
mod load;
mod otel;
mod page;
mod print;
mod problem;
mod routing;
mod secret;
mod values;

pub use export::{ExportConfig, ExportProfile, ExportProtocol, Temporality};
pub use kubernetes::{KubernetesConfig, NameSource};
pub use live::{adopt, changed};
pub use load::{DEFAULT_FILE, Effective, Origin, Request, from_text, load};
pub use page::reference_page;
pub use print::{effective_toml, reference_toml};
pub use problem::{Place, Problem, Problems};
pub use routing::{
    DestinationConfig, DestinationKind, Fault, LOG, RouteConfig, RoutingConfig, RuleConfig,
    SilenceConfig,
};
pub use secret::Secret;
pub(crate) use values::duration;

use crate::units::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The environment as it was handed to the program, so that logic can be given another.
pub type Env = BTreeMap<String, String>;

/// The environment of this process; variables that are not UTF-8 are left out.
#[must_use]
pub fn process_env() -> Env {
    let text = |s: std::ffi::OsString| s.into_string().ok();
    std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
}

/// Everything that can be set. `Config::default()` is what `plimsoll run` uses with no file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub http: Http,
    pub state_dir: Option<PathBuf>,
    pub proc_root: PathBuf,
    pub sys_root: PathBuf,
    pub log: Log,
    pub sampling: Sampling,
    pub history: HistoryConfig,
    pub alerts: AlertsConfig,
    pub pressure: PressureConfig,
    pub routing: RoutingConfig,
    pub recorder: RecorderConfig,
    pub reports: ReportsConfig,
    pub prometheus: PrometheusConfig,
    pub privacy: Privacy,
    pub probe: ProbeConfig,
    pub export: ExportConfig,
    pub kubernetes: KubernetesConfig,
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrometheusConfig {
    pub cadvisor_names: bool,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeConfig {
    pub enabled: bool,
}
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    pub listen: SocketAddr,
    pub insecure: bool,
    pub allowed_hosts: Vec<String>,
    pub tokens_file: Option<PathBuf>,
    pub web_config_file: Option<PathBuf>,
    /// Names of scopes: metrics, read, heap, admin.
    pub basic_auth_scope: String,
    pub client_cert_scope: String,
    /// Of each client; 0: none. Units: requests a second.
    pub rate_limit: usize,
}
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Reads every process and cgroup this often. None: cadence follows urgency.
    pub interval: Option<Duration>,
    pub interval_min: Duration,
    pub interval_max: Duration,
    /// Share of one core that sampling may use, e.g. 0.02.
    pub cpu_budget: f64,
    pub kept_fds_max: usize,
    pub processes_max: usize,
    pub cgroups_max: usize,
    pub rescan_interval: Duration,
    pub pss: bool,
    pub pss_stall_max: Duration,
    pub pss_interval: Duration,
    /// Cgroups whose events wake the sampler.
    pub senses_max: usize,
    /// Use BPF where it is allowed.
    pub bpf: bool,
}
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryConfig {
    pub ram_budget: Bytes,
    pub persist: bool,
    pub flush_interval: Duration,
    pub disk_budget: Bytes,
}
#[derive(Clone, Debug, PartialEq)]
pub struct AlertsConfig {
    /// Log-odds that evidence must have beyond what it must by default.
    pub caution: f64,
    pub repeat_interval: Duration,
    pub oom_horizon: Duration,
    pub imminent: Duration,
    /// `name=value`, on every alert.
    pub labels: Vec<String>,
    /// Empty: notices hold no links.
    pub external_url: String,
    pub remote_silences: bool,
}
#[derive(Clone, Debug, PartialEq)]
pub struct PressureConfig {
    pub enabled: bool,
    pub socket: PathBuf,
    /// Where those are alarmed who know systemd's protocol only.
    pub bell: Option<PathBuf>,
    pub dry_run: bool,
    pub headroom_low: f64,
    pub headroom_medium: f64,
    pub headroom_critical: f64,
    pub deadline: Duration,
    /// Numbers, or [`keys::pressure::ANY`].
    pub allowed_uids: Vec<String>,
    pub allowed_gids: Vec<String>,
    /// Octal, as [`keys::pressure::mode`] reads it.
    pub mode: String,
    pub subscribers_max: usize,
}
#[derive(Clone, Debug, PartialEq)]
pub struct RecorderConfig {
    pub pins_max: usize,
    pub incidents_max: usize,
    pub disk_budget: Bytes,
}
#[derive(Clone, Debug, PartialEq)]
pub struct ReportsConfig {
    pub enabled: bool,
    /// Of anyone; the two below are not above it.
    pub level_max: usize,
    pub recorder_level: usize,
    pub http_level_max: usize,
    pub token_file: Option<PathBuf>,
    pub max_pause: Duration,
    pub window: Duration,
    pub cooldown: Duration,
    pub reports_max: usize,
    pub disk_budget: Bytes,
    pub ttl: Duration,
}
#[derive(Clone, Debug, PartialEq)]
pub struct Privacy {
    pub cmdline: CmdlineMode,
    pub redact: Vec<String>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CmdlineMode {
    Redacted,
    Off,
}

impl Config {
    /// The directory in which history survives a restart.
    ///
    /// In this order: `state_dir` as configured; systemd's `$STATE_DIRECTORY`; `/var/lib/plimsoll`
    /// for root; `$XDG_STATE_HOME/plimsoll`; `~/.local/state/plimsoll`. None if a user has neither
    /// variable: there is nowhere to keep history then. Source: XDG Base Directory Specification
    /// 0.8 (relative paths are to be ignored), systemd.exec(5).
    #[must_use]
    pub fn resolve_state_dir(&self, euid: u32, env: &Env) -> Option<PathBuf> {
        let absolute = |name: &str| env.get(name).map(Path::new).filter(|p| p.is_absolute());
        if let Some(dir) = &self.state_dir {
            return Some(dir.clone());
        }
        let by_systemd = env.get("STATE_DIRECTORY").and_then(|list| list.split(':').next());
        if let Some(dir) = by_systemd.map(Path::new).filter(|p| p.is_absolute()) {
            return Some(dir.to_owned());
        }
        if euid == 0 {
            return Some("/var/lib/plimsoll".into());
        }
        absolute("XDG_STATE_HOME")
            .map(|state| state.join("plimsoll"))
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state/plimsoll")))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: Http {
                listen: SocketAddr::from(([127, 0, 0, 1], 9977)),
                insecure: false,
                allowed_hosts: Vec::new(),
                tokens_file: None,
                web_config_file: None,
                basic_auth_scope: "read".into(),
                client_cert_scope: "read".into(),
                rate_limit: 200,
            },
            state_dir: None,
            proc_root: "/proc".into(),
            sys_root: "/sys".into(),
            log: Log { format: LogFormat::Text, level: "info".into() },
            sampling: Sampling {
                interval: None,
                interval_min: Duration::from_millis(100),
                interval_max: Duration::from_secs(60),
                cpu_budget: 0.02,
                kept_fds_max: 12_000,
                processes_max: 32_768,
                cgroups_max: 4_096,
                rescan_interval: Duration::from_secs(30),
                pss: true,
                pss_stall_max: Duration::from_millis(5),
                pss_interval: Duration::from_secs(300),
                senses_max: 64,
                bpf: true,
            },
            history: HistoryConfig {
                ram_budget: Bytes::mib(16),
                persist: true,
                flush_interval: Duration::from_secs(10),
                disk_budget: Bytes::mib(64),
            },
            alerts: AlertsConfig {
                caution: 0.0,
                repeat_interval: Duration::from_secs(4 * 3600),
                oom_horizon: Duration::from_secs(96 * 3600),
                imminent: Duration::from_secs(600),
                labels: Vec::new(),
                external_url: String::new(),
                remote_silences: false,
            },
            pressure: PressureConfig {
                enabled: true,
                socket: plimsoll_pressure::SOCKET.into(),
                bell: None,
                dry_run: false,
                headroom_low: 0.10,
                headroom_medium: 0.05,
                headroom_critical: 0.025,
                deadline: Duration::from_secs(2),
                allowed_uids: Vec::new(),
                allowed_gids: Vec::new(),
                mode: "0666".into(),
                subscribers_max: 256,
            },
            routing: RoutingConfig::default(),
            recorder: RecorderConfig {
                pins_max: 32,
                incidents_max: 200,
                disk_budget: Bytes::mib(16),
            },
            reports: ReportsConfig {
                enabled: true,
                level_max: 0,
                recorder_level: 0,
                http_level_max: 0,
                token_file: None,
                max_pause: Duration::from_millis(200),
                window: Duration::from_secs(10),
                cooldown: Duration::from_secs(10),
                reports_max: 200,
                disk_budget: Bytes::mib(32),
                ttl: Duration::from_secs(7 * 24 * 3600),
            },
            prometheus: PrometheusConfig::default(),
            privacy: Privacy { cmdline: CmdlineMode::Redacted, redact: Vec::new() },
            probe: ProbeConfig { enabled: true },
            export: ExportConfig::default(),
            kubernetes: KubernetesConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(state_dir: Option<&str>, euid: u32, env: &[(&str, &str)]) -> Option<String> {
        let config = Config { state_dir: state_dir.map(PathBuf::from), ..Config::default() };
        let env = env.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        config.resolve_state_dir(euid, &env).map(|p| p.display().to_string())
    }

    #[test]
    fn the_state_directory_follows_configuration_then_systemd_then_the_user() {
        let home = ("HOME", "/home/ann");
        let unit = ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b");
        assert_eq!(resolved(Some("/d"), 0, &[unit]).as_deref(), Some("/d"));
        assert_eq!(resolved(None, 7, &[unit, home]).as_deref(), Some("/var/lib/a"));
        assert_eq!(resolved(None, 0, &[home]).as_deref(), Some("/var/lib/plimsoll"));
        let xdg = ("XDG_STATE_HOME", "/x");
        assert_eq!(resolved(None, 7, &[xdg, home]).as_deref(), Some("/x/plimsoll"));
        let users = Some("/home/ann/.local/state/plimsoll");
        assert_eq!(resolved(None, 7, &[("XDG_STATE_HOME", "x"), home]).as_deref(), users);
        assert_eq!(resolved(None, 7, &[]), None);
    }
}
