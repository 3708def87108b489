//! What others draw and alert with: Grafana's dashboards, Datadog's dashboard and monitors, and
//! Prometheus' rules, all made from one description.
//!
//! `boards` and `rules` describe; `grafana`, `datadog` and `prometheus` write. Nothing here does
//! IO: [`dashboards`] and [`rules`] return files by name, and the command writes them. That every
//! query finds something is for the end-to-end tests to show. Where the runbooks are is for who
//! installs them to say ([`Runbooks`]).

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
    /// From which value on it is marked as worth a look.
    pub warn: Option<f64>,
    /// From which value on it is marked as bad; of an increase half of one, for it is extrapolated.
    pub bad: Option<f64>,
    /// What may be below zero is not drawn from there.
    pub signed: bool,
    /// What values are called.
    pub words: &'static [(&'static str, &'static str)],
}

impl Panel {
    const fn warn(mut self, from: f64) -> Self {
        self.warn = Some(from);
        self
    }

    const fn bad(mut self, from: f64) -> Self {
        self.bad = Some(from);
        self
    }

    const fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    const fn words(mut self, words: &'static [(&'static str, &'static str)]) -> Self {
        self.words = words;
        self
    }
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

/// Where the runbooks are, `NAME.md` for each alert: a directory, or a URL without its last slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runbooks(String);

impl Runbooks {
    /// Below the directory that this program is documented in.
    pub const SHIPPED: &str = "docs/runbooks";

    /// # Errors
    /// When `base` is empty or holds what no path of a URL may.
    pub fn at(base: &str) -> Result<Self, String> {
        let base = base.trim_end_matches('/');
        let odd = |c: char| c.is_whitespace() || c.is_control() || "\"{}<>".contains(c);
        if base.is_empty() || base.contains(odd) {
            return Err("a URL or a directory, without spaces, quotes and braces".to_owned());
        }
        Ok(Self(base.to_owned()))
    }

    fn of(&self, alert: &str) -> String {
        format!("{}/{alert}.md", self.0)
    }
}

/// Grafana's and Datadog's.
#[must_use]
pub fn dashboards(runbooks: &Runbooks) -> Vec<File> {
    let mut files: Vec<File> = boards::all()
        .map(|board| (format!("grafana/{}.json", board.uid), pretty(&grafana::board(board))))
        .collect();
    files.push(("datadog/dashboard.json".to_owned(), pretty(&datadog::dashboard())));
    files.push(("datadog/monitors.json".to_owned(), pretty(&datadog::monitors(runbooks))));
    files
}

/// Prometheus' rules, and the tests of them for promtool.
#[must_use]
pub fn rules(runbooks: &Runbooks) -> Vec<File> {
    vec![
        ("prometheus/recording.yml".to_owned(), prometheus::recording()),
        ("prometheus/alerts.yml".to_owned(), prometheus::alerting(runbooks)),
        ("prometheus/alerts.test.yml".to_owned(), prometheus::tests(runbooks)),
    ]
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
