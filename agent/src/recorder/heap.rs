//! The one place where a heap report joins the evidence: called by the reader that may block, once
//! when a process becomes suspect and once before its limit.

use crate::reports::{Order, Reports};
use crate::target::ProcessId;
use crate::view::Stage;

/// The id of a heap report of `process`, which is being taken from now on; None where none is.
///
/// Waits for nothing: the report is taken on its keeper's thread, at the level that the
/// configuration allows the black box, and an incident finds it by its id.
#[must_use]
pub fn heap_report(
    reports: Option<&Reports>,
    process: ProcessId,
    comm: Option<String>,
    stage: Stage,
) -> Option<String> {
    let reports = reports?;
    let order = Order { comm, ..Order::of_recorder(process, stage, reports.config()) };
    match reports.order(order) {
        Ok(ticket) => Some(ticket.id),
        Err(why) => {
            tracing::debug!(%why, pid = process.pid, "no heap report of a suspect");
            None
        }
    }
}
