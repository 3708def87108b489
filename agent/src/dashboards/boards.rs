//! What the dashboards show: from the fleet to the node, the workload, the process, the incident;
//! the cache; what the agent itself costs.

mod agent;
mod cache;
mod fleet;
mod node;
mod suspects;

use super::{Board, Kind, Panel};

pub(super) fn all() -> impl Iterator<Item = &'static Board> {
    [
        &fleet::FLEET,
        &node::NODE,
        &suspects::WORKLOAD,
        &suspects::PROCESS,
        &suspects::INCIDENT,
        &cache::CACHE,
        &agent::AGENT,
    ]
    .into_iter()
}

/// Title, what it shows, unit, queries with the name of their lines.
const fn lines(
    title: &'static str,
    what: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    panel(Kind::Lines, title, what, unit, queries)
}

const fn stat(
    title: &'static str,
    what: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    panel(Kind::Stat, title, what, unit, queries)
}

const fn table(
    title: &'static str,
    what: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    panel(Kind::Table, title, what, unit, queries)
}

const fn panel(
    kind: Kind,
    title: &'static str,
    what: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, what, unit, kind, queries, warn: None, bad: None, signed: false, words: &[] }
}

/// The levels of the pressure signal.
const LEVELS: &[(&str, &str)] = &[("0", "none"), ("1", "low"), ("2", "medium"), ("3", "critical")];
