//! Wires the parts together: the only place that knows them all.

mod assemble;
pub mod demo;
mod desk;
mod exporting;
mod naming;
mod own;
mod reload;
mod routing;
mod run;
mod supervisor;

pub use desk::Desk;
pub use reload::Relevel;
pub use run::{RunError, Start, run};
