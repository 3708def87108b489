//! stub loader; the fields stand
use crate::units::Bytes;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set. `Config::default()` is what `plimsoll run` uses with no file.
#[derive(Clone, Debug)]
pub struct Config {
    pub http: Http,
    pub state_dir: Option<PathBuf>,
    pub proc_root: PathBuf,
    pub sys_root: PathBuf,
    pub log: Log,
    pub sampling: Sampling,
    pub history: HistoryConfig,
    pub alerts: AlertsConfig,
    pub privacy: Privacy,
}
#[derive(Clone, Debug)]
pub struct Http {
    pub listen: SocketAddr,
    pub insecure: bool,
    pub allowed_hosts: Vec<String>,
}
#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}
#[derive(Clone, Debug)]
pub struct Sampling {
    /// Reads every process and cgroup this often, whatever its urgency. None: cadence follows urgency.
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
}
#[derive(Clone, Debug)]
pub struct HistoryConfig {
    pub ram_budget: Bytes,
    pub persist: bool,
    pub flush_interval: Duration,
    pub disk_budget: Bytes,
}
#[derive(Clone, Debug)]
pub struct AlertsConfig {
    pub repeat_interval: Duration,
    pub oom_horizon: Duration,
    pub imminent: Duration,
}
#[derive(Clone, Debug)]
pub struct Privacy {
    pub cmdline: CmdlineMode,
    pub redact: Vec<String>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CmdlineMode {
    Redacted,
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: Http {
                listen: SocketAddr::from(([127, 0, 0, 1], 9977)),
                insecure: false,
                allowed_hosts: Vec::new(),
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
            },
            history: HistoryConfig {
                ram_budget: Bytes::mib(16),
                persist: true,
                flush_interval: Duration::from_secs(10),
                disk_budget: Bytes::mib(64),
            },
            alerts: AlertsConfig {
                repeat_interval: Duration::from_secs(4 * 3600),
                oom_horizon: Duration::from_secs(96 * 3600),
                imminent: Duration::from_secs(600),
            },
            privacy: Privacy { cmdline: CmdlineMode::Redacted, redact: Vec::new() },
        }
    }
}
