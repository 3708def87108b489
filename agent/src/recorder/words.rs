//! What an incident is called in one line. Pure; names come out without control characters.

use crate::alert::plain;
use crate::view::{Incident, KillKind, SeenBy, Victim};
use crate::workload::names;

/// `pid`s and names of one victim, and how many more there were.
#[must_use]
pub(super) fn victim(victim: &Victim) -> String {
    match (victim.comm.as_deref().map(plain), victim.pid) {
        (Some(comm), Some(pid)) => format!("{comm} (pid {pid})"),
        (Some(comm), None) => comm,
        (None, Some(pid)) => format!("pid {pid}"),
        (None, None) => "a process".to_owned(),
    }
}

/// `The kernel killed worker (pid 7) and 2 others: cgroup /a had reached its limit of 96 MiB`.
#[must_use]
pub(super) fn summary(incident: &Incident) -> String {
    let total = incident.victims.len() + incident.victims_left_out as usize;
    let first = incident.victims.first().map_or_else(|| "a process".to_owned(), victim);
    let others = match total.saturating_sub(1) {
        0 => String::new(),
        1 => " and 1 other".to_owned(),
        n => format!(" and {n} others"),
    };
    let inferred = incident.victims.first().is_some_and(|v| v.inferred);
    let who = if inferred && incident.seen_by == SeenBy::Counters {
        format!("probably {first}")
    } else {
        first
    };
    let within = named(incident).map(|name| format!(" in {}", plain(&name))).unwrap_or_default();
    format!("The kernel killed {who}{others}{within}: {}", place(incident))
}

/// Where the first victim ran, by name: its container and pod, else those whose limit it was.
fn named(incident: &Incident) -> Option<String> {
    let of_victim = incident.victims.first().and_then(|victim| names::place(&victim.labels));
    of_victim.or_else(|| names::place(&incident.memcg.as_ref()?.labels))
}

fn place(incident: &Incident) -> String {
    use crate::view::ConstraintView::{Cpuset, MemoryPolicy};
    match (&incident.memcg, incident.constraint) {
        (Some(memcg), _) if incident.kind != KillKind::Node => {
            let limit = memcg.limit_bytes.bytes();
            let limit = limit.map_or_else(String::new, |limit| format!(" of {limit}"));
            format!("cgroup {} had reached its limit{limit}", plain(&memcg.path))
        }
        (_, Cpuset) => "the memory nodes of its cpuset were exhausted".to_owned(),
        (_, MemoryPolicy) => "the memory nodes of its policy were exhausted".to_owned(),
        _ => "the node was out of memory".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, Limit};
    use crate::view::{ConstraintView, LimitedCgroup};

    fn named(comm: &str, pid: u32) -> Victim {
        Victim { comm: Some(comm.into()), pid: Some(pid), ..Victim::default() }
    }

    #[test]
    fn one_line_says_whom_and_for_whose_limit_whatever_the_names() {
        let memcg = LimitedCgroup {
            path: "/a\nb".into(),
            limit_bytes: Limit::At(Bytes::mib(96)),
            ..LimitedCgroup::default()
        };
        let mut incident = Incident {
            victims: vec![named("x\u{1b}[2J", 7), named("y", 8), named("z", 9)],
            memcg: Some(memcg),
            ..Incident::default()
        };
        assert_eq!(
            summary(&incident),
            "The kernel killed x?[2J (pid 7) and 2 others: cgroup /a?b had reached its limit of \
             96.0 MiB"
        );
        incident.victims.truncate(1);
        incident.memcg = None;
        incident.kind = KillKind::Node;
        assert!(summary(&incident).ends_with("(pid 7): the node was out of memory"));
        incident.constraint = ConstraintView::Cpuset;
        assert!(summary(&incident).ends_with("of its cpuset were exhausted"));
        let empty = Incident { victims: Vec::new(), ..incident };
        assert!(summary(&empty).starts_with("The kernel killed a process: "));
    }
}
