//! What `/proc/PID` tells about one process: identity, memory, details, command line.
//!
//! ```text
//! list       pids of /proc                                    on every rescan
//! identity   who it is, in four small reads                   once per process
//! kept       statm through a kept descriptor, one syscall     up to 10,000 times a second
//! details    status, stat, open descriptors                   for the few that matter
//! deep       cmdline, smaps(_rollup): take the target's lock  deep-reader thread only
//! ```
//!
//! Every reader opens `/proc/PID` once as a directory and reads below it, so that all it returns
//! belongs to one process: such a descriptor never turns to a later process of the same pid. It
//! never follows a link out of `/proc/PID` and never writes. Parsers take bytes and do no IO.
//!
//! Source: proc(5); fs/proc/array.c, base.c, task_mmu.c.

pub mod cgroup;
pub mod cmdline;
pub mod deep;
pub mod details;
pub mod identity;
pub mod kept;
pub mod list;
mod pid_dir;
pub mod smaps;
pub mod smaps_rollup;
pub mod stat;
pub mod statm;
pub mod status;
mod text;

pub use cgroup::{CgroupPaths, read_cgroup};
pub use cmdline::Redactor;
pub use deep::{read_arguments, read_cmdline, read_smaps, read_smaps_rollup};
pub use details::{Details, read_details};
pub use identity::{Identity, read_identity};
pub use kept::{Kept, read_stat_rss, read_statm_at};
pub use list::list_pids;
pub use smaps::Mappings;
pub use smaps_rollup::{SmapsRollup, predicted_stall};
pub use stat::Stat;
pub use statm::Statm;
pub use status::Status;

#[cfg(test)]
mod tests;
