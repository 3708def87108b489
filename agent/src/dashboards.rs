//! What others draw and alert with: Grafana's dashboards, Datadog's dashboard and monitors, and
//! Prometheus' rules, all made from one description.
//!
//! `boards` and `rules` describe; `grafana`, `datadog` and `prometheus` write. Nothing here does
//! IO: [`dashboards`] and [`rules`] return files by name, and the command writes them. That every
//! query finds something is for the end-to-end tests to show.

mod boards;
mod datadog;
mod grafana;
mod prometheus;
mod rules;

pub use rules::{ALERTS, Alert};

/// One dashboard: whoever opens it reads its rows from the top.
#[derive(Debug)]
pub struct Board {
    /// Also the name of its file; it never changes, for links point at it.
    pub uid: &'static str,
    pub title: &'static str,
    pub what: &'static str,
    /// The metric whose `job` and `instance` can be chosen.
    pub scope: &'static str,
    /// Further labels that can be chosen: the metric and its label.
    pub choices: &'static [(&'static str, &'static str)],
    pub rows: &'static [(&'static str, &'static [Panel])],
}

/// One panel. `@` in a query stands for the chosen job and instance.
#[derive(Debug)]
pub struct Panel {
    pub title: &'static str,
    pub what: &'static str,
    /// Grafana's name of the unit.
    pub unit: &'static str,
    pub kind: Kind,
    /// Query and what a line is called.
    pub queries: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Lines,
    /// One number, the last.
    Stat,
    /// What is now, a row for each series.
    Table,
}

/// Name below the directory, and content.
pub type File = (String, String);

/// Grafana's and Datadog's.
#[must_use]
pub fn dashboards() -> Vec<File> {
    let mut files: Vec<File> = boards::all()
        .map(|board| (format!("grafana/{}.json", board.uid), pretty(&grafana::board(board))))
        .collect();
    files.push(("datadog/dashboard.json".to_owned(), pretty(&datadog::dashboard())));
    files.push(("datadog/monitors.json".to_owned(), pretty(&datadog::monitors())));
    files
}

/// Prometheus' rules, and the tests of them for promtool.
#[must_use]
pub fn rules() -> Vec<File> {
    vec![
        ("prometheus/recording.yml".to_owned(), prometheus::recording()),
        ("prometheus/alerts.yml".to_owned(), prometheus::alerting()),
        ("prometheus/alerts.test.yml".to_owned(), prometheus::tests()),
    ]
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
