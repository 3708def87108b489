//! Which keys take effect at once when the configuration is read anew; all others wait for a
//! restart, because what they size or open is made once.

use super::keys::{KEYS, Key};
use super::lists::LISTS;
use super::{Config, Http};

/// The keys that take effect at once, in the order of [`KEYS`].
const LIVE: [&str; 20] = [
    "http.insecure",
    "http.allowed_hosts",
    "http.tokens_file",
    "http.web_config_file",
    "http.basic_auth_scope",
    "http.client_cert_scope",
    "http.rate_limit",
    "log.level",
    "sampling.interval",
    "sampling.interval_min",
    "sampling.interval_max",
    "sampling.pss_interval",
    "sampling.processes_max",
    "sampling.cgroups_max",
    "alerts.caution",
    "alerts.oom_horizon",
    "alerts.imminent",
    "alerts.remote_silences",
    "reports.http_level_max",
    "reports.token_file",
];

impl Key {
    /// Whether a new value holds as soon as the configuration is read anew.
    #[must_use]
    pub fn is_live(&self) -> bool {
        LIVE.contains(&self.path)
    }
}

/// What differs between two configurations: keys, and lists as a whole.
#[must_use]
pub fn changed(old: &Config, new: &Config) -> Vec<&'static str> {
    let keys = KEYS.iter().filter(|key| key.field.differs(old, new));
    let lists = LISTS.iter().filter(|list| list.differs(old, new));
    keys.map(|key| key.path).chain(lists.map(|list| list.path())).collect()
}

/// Takes over from `new` what takes effect at once.
pub fn adopt(running: &mut Config, new: &Config) {
    running.http = Http { listen: running.http.listen, ..new.http.clone() };
    running.log.level.clone_from(&new.log.level);
    let (sampling, wanted) = (&mut running.sampling, &new.sampling);
    sampling.interval = wanted.interval;
    sampling.interval_min = wanted.interval_min;
    sampling.interval_max = wanted.interval_max;
    sampling.pss_interval = wanted.pss_interval;
    sampling.processes_max = wanted.processes_max;
    sampling.cgroups_max = wanted.cgroups_max;
    let (alerts, wanted) = (&mut running.alerts, &new.alerts);
    alerts.caution = wanted.caution;
    alerts.oom_horizon = wanted.oom_horizon;
    alerts.imminent = wanted.imminent;
    alerts.remote_silences = wanted.remote_silences;
    running.reports.http_level_max = new.reports.http_level_max;
    running.reports.token_file.clone_from(&new.reports.token_file);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{Field, Raw, find};

    /// A value of the key that is not its default.
    fn other(key: &Key) -> Vec<Raw> {
        let text = |text: &str| Raw::Text(text.into());
        match &key.field {
            Field::Switch(_) => vec![Raw::Bool(true), Raw::Bool(false)],
            Field::Count { range, .. } => {
                [range.start(), range.end()].map(|n| Raw::Integer(*n as i128)).into()
            }
            Field::Ratio { range, .. } => {
                [range.start(), range.end()].map(|x| Raw::Float(*x)).into()
            }
            Field::Size { .. } => ["1MiB", "64MiB", "128MiB", "100MiB"].map(text).into(),
            Field::Time { .. } | Field::TimeOrUnset { .. } => {
                ["100ms", "1s", "60s", "61s", "2h", "24h"].map(text).into()
            }
            Field::Address(_) => vec![text("127.0.0.1:1")],
            Field::Path(_) | Field::PathOrUnset { .. } => vec![text("/elsewhere")],
            Field::Choice { names, .. } => names.iter().map(|name| text(name)).collect(),
            Field::Text { .. } | Field::Secret { .. } => {
                ["admin", "debug", "http://a.example/", "0600", "name=value"].map(text).into()
            }
            Field::List { .. } => {
                ["a", "a=b", "1", "logs"].map(|t| Raw::List(vec![text(t)])).into()
            }
        }
    }

    #[test]
    fn what_is_adopted_at_once_is_what_the_table_says() {
        let defaults = Config::default();
        for key in KEYS {
            let mut new = defaults.clone();
            let good = other(key)
                .into_iter()
                .any(|raw| key.field.set(&mut new, &raw).is_ok() && new != defaults);
            assert!(good, "{}: no other value was found", key.path);
            assert_eq!(changed(&defaults, &new), [key.path]);
            let mut running = defaults.clone();
            adopt(&mut running, &new);
            assert_eq!(running == new, key.is_live(), "{}", key.path);
        }
        assert!(LIVE.iter().all(|path| find(path).is_some()));
    }

    #[test]
    fn a_list_that_differs_is_told_as_a_whole() {
        let defaults = Config::default();
        let mut new = defaults.clone();
        new.routing.rules.push(crate::config::RuleConfig::default());
        assert_eq!(changed(&defaults, &new), ["rules"]);
    }
}
