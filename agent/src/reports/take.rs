//! Takes one report: the one place that calls `plimsoll_heap`, for the agent and the command alike.

use super::policy::Order;
use crate::config::{CmdlineMode, Privacy};
use crate::sources::Roots;
use crate::sources::process::{Redactor, read_arguments};
use plimsoll_heap::{Refusal, Report};

/// Told what is being done.
pub type Doing<'a> = &'a dyn Fn(&str);

/// What takes a report of an order, told of an earlier one of the same process.
pub type Taker =
    Box<dyn Fn(&Order, Option<&Report>, Doing<'_>) -> Result<Report, Refusal> + Send + Sync>;

/// What is shown of a process's command line.
#[derive(Clone, Debug)]
pub struct Discretion {
    roots: Roots,
    /// None: not even read.
    redactor: Option<Redactor>,
}

impl Discretion {
    #[must_use]
    pub fn new(roots: Roots, privacy: &Privacy) -> Self {
        let shown = privacy.cmdline == CmdlineMode::Redacted;
        Self { roots, redactor: shown.then(|| Redactor::new(&privacy.redact)) }
    }
}

/// Takes a report with `plimsoll_heap`.
///
/// # Errors
/// Why there is none.
pub fn take(
    order: &Order,
    before: Option<&Report>,
    discretion: &Discretion,
    doing: Doing<'_>,
) -> Result<Report, Refusal> {
    let mut report = look_into(order, before, doing)?;
    let arguments = discretion
        .redactor
        .as_ref()
        .and_then(|redactor| read_arguments(&discretion.roots, order.process, redactor).ok());
    report.identity.cmdline = arguments;
    Ok(report)
}

fn look_into(
    order: &Order,
    _before: Option<&Report>,
    _doing: Doing<'_>,
) -> Result<Report, Refusal> {
    Err(Refusal::Gone { pid: order.process.pid })
}
