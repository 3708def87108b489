//! Writes the rules as Prometheus reads them, and tests of them as promtool does.
//!
//! Strings are quoted as in JSON, which YAML reads too.

use super::Runbooks;
use super::rules::{ALERTS, Alert, RECORDED, Recorded};
use serde_json::Value;

const HEAD: &str = "# Written by `plimsoll generate rules`; a test holds it to the generator.\n";

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn annotations(
    alert: &Alert,
    runbooks: &Runbooks,
    indent: &str,
    filled: impl Fn(&str) -> String,
) -> String {
    [
        ("summary", filled(alert.summary)),
        ("description", filled(alert.description)),
        ("runbook_url", runbooks.of(alert.name)),
    ]
    .map(|(key, text)| format!("{indent}{key}: {}\n", quoted(&text)))
    .concat()
}

pub(super) fn recording() -> String {
    let mut out = format!("{HEAD}groups:\n  - name: plimsoll.recording\n    rules:\n");
    for Recorded { name, expr, .. } in RECORDED {
        out += &format!("      - record: {name}\n        expr: {}\n", quoted(expr));
    }
    out
}

pub(super) fn alerting(runbooks: &Runbooks) -> String {
    let mut out = format!("{HEAD}groups:\n  - name: plimsoll.alerts\n    rules:\n");
    for alert in ALERTS {
        let (name, held, severity) = (alert.name, alert.held, alert.severity);
        out += &format!("      - alert: {name}\n        expr: {}\n", quoted(alert.expr));
        out += &format!("        for: {held}\n        labels:\n");
        out += &format!("          severity: {severity}\n        annotations:\n");
        out += &annotations(alert, runbooks, "          ", str::to_owned);
    }
    out
}

/// For each recorded query: what it is on some series. For each alert: series on which it fires at
/// a time and not before, and series on which it must stay silent.
pub(super) fn tests(runbooks: &Runbooks) -> String {
    let mut out = format!("{HEAD}rule_files:\n  - recording.yml\n  - alerts.yml\n");
    out += "evaluation_interval: 15s\ntests:\n";
    for recorded in RECORDED {
        out += &value(recorded);
    }
    for alert in ALERTS {
        out += &case(alert, runbooks, true);
        out += &case(alert, runbooks, false);
    }
    out
}

/// What a recorded query is on its series.
fn value(recorded: &Recorded) -> String {
    let Recorded { name, series, becomes, .. } = recorded;
    let mut out = head(name, series);
    out += &format!("    promql_expr_test:\n      - expr: {name}\n        eval_time: 5m\n");
    out += "        exp_samples:\n";
    for (labels, value) in *becomes {
        let labels = format!("{name}{{job=\"plimsoll\",instance=\"a:9977\"{labels}}}");
        out += &format!("          - labels: {}\n            value: {value}\n", quoted(&labels));
    }
    out
}

/// Name and series of a test.
fn head(name: &str, series: &[(&str, &str)]) -> String {
    let mut out = format!("  - name: {}\n    interval: 15s\n    input_series:\n", quoted(name));
    for (series, values) in series {
        out += &format!("      - series: {}\n        values: {}\n", quoted(series), quoted(values));
    }
    out
}

fn case(alert: &Alert, runbooks: &Runbooks, fires: bool) -> String {
    let trial = &alert.trial;
    let series = if fires { trial.bad } else { trial.good };
    let name = format!("{} {}", alert.name, if fires { "fires" } else { "stays silent" });
    let mut out = head(&name, series);
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
        out += &annotations(alert, runbooks, "              ", |text| filled(text, trial));
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
