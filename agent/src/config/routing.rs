//! What can be set of rules, routes, destinations and silences, and what of it cannot be together.
//!
//! Each is an array of tables in the file: see [`super::lists`] for their keys. Nothing here opens
//! a file or looks a name up: a secret's file may only be there where the agent runs.

use super::Secret;
use crate::units::Bytes;
use crate::view::Severity;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Entries of one list at most.
pub const ENTRIES_MAX: usize = 64;
/// The destination that is always there.
pub const LOG: &str = "log";

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutingConfig {
    pub rules: Vec<RuleConfig>,
    pub routes: Vec<RouteConfig>,
    pub destinations: Vec<DestinationConfig>,
    pub silences: Vec<SilenceConfig>,
}

/// How long and how surely a condition must stand before it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleConfig {
    /// Names of alerts, by glob.
    pub alert: String,
    pub matches: Vec<String>,
    pub hold: Duration,
    pub confidence_min: f64,
    pub severity_min: Severity,
    pub tell: bool,
}

/// Who is told, and in which rhythm.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    pub matches: Vec<String>,
    pub destinations: Vec<String>,
    pub group_by: Vec<String>,
    pub group_wait: Duration,
    pub group_interval: Duration,
    /// None: `alerts.repeat_interval`.
    pub repeat_interval: Option<Duration>,
    pub go_on: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DestinationKind {
    #[default]
    Log,
    Alertmanager,
    Webhook,
    Slack,
    Pagerduty,
}

impl DestinationKind {
    pub const NAMES: [&'static str; 5] = ["log", "alertmanager", "webhook", "slack", "pagerduty"];

    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    #[must_use]
    pub fn of_name(name: &str) -> Self {
        match name {
            "alertmanager" => Self::Alertmanager,
            "webhook" => Self::Webhook,
            "slack" => Self::Slack,
            "pagerduty" => Self::Pagerduty,
            _ => Self::Log,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DestinationConfig {
    pub name: String,
    pub kind: DestinationKind,
    pub url: Option<Secret>,
    pub url_file: Option<PathBuf>,
    pub urls: Vec<String>,
    pub token: Option<Secret>,
    pub token_file: Option<PathBuf>,
    pub signing_key: Option<Secret>,
    pub signing_key_file: Option<PathBuf>,
    pub routing_key: Option<Secret>,
    pub routing_key_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub send_resolved: bool,
    pub timeout: Duration,
    pub resend_interval: Duration,
    pub queue_size_max: Bytes,
    pub queue_age_max: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SilenceConfig {
    pub matches: Vec<String>,
    /// RFC 3339; empty: for ever.
    pub until: String,
    pub comment: String,
}

impl Default for RuleConfig {
    fn default() -> Self {
        Self {
            alert: "*".into(),
            matches: Vec::new(),
            hold: Duration::ZERO,
            confidence_min: 0.0,
            severity_min: Severity::Info,
            tell: true,
        }
    }
}

impl Default for RouteConfig {
    fn default() -> Self {
        Self {
            matches: Vec::new(),
            destinations: Vec::new(),
            group_by: vec!["workload".into(), "cgroup".into()],
            group_wait: Duration::from_secs(10),
            group_interval: Duration::from_secs(300),
            repeat_interval: None,
            go_on: false,
        }
    }
}

impl Default for DestinationConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: DestinationKind::Log,
            url: None,
            url_file: None,
            urls: Vec::new(),
            token: None,
            token_file: None,
            signing_key: None,
            signing_key_file: None,
            routing_key: None,
            routing_key_file: None,
            ca_file: None,
            send_resolved: true,
            timeout: Duration::from_secs(10),
            resend_interval: Duration::from_secs(60),
            queue_size_max: Bytes::mib(4),
            queue_age_max: Duration::from_secs(24 * 3600),
        }
    }
}

/// Something wrong with an entry of a list, or between entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub list: &'static str,
    /// Which entry, from 0.
    pub at: usize,
    /// The key that is to blame; the entry as a whole if it is not set.
    pub key: &'static str,
    pub what: String,
}

impl RoutingConfig {
    /// What each value permits but not all together.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        let lengths = [
            ("rules", self.rules.len()),
            ("routes", self.routes.len()),
            ("destinations", self.destinations.len()),
            ("silences", self.silences.len()),
        ];
        for (list, length) in lengths.into_iter().filter(|(_, length)| *length > ENTRIES_MAX) {
            let what = format!("is one of {length}: {ENTRIES_MAX} are the most");
            faults.add(list, ENTRIES_MAX, "", what);
        }
        let mut names = BTreeMap::from([(LOG, 0)]);
        for (at, destination) in self.destinations.iter().enumerate() {
            faults.of_destination(at, destination);
            if destination.name == LOG {
                let what = "is always there and cannot be set; a route names it".to_owned();
                faults.add("destinations", at, "name", what);
            } else if let Some(before) = names.insert(&destination.name, at + 1)
                && !destination.name.is_empty()
            {
                let what =
                    format!("{:?} is the name of destination {before} too", destination.name);
                faults.add("destinations", at, "name", what);
            }
        }
        for (at, route) in self.routes.iter().enumerate() {
            if route.destinations.is_empty() {
                let what = "is missing: where should it lead?".to_owned();
                faults.add("routes", at, "destinations", what);
            }
            for name in route.destinations.iter().filter(|name| !names.contains_key(name.as_str()))
            {
                let known: Vec<&str> = names.keys().copied().collect();
                let what = format!("{name:?} is no destination; there are {}", known.join(", "));
                faults.add("routes", at, "destinations", what);
            }
            let hidden = self.routes[..at].iter().any(|r| r.matches.is_empty() && !r.go_on);
            if hidden {
                let what = "is never reached: a route before it takes everything (continue = true \
                            there lets alerts go on)";
                faults.add("routes", at, "", what.into());
            }
        }
        for (at, silence) in self.silences.iter().enumerate() {
            if silence.matches.is_empty() {
                let what = "is missing; \"alertname=*\" silences everything".to_owned();
                faults.add("silences", at, "match", what);
            }
        }
        faults.0
    }
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, list: &'static str, at: usize, key: &'static str, what: String) {
        self.0.push(Fault { list, at, key, what });
    }

    fn of_destination(&mut self, at: usize, own: &DestinationConfig) {
        use DestinationKind::{Alertmanager, Log, Pagerduty, Slack, Webhook};
        let kind = own.kind;
        if own.name.is_empty() {
            self.add("destinations", at, "name", "is missing".into());
        }
        if kind == Log {
            let names = DestinationKind::NAMES[1..].join(", ");
            self.add("destinations", at, "type", format!("is missing or log; there are {names}"));
            return;
        }
        // Key, whether it is set, and where it means something.
        let keys: [(&'static str, bool, &[DestinationKind]); 9] = [
            ("url", own.url.is_some(), &[Webhook, Slack, Pagerduty]),
            ("url_file", own.url_file.is_some(), &[Webhook, Slack]),
            ("urls", !own.urls.is_empty(), &[Alertmanager]),
            ("token", own.token.is_some(), &[Webhook, Alertmanager]),
            ("token_file", own.token_file.is_some(), &[Webhook, Alertmanager]),
            ("signing_key", own.signing_key.is_some(), &[Webhook]),
            ("signing_key_file", own.signing_key_file.is_some(), &[Webhook]),
            ("routing_key", own.routing_key.is_some(), &[Pagerduty]),
            ("routing_key_file", own.routing_key_file.is_some(), &[Pagerduty]),
        ];
        for (key, _, _) in keys.iter().filter(|(_, set, kinds)| *set && !kinds.contains(&kind)) {
            let what = format!("means nothing to a destination of type {}", kind.name());
            self.add("destinations", at, key, what);
        }
        let set = |name: &str| keys.iter().any(|(key, set, _)| *key == name && *set);
        for (inline, file) in [
            ("url", "url_file"),
            ("token", "token_file"),
            ("signing_key", "signing_key_file"),
            ("routing_key", "routing_key_file"),
        ] {
            if set(inline) && set(file) {
                self.add("destinations", at, file, format!("is set beside {inline}: choose one"));
            }
        }
        let needed: &[&'static str] = match kind {
            Alertmanager => &["urls"],
            Pagerduty => &["routing_key", "routing_key_file"],
            _ => &["url", "url_file"],
        };
        if !needed.iter().any(|key| set(key)) {
            let what = format!("of type {} needs {}", kind.name(), needed.join(" or "));
            self.add("destinations", at, "", what);
        }
    }
}
