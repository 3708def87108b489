//! Who is watched: identities that can neither be confused nor outlive what they name.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::ToSchema;

/// A process of this boot. `start_time` is field 22 of `/proc/PID/stat` (clock ticks since boot),
/// so that a recycled pid is another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    pub pid: u32,
    pub start_time: u64,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    Node,
    Workload,
    Cgroup,
    Process,
}

/// One thing whose memory has a history and a verdict.
///
/// Text form, used in URLs and persisted: `node`, `workload:NAME`, `cgroup:/path`,
/// `process:PID@START_TIME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    Node,
    Workload(Arc<str>),
    Cgroup(Arc<str>),
    Process(ProcessId),
}

impl Target {
    #[must_use]
    pub const fn kind(&self) -> TargetKind {
        match self {
            Self::Node => TargetKind::Node,
            Self::Workload(_) => TargetKind::Workload,
            Self::Cgroup(_) => TargetKind::Cgroup,
            Self::Process(_) => TargetKind::Process,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Workload(name) => write!(f, "workload:{name}"),
            Self::Cgroup(path) => write!(f, "cgroup:{path}"),
            Self::Process(p) => write!(f, "process:{}@{}", p.pid, p.start_time),
        }
    }
}

/// What [`Target::from_str`] did not understand.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is not a target: use node, workload:NAME, cgroup:/PATH or process:PID@START_TIME")]
pub struct NotATarget(pub String);

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let unknown = || NotATarget(text.to_owned());
        if text == "node" {
            return Ok(Self::Node);
        }
        match text.split_once(':').ok_or_else(unknown)? {
            ("workload", name) if !name.is_empty() => Ok(Self::Workload(name.into())),
            ("cgroup", path) if path.starts_with('/') => Ok(Self::Cgroup(path.into())),
            ("process", id) => {
                let (pid, start) = id.split_once('@').ok_or_else(unknown)?;
                Ok(Self::Process(ProcessId {
                    pid: pid.parse().map_err(|_| unknown())?,
                    start_time: start.parse().map_err(|_| unknown())?,
                }))
            }
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_survives_its_text_form() {
        for text in ["node", "workload:unit/ssh.service/sshd", "cgroup:/a:b/c", "process:12@345"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for wrong in ["", "nodes", "cgroup:relative", "process:12", "process:-1@3", "workload:"] {
            assert_eq!(wrong.parse::<Target>(), Err(NotATarget(wrong.into())));
        }
    }
}
