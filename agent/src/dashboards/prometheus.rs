//! Writes the rules as Prometheus reads them, and tests of them as promtool does.
//!
//! Strings are quoted as in JSON, which YAML reads too.

use super::rules::{ALERTS, Alert, RECORDED};
use serde_json::Value;

const HEAD: &str = "# Written by `plimsoll generate rules`; a test holds it to the generator.\n";
/// Where the runbooks are, unless who installs them says otherwise.
const RUNBOOKS: &str = "https://github.com/plimsoll/plimsoll/blob/main/docs/runbooks";

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn annotations(alert: &Alert, indent: &str, filled: impl Fn(&str) -> String) -> String {
    [
        ("summary", filled(alert.summary)),
        ("description", filled(alert.description)),
        ("runbook_url", format!("{RUNBOOKS}/{}.md", alert.name)),
    ]
    .map(|(key, text)| format!("{indent}{key}: {}\n", quoted(&text)))
    .concat()
}

pub(super) fn recording() -> String {
    let mut out = format!("{HEAD}groups:\n  - name: plimsoll.recording\n    rules:\n");
    for (name, expr) in RECORDED {
        out += &format!("      - record: {name}\n        expr: {}\n", quoted(expr));
    }
    out
}

pub(super) fn alerting() -> String {
    let mut out = format!("{HEAD}groups:\n  - name: plimsoll.alerts\n    rules:\n");
    for alert in ALERTS {
        let (name, held, severity) = (alert.name, alert.held, alert.severity);
        out += &format!("      - alert: {name}\n        expr: {}\n", quoted(alert.expr));
        out += &format!("        for: {held}\n        labels:\n");
        out += &format!("          severity: {severity}\n        annotations:\n");
        out += &annotations(alert, "          ", str::to_owned);
    }
    out
}

/// For each alert: series on which it fires at a time and not before, and series on which it must
/// stay silent.
pub(super) fn tests() -> String {
    let mut out = format!("{HEAD}rule_files:\n  - alerts.yml\nevaluation_interval: 15s\ntests:\n");
    for alert in ALERTS {
        out += &case(alert, alert.trial.bad, true);
        out += &case(alert, alert.trial.good, false);
    }
    out
}

fn case(alert: &Alert, series: &[(&str, &str)], fires: bool) -> String {
    let trial = &alert.trial;
    let name = format!("{} {}", alert.name, if fires { "fires" } else { "stays silent" });
    let mut out = format!("  - name: {}\n    interval: 15s\n    input_series:\n", quoted(&name));
    for (series, values) in series {
        out += &format!("      - series: {}\n        values: {}\n", quoted(series), quoted(values));
    }
    out += "    alert_rule_test:\n";
    let check = |at: &str| format!("      - eval_time: {at}\n        alertname: {}\n", alert.name);
    if fires {
        // At the very beginning nothing has been so for long enough.
        if let Some(early) = trial.not_yet {
            out += &check(early);
            out += "        exp_alerts: []\n";
        }
        out += &check(trial.at);
        out += "        exp_alerts:\n          - exp_labels:\n";
        out += &format!("              severity: {}\n", alert.severity);
        for (key, value) in trial.labels {
            out += &format!("              {key}: {}\n", quoted(value));
        }
        out += "            exp_annotations:\n";
        out += &annotations(alert, "              ", |text| filled(text, trial));
    } else {
        out += &check(trial.at);
        out += "        exp_alerts: []\n";
    }
    out
}

/// A template with the labels and the value of the trial in it.
fn filled(template: &str, trial: &super::rules::Trial) -> String {
    let mut text = template.to_owned();
    for (key, value) in trial.labels {
        text = text.replace(&format!("{{{{ $labels.{key} }}}}"), value);
    }
    text.replace("{{ $value }}", trial.value)
}
