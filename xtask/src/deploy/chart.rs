//! The chart as Helm sees it, through `chart.py`: rendered, linted, values checked.

use crate::Outcome;
use crate::run::top;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Helm's severity of a warning; below are remarks.
const WARNING: u64 = 2;

/// What Helm made of a request.
pub(super) enum Answer {
    Good(Value),
    Bad(String),
}

/// Asks Helm to `render` or `lint` the chart with `values`.
pub(super) fn ask(what: &str, values: &Value) -> Result<Answer, String> {
    let chart = top().join("deploy/helm/plimsoll");
    let request = json!({"do": what, "chart": chart, "values": values}).to_string();
    let mut helm = Command::new(top().join("target/deploy/bin/python"));
    helm.arg(top().join("xtask/src/deploy/chart.py"));
    helm.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut helm = helm.spawn().map_err(|e| format!("chart.py: {e}"))?;
    if let Some(mut stdin) = helm.stdin.take() {
        stdin.write_all(request.as_bytes()).map_err(|e| format!("chart.py: {e}"))?;
    }
    // It tells of every symbolic link; that is only of interest where it fails.
    let output = helm.wait_with_output().map_err(|e| format!("chart.py: {e}"))?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("chart.py: {e}\n{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(match answer["bad"].as_str() {
        Some(why) => Answer::Bad(why.to_owned()),
        None => Answer::Good(answer["good"].clone()),
    })
}

/// Every template's name and what it makes of `values`.
pub(super) fn rendered(values: &Value) -> Result<Vec<(String, String)>, String> {
    match ask("render", values)? {
        Answer::Bad(why) => Err(format!("Helm does not render {values}: {why}")),
        Answer::Good(files) => {
            let files = files.as_object().ok_or("Helm answered without files")?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            Ok(files.iter().map(|(name, value)| (name.clone(), text(value))).collect())
        }
    }
}

/// Fails for every warning.
pub(super) fn lint(values: &Value) -> Outcome {
    let report = match ask("lint", values)? {
        Answer::Bad(why) => return Err(format!("Helm does not lint {values}: {why}")),
        Answer::Good(report) => report,
    };
    let messages = report["messages"].as_array().ok_or("Helm linted nothing")?;
    let bad = |message: &&Value| message["severity"].as_u64().is_none_or(|s| s >= WARNING);
    let bad: Vec<String> = messages.iter().filter(bad).map(ToString::to_string).collect();
    if bad.is_empty() { Ok(()) } else { Err(format!("{values}:\n{}", bad.join("\n"))) }
}
