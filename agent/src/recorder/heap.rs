//! The one place where a heap report joins the evidence: called by the reader that may block, once
//! when a process becomes suspect and once before its limit.

use crate::reports::{Order, Reports, Room};
use crate::target::ProcessId;
use crate::view::Stage;

/// A process to look into, and what is known of it.
#[derive(Clone, Debug)]
pub struct Of {
    pub process: ProcessId,
    pub comm: Option<String>,
    pub room: Room,
}

/// The id of a heap report of a process, which is being taken from now on; None where none is.
///
/// Waits for nothing: the report is taken on its keeper's thread, at the level that the
/// configuration allows the black box, and an incident finds it by its id.
#[must_use]
pub fn heap_report(reports: Option<&Reports>, of: Of, stage: Stage) -> Option<String> {
    let reports = reports?;
    let Of { process, comm, room } = of;
    let order = Order { comm, room, ..Order::of_recorder(process, stage, reports.config()) };
    match reports.order(order) {
        Ok(ticket) => Some(ticket.id),
        Err(why) => {
            tracing::debug!(%why, pid = process.pid, "no heap report of a suspect");
            None
        }
    }
}
