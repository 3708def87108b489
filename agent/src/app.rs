//! Wires the parts together: the only place that knows them all.

mod assemble;
pub mod demo;
mod desk;
mod exporting;
mod own;
mod routing;
mod run;

pub use desk::Desk;
pub use run::{RunError, run};
