//! The one table of all keys: reading, printing, the reference file and the flags follow it.
//!
//! The environment has each key too: `PLIMSOLL_` and the flag's name, or the path where there is no
//! flag (`PLIMSOLL_SAMPLING_CPU_BUDGET`). Other variables of that prefix are left alone, because
//! Kubernetes sets `PLIMSOLL_PORT` and the like for a Service of this name.

pub mod export;
mod http;
mod kubernetes;
pub mod pressure;
mod privacy;
mod probe;
mod prometheus;
mod recorder;
mod reports;
mod sampling;

use probe::ENABLED as PROBE_ENABLED;

pub use super::field::{At, Field, Raw, Read};

use super::{Config, LogFormat};
use crate::units::Bytes;
use std::time::Duration;

/// One thing that can be set.
#[derive(Clone, Debug)]
pub struct Key<C = Config> {
    /// Its place in the file, `table.key`; in a list's entry its name there.
    pub path: &'static str,
    /// The command line's name for it; one that begins with `no-` sets the opposite.
    pub flag: Option<&'static str>,
    pub field: Field<C>,
    pub doc: &'static str,
    /// What the extreme values do.
    pub edges: &'static str,
    /// Who should change it.
    pub who: &'static str,
}

impl Key {
    /// The environment variable that sets it.
    #[must_use]
    pub fn env(&self) -> String {
        let name = self.flag.unwrap_or(self.path);
        format!("PLIMSOLL_{}", name.replace(['.', '-'], "_").to_ascii_uppercase())
    }

    /// Whether flag and environment say the opposite of the key.
    #[must_use]
    pub fn inverted(&self) -> bool {
        self.flag.is_some_and(|flag| flag.starts_with("no-"))
    }

    /// Checks what was written as its flag.
    ///
    /// # Errors
    /// What is wrong and what is accepted.
    pub fn check_text(&self, text: &str) -> Result<(), String> {
        let set = self.field.set(&mut Config::default(), &self.field.raw_of_text(text));
        set.map_err(|what| format!("{what}; accepted: {}", self.field.accepted()))
    }

    /// The table it is in, empty for the top, and its name there.
    #[must_use]
    pub fn section_and_name(&self) -> (&'static str, &'static str) {
        self.path.rsplit_once('.').unwrap_or(("", self.path))
    }
}

#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

#[must_use]
pub fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// What may be asked of evidence beyond the default. Units: log-odds.
pub const CAUTION: std::ops::RangeInclusive<f64> = -2.0..=6.0;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Keys of the top first, then table by table, as a file has to have them.
pub static KEYS: &[Key] = &[
    Key {
        path: "state_dir",
        flag: Some("state-dir"),
        field: Field::PathOrUnset { at: |c| &mut c.state_dir, example: "/var/lib/plimsoll" },
        doc: "Directory in which history survives a restart.",
        edges: "Unset: /var/lib/plimsoll for root, else ~/.local/state/plimsoll.",
        who: "Packagers, and DaemonSets that mount a hostPath.",
    },
    Key {
        path: "proc_root",
        flag: Some("proc-root"),
        field: Field::Path(|c| &mut c.proc_root),
        doc: "Where the node's /proc is mounted.",
        edges: "In a container with hostPID and a read-only hostPath: /host/proc.",
        who: "DaemonSets only.",
    },
    Key {
        path: "sys_root",
        flag: Some("sys-root"),
        field: Field::Path(|c| &mut c.sys_root),
        doc: "Where the node's /sys is mounted.",
        edges: "In a container: /host/sys.",
        who: "DaemonSets only.",
    },
    http::LISTEN,
    http::INSECURE,
    http::ALLOWED_HOSTS,
    http::TOKENS_FILE,
    http::WEB_CONFIG_FILE,
    http::BASIC_AUTH_SCOPE,
    http::CLIENT_CERT_SCOPE,
    http::RATE_LIMIT,
    Key {
        path: "log.format",
        flag: Some("log-format"),
        field: Field::Choice {
            names: &["text", "json"],
            get: |c| match c.log.format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            },
            set: |c, name| {
                c.log.format = if name == "json" { LogFormat::Json } else { LogFormat::Text };
            },
        },
        doc: "Form of the log lines on stderr.",
        edges: "json: one object per line.",
        who: "Whoever collects the log by machine.",
    },
    Key {
        path: "log.level",
        flag: Some("log-level"),
        field: Field::Text {
            at: |c| &mut c.log.level,
            good: is_log_filter,
            accepted: "off, error, warn, info, debug or trace, or module=level, with commas",
        },
        doc: "Least severity that is logged.",
        edges: "debug logs each sweep; plimsoll::sampler=trace,info each reading of the sampler.",
        who: "Whoever looks for a fault in the agent.",
    },
    Key {
        path: "sampling.interval",
        flag: Some("interval"),
        field: Field::TimeOrUnset {
            at: |c| &mut c.sampling.interval,
            range: ms(20)..=s(HOUR),
            example: s(1),
        },
        doc: "Reads every process and cgroup this often, whatever its urgency.",
        edges: "Unset: each is read in at most 1/20 of its time to the limit.",
        who: "Experiments; in production leave it unset.",
    },
    Key {
        path: "sampling.interval_min",
        flag: None,
        field: Field::Time { at: |c| &mut c.sampling.interval_min, range: ms(20)..=s(60) },
        doc: "How often the most urgent target is read.",
        edges: "Below 100ms a runaway costs more CPU and is hardly seen earlier.",
        who: "Almost nobody.",
    },
    Key {
        path: "sampling.interval_max",
        flag: None,
        field: Field::Time { at: |c| &mut c.sampling.interval_max, range: ms(100)..=s(HOUR) },
        doc: "How often the least urgent target is read.",
        edges: "Above 60s a jump of a quiet process is seen late.",
        who: "Nodes with tens of thousands of processes.",
    },
    Key {
        path: "sampling.cpu_budget",
        flag: None,
        field: Field::Ratio { at: |c| &mut c.sampling.cpu_budget, range: 0.001..=1.0 },
        doc: "Share of one core that sampling may use; above it the least urgent wait.",
        edges: "0.001 starves the quiet ones for minutes; 1 is a whole core.",
        who: "Platform teams that account for every agent.",
    },
    Key {
        path: "sampling.kept_fds_max",
        flag: None,
        field: Field::Count { at: |c| &mut c.sampling.kept_fds_max, range: 0..=1_000_000 },
        doc: "Files of /proc kept open, which makes a reading twice as cheap.",
        edges: "0 keeps none. Each costs 1.1 KiB of the kernel; never above RLIMIT_NOFILE.",
        who: "Nodes with more processes than this.",
    },
    Key {
        path: "sampling.processes_max",
        flag: None,
        field: Field::Count { at: |c| &mut c.sampling.processes_max, range: 16..=4_194_304 },
        doc: "Processes watched at once; of more, the smallest are left out and counted.",
        edges: "4194304 is the kernel's own limit of pids.",
        who: "Nodes with more processes than this.",
    },
    Key {
        path: "sampling.cgroups_max",
        flag: None,
        field: Field::Count { at: |c| &mut c.sampling.cgroups_max, range: 1..=65_536 },
        doc: "Cgroups watched at once; further ones are left out and counted.",
        edges: "65536 cgroups are a kernel that is already slow.",
        who: "Nodes with more cgroups than this.",
    },
    Key {
        path: "sampling.rescan_interval",
        flag: None,
        field: Field::Time { at: |c| &mut c.sampling.rescan_interval, range: s(1)..=s(HOUR) },
        doc: "How often /proc and the cgroups are listed anew, to find what no event told of.",
        edges: "Without the proc connector (CAP_NET_ADMIN) this is how late a process is found.",
        who: "Almost nobody.",
    },
    Key {
        path: "sampling.pss",
        flag: None,
        field: Field::Switch(|c| &mut c.sampling.pss),
        doc: "Reads smaps_rollup for PSS, USS and huge pages.",
        edges: "false: those are null. It holds a lock of the target, bounded by pss_stall_max.",
        who: "Latency-critical nodes.",
    },
    Key {
        path: "sampling.pss_stall_max",
        flag: None,
        field: Field::Time { at: |c| &mut c.sampling.pss_stall_max, range: ms(1)..=s(1) },
        doc: "A process that smaps_rollup would stall longer is not read by it.",
        edges: "About 2.6ms per GiB resident: 5ms excludes processes above 2 GiB.",
        who: "Those who want PSS of large processes and can bear the stall.",
    },
    Key {
        path: "sampling.pss_interval",
        flag: None,
        field: Field::Time { at: |c| &mut c.sampling.pss_interval, range: s(1)..=s(DAY) },
        doc: "How often smaps_rollup is read of each process.",
        edges: "Below 10s the stalls of a target become visible in its latency.",
        who: "Almost nobody.",
    },
    Key {
        path: "sampling.senses_max",
        flag: None,
        field: Field::Count { at: |c| &mut c.sampling.senses_max, range: 0..=1024 },
        doc: "Cgroups whose own events wake the agent, those nearest to their limits first.",
        edges: "0: none, and not the node's stalls. Each costs a descriptor or two.",
        who: "Nodes with more containers near their limits than this.",
    },
    sampling::BPF,
    Key {
        path: "history.ram_budget",
        flag: None,
        field: Field::Size {
            at: |c| &mut c.history.ram_budget,
            range: Bytes::mib(1)..=Bytes::mib(65_536),
        },
        doc: "Memory for history; when it is full, the oldest and least urgent goes first.",
        edges: "1MiB holds an hour of some hundred processes.",
        who: "Nodes with many processes, or those who want a longer past.",
    },
    Key {
        path: "history.persist",
        flag: Some("no-persist"),
        field: Field::Switch(|c| &mut c.history.persist),
        doc: "Keeps history on disk, so that a restart of the agent forgets nothing.",
        edges: "false: every restart begins with a warm-up.",
        who: "Nodes without a writable disk.",
    },
    Key {
        path: "history.flush_interval",
        flag: None,
        field: Field::Time { at: |c| &mut c.history.flush_interval, range: s(1)..=s(HOUR) },
        doc: "How often history is written; a kill of the agent loses at most this much.",
        edges: "1s writes more than it needs to; 1h loses an hour.",
        who: "Nodes with flash memory that wears.",
    },
    Key {
        path: "history.disk_budget",
        flag: None,
        field: Field::Size {
            at: |c| &mut c.history.disk_budget,
            range: Bytes::mib(1)..=Bytes::mib(1 << 20),
        },
        doc: "Disk for history; the oldest is deleted first.",
        edges: "Less than history.ram_budget keeps only a part over a restart.",
        who: "Nodes with small disks.",
    },
    Key {
        path: "alerts.repeat_interval",
        flag: None,
        field: Field::Time { at: |c| &mut c.alerts.repeat_interval, range: s(10)..=s(7 * DAY) },
        doc: "After this time an alert that still fires is told again.",
        edges: "10s floods the log.",
        who: "Teams with their own rhythm of reminders.",
    },
    Key {
        path: "alerts.caution",
        flag: None,
        field: Field::Ratio { at: |c| &mut c.alerts.caution, range: CAUTION },
        doc: "How much stronger than by default evidence must be (log-odds) before it is told.",
        edges: "-2 tells sooner and of more healthy targets; 6 only what is hard to doubt, late.",
        who: "Teams paged too often, or too late; try it with `plimsoll replay --caution`.",
    },
    Key {
        path: "alerts.oom_horizon",
        flag: None,
        field: Field::Time { at: |c| &mut c.alerts.oom_horizon, range: s(60)..=s(4 * DAY) },
        doc: "An OOM that is forecast further ahead than this is not told.",
        edges: "Beyond 96h no forecast is worth its name.",
        who: "Teams that only want what concerns this shift.",
    },
    Key {
        path: "alerts.imminent",
        flag: None,
        field: Field::Time { at: |c| &mut c.alerts.imminent, range: s(1)..=s(DAY) },
        doc: "An OOM that is forecast within this time is critical.",
        edges: "At most alerts.oom_horizon.",
        who: "Teams that need longer than this to act.",
    },
    Key {
        path: "alerts.labels",
        flag: None,
        field: Field::List {
            at: |c| &mut c.alerts.labels,
            good: is_label,
            accepted: "\"name=value\"",
        },
        doc: "Labels that every alert carries, such as the cluster's name.",
        edges: "Empty: only node, target and what is known of it.",
        who: "Fleets whose alerts come together in one place.",
    },
    Key {
        path: "alerts.external_url",
        flag: None,
        field: Field::Text {
            at: |c| &mut c.alerts.external_url,
            good: |text| text.is_empty() || is_url(text),
            accepted: "a URL that begins with http:// or https://",
        },
        doc: "Address under which people reach this agent's page, for links in notices.",
        edges: "Empty: notices hold no links.",
        who: "Whoever puts the page behind a name of their own.",
    },
    Key {
        path: "alerts.remote_silences",
        flag: None,
        field: Field::Switch(|c| &mut c.alerts.remote_silences),
        doc: "Lets silences be made and ended over the API where it does not listen on a loopback.",
        edges: "true: everyone who can reach the port can keep alerts from being told.",
        who: "Only where a network policy guards the port.",
    },
    pressure::ENABLED,
    pressure::SOCKET,
    pressure::BELL,
    pressure::DRY_RUN,
    pressure::HEADROOM_LOW,
    pressure::HEADROOM_MEDIUM,
    pressure::HEADROOM_CRITICAL,
    pressure::DEADLINE,
    pressure::ALLOWED_UIDS,
    pressure::ALLOWED_GIDS,
    pressure::MODE,
    pressure::SUBSCRIBERS_MAX,
    recorder::PINS_MAX,
    recorder::INCIDENTS_MAX,
    recorder::DISK_BUDGET,
    reports::ENABLED,
    reports::LEVEL_MAX,
    reports::RECORDER_LEVEL,
    reports::HTTP_LEVEL_MAX,
    reports::TOKEN_FILE,
    reports::MAX_PAUSE,
    reports::WINDOW,
    reports::COOLDOWN,
    reports::REPORTS_MAX,
    reports::DISK_BUDGET,
    reports::TTL,
    prometheus::CADVISOR_NAMES,
    PROBE_ENABLED,
    export::ENABLED,
    export::ENDPOINT,
    export::PROTOCOL,
    export::SIGNALS,
    export::METRICS_ENDPOINT,
    export::LOGS_ENDPOINT,
    export::TRACES_ENDPOINT,
    export::METRICS_PROTOCOL,
    export::LOGS_PROTOCOL,
    export::TRACES_PROTOCOL,
    export::HEADERS,
    export::HEADERS_FILE,
    export::METRICS_HEADERS,
    export::LOGS_HEADERS,
    export::TRACES_HEADERS,
    export::CA_FILE,
    export::CLIENT_CERT_FILE,
    export::CLIENT_KEY_FILE,
    export::COMPRESSION,
    export::TIMEOUT,
    export::INTERVAL,
    export::TEMPORALITY,
    export::PROFILE,
    export::RESOURCE_ATTRIBUTES,
    export::PROCESSES_MAX,
    export::CONTAINERS_MAX,
    export::QUEUE_SIZE_MAX,
    export::QUEUE_AGE_MAX,
    kubernetes::SOURCE,
    kubernetes::KUBELET_URL,
    kubernetes::TOKEN_FILE,
    kubernetes::CA_FILE,
    kubernetes::INSECURE,
    kubernetes::CRI_SOCKET,
    kubernetes::REFRESH_INTERVAL,
    kubernetes::TIMEOUT,
    privacy::CMDLINE,
    privacy::REDACT,
];

/// A label as `name=value`, its name as Prometheus wants names.
fn is_label(text: &str) -> bool {
    text.split_once('=')
        .is_some_and(|(name, value)| crate::route::matcher::is_name(name) && !value.is_empty())
}

/// An address of HTTP without spaces, user or password in it.
pub(super) fn is_url(text: &str) -> bool {
    let uri = text.parse::<axum::http::Uri>();
    let plain = |uri: &axum::http::Uri| {
        let schemed = matches!(uri.scheme_str(), Some("http" | "https"));
        schemed
            && uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'))
    };
    text.len() <= 2048 && uri.is_ok_and(|uri| plain(&uri))
}

fn is_host(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.len() <= 253 && text.chars().all(ok)
}

fn is_log_filter(text: &str) -> bool {
    let is_level = |l: &str| matches!(l, "off" | "error" | "warn" | "info" | "debug" | "trace");
    let is_module = |m: &str| {
        !m.is_empty() && m.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
    };
    text.split(',').map(str::trim).all(|part| match part.split_once('=') {
        Some((module, level)) => is_module(module) && is_level(level),
        None => is_level(part),
    })
}

#[cfg(test)]
mod tests;
