//! What would become of an alert with given labels: for `plimsoll route explain`. Pure.

use super::lanes::{Gathering, lanes, taken};
use super::matcher::Labels;
use super::rules::{Condition, Rules};
use super::silence::Silences;
use crate::config::Config;
use crate::view::Severity;
use std::fmt::Write as _;

/// Says, a line each, how long such an alert must stand, what silences it, and who is told when.
#[must_use]
pub fn explain(config: &Config, labels: &Labels, wall_ms: i64) -> String {
    let mut out = String::new();
    let name = labels.get("alertname").map_or("LeakSuspected", String::as_str);
    let severity = labels.get("severity").and_then(|text| Severity::of_name(text));
    let severity = severity.unwrap_or(Severity::Warning);
    let mut labels = labels.clone();
    labels.entry("alertname".into()).or_insert_with(|| name.to_owned());
    labels.entry("severity".into()).or_insert_with(|| severity.name().to_owned());
    let shown: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let _ = writeln!(out, "alert    {}", shown.join(" "));
    let condition = Condition { name, severity, confidence: None, labels: &labels };
    let _ = match Rules::new(&config.routing.rules).hold(condition) {
        Some(hold) => writeln!(out, "rule     told once it has stood for {hold:?}"),
        None => writeln!(out, "rule     not told: a rule says so, or wants more severity"),
    };
    let silences = Silences::new(&config.routing.silences);
    if let Some(id) = silences.hits(&labels, wall_ms) {
        let _ = writeln!(out, "silence  {id} of the file holds: nobody is told");
    }
    let lanes = lanes(config);
    let taken = taken(&lanes, &labels);
    if taken.is_empty() {
        let _ = writeln!(out, "route    none fits: nobody is told");
    }
    for at in taken {
        let lane = &lanes[at];
        let route = match config.routing.routes.is_empty() {
            true => "(none is set)".to_owned(),
            false => format!("{}", lane.route + 1),
        };
        let rhythm = match lane.gathering {
            Gathering::Single => format!("each alert at once, again after {:?}", lane.repeat),
            Gathering::All => format!("everything at once, and again every {:?}", lane.repeat),
            Gathering::Grouped => {
                let group = lane.group_of("", &labels).0;
                format!(
                    "group {{{}}}, after {:?}, then every {:?}, again after {:?}",
                    group.trim_end_matches(','),
                    lane.wait,
                    lane.interval,
                    lane.repeat
                )
            }
        };
        let _ = writeln!(out, "route    {route} → {}: {rhythm}", lane.destinations.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_text;
    use std::path::Path;

    #[test]
    fn it_says_rule_silence_route_group_and_rhythm() {
        let text = r#"
            destinations = [{ name = "pd", type = "pagerduty", routing_key = "k" }]
            silences = [{ match = ["namespace=test-*"] }]
            rules = [{ alert = "Oom*", for = "5s" }]
            routes = [
                { match = ["severity=critical"], destinations = ["pd"], continue = true },
                { destinations = ["log"] },
            ]"#;
        let config = from_text(Path::new("p.toml"), text).unwrap().config;
        let told = |labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
            explain(&config, &labels, 0)
        };
        let critical =
            [("alertname", "OomPredicted"), ("severity", "critical"), ("workload", "shop/api")];
        insta::assert_snapshot!(format!(
            "{}\n{}",
            told(&critical),
            told(&[("namespace", "test-1")])
        ));
    }
}
