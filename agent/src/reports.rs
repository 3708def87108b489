//! Heap reports: taken on a thread of their own, kept in the state directory.
//!
//! ```text
//! HTTP ─────► Order ─ policy ─► queue of 8 ─► plimsoll-report ─ take ─► Shelf ─► reports/
//! recorder ─┘                                       │
//!                     sampler ◄── Outcome ──────────┘   event, audit line, the cause
//! ```
//!
//! One report is taken at a time, and nobody waits for one who does not want to: not the sampler,
//! not the reader that may block, not the API. What asks is bounded by the queue and, for each
//! process, by a time to cool down; what is kept by number, bytes and age. No report is taken of a
//! level that the configuration does not allow.

pub mod compare;
mod files;
mod keeper;
pub mod policy;
pub mod shelf;
pub mod take;

pub use keeper::{Outcome, Reports, ReportsParams, Ticket};
pub use policy::{Declined, Order, Room};
pub use shelf::ReportShelf;
