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
    Panel { title, what, unit, kind: Kind::Lines, queries }
}

const fn stat(
    title: &'static str,
    what: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, what, unit, kind: Kind::Stat, queries }
}

const fn table(
    title: &'static str,
    what: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, what, unit, kind: Kind::Table, queries }
}
