//! `top`: processes, workloads and cgroups live on a terminal, or once as text or JSON.
//!
//! `live` owns the terminal and the threads; `model` is what is known and chosen; `rows` are the
//! tables; `draw` puts a model on a frame. Only this file and `live` ask the agent.

mod draw;
mod live;
mod model;
mod rows;

use super::ask::{Agent, AgentArgs, AskError, Cost};
use super::{Exit, Failure};
use crate::verdict::Verdict;
use crate::view::{CgroupView, HealthView, NodeView, ProcessList};
use model::{Model, Tab};
use std::io::{IsTerminal as _, Write};

/// Rows are asked for in the chosen order, so that the rest is what matters least.
const PROCESSES_MAX: usize = 1000;
/// Columns of the table where there is no terminal.
const ONCE_COLUMNS: usize = 132;

#[derive(Clone, Debug, clap::Args)]
pub struct TopArgs {
    /// Print one JSON object {node, processes, verdicts} and end
    #[arg(long)]
    pub json: bool,
    /// Print once and end; also what happens when the output is no terminal
    #[arg(long)]
    pub once: bool,
    /// What comes first
    #[arg(long, value_enum, default_value_t)]
    pub sort: Sort,
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// What the tables are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Sort {
    #[default]
    Urgency,
    Used,
    Anon,
    Rate,
    TimeLeft,
    Name,
}

impl Sort {
    /// The API's word for the order that has the same rows in front.
    const fn at_the_agent(self) -> &'static str {
        match self {
            Self::Urgency | Self::TimeLeft => "eta",
            Self::Used | Self::Name => "rss",
            Self::Anon => "anon",
            Self::Rate => "rate",
        }
    }
}

/// All that the tables and the header are made from.
#[derive(Clone, Debug, Default)]
struct Snapshot {
    node: NodeView,
    processes: ProcessList,
    cgroups: Vec<CgroupView>,
    verdicts: Vec<Verdict>,
    /// None if the agent does not tell; the tables do without.
    health: Option<HealthView>,
    cost: Option<Cost>,
}

impl Snapshot {
    fn of(agent: &Agent, sort: Sort) -> Result<Self, AskError> {
        Ok(Self {
            node: agent.node()?,
            processes: agent.processes(sort.at_the_agent(), PROCESSES_MAX)?,
            cgroups: agent.cgroups()?,
            verdicts: agent.verdicts_of_note()?,
            health: agent.health().ok(),
            cost: agent.cost().ok(),
        })
    }
}

pub(super) fn top(args: &TopArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let agent = Agent::at(&args.agent)?;
    if args.json {
        let snapshot = Snapshot::of(&agent, args.sort)?;
        let document = serde_json::json!({
            "node": snapshot.node,
            "processes": snapshot.processes.processes,
            "verdicts": agent.verdicts()?,
        });
        serde_json::to_writer(&mut *out, &document)?;
        writeln!(out)?;
    } else if args.once || !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let snapshot = Snapshot::of(&agent, args.sort)?;
        out.write_all(once(snapshot, args.sort).as_bytes())?;
    } else {
        live::live(agent, args.sort)?;
    }
    Ok(Exit::Good)
}

/// Header and processes as plain text.
fn once(snapshot: Snapshot, sort: Sort) -> String {
    let mut model = Model::new(sort, false);
    model.news(Ok(snapshot));
    let mut out = String::new();
    for line in draw::header(&model, ONCE_COLUMNS) {
        out.push_str(line.to_string().trim_end());
        out.push('\n');
    }
    let columns = rows::columns(ONCE_COLUMNS, Tab::Processes);
    out.push_str(rows::titles(&columns, None).trim_end());
    out.push('\n');
    for row in model.rows() {
        let cells: Vec<String> = columns.iter().map(|column| column.cell(row)).collect();
        out.push_str(cells.join(" ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
