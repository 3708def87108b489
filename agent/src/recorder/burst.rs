//! Which kills belong together: one incident for each cgroup and burst. Pure.

use crate::clock::Stamp;
use std::time::Duration;

/// A kill within this time of the last one of the same cgroup is part of the same incident.
pub const GAP: Duration = Duration::from_secs(5);
/// A burst is cut after this: a container that is restarted into its kill gives one a minute.
pub const LENGTH_MAX: Duration = Duration::from_secs(60);
/// What is left is looked at this long after the first kill.
pub const AFTERMATH: Duration = Duration::from_secs(3);
/// Bursts followed at once; the oldest is given up for a new one.
const OPEN_MAX: usize = 64;

/// A burst under way.
#[derive(Clone, Debug)]
pub struct Open {
    pub id: String,
    /// The cgroup whose limit was reached; None: the node's memory.
    memcg: Option<String>,
    first: Stamp,
    last: Stamp,
    /// The first victim's cgroup, whose aftermath is looked at, until it was.
    pub cgroup: Option<String>,
    look_at: Option<Stamp>,
}

#[derive(Debug, Default)]
pub struct Bursts(Vec<Open>);

impl Bursts {
    /// The incident that a kill at `at` is part of, if there is one already.
    pub fn join(&mut self, memcg: Option<&str>, at: Stamp) -> Option<&Open> {
        let open = self.0.iter_mut().find(|open| {
            let near = at.since(open.last) <= GAP && open.first.since(at) <= GAP;
            open.memcg.as_deref() == memcg && near && at.since(open.first) <= LENGTH_MAX
        })?;
        open.last = open.last.max(at);
        Some(open)
    }

    /// Begins a burst; `now` is when it was heard of.
    pub fn begin(
        &mut self,
        id: String,
        memcg: Option<&str>,
        cgroup: Option<String>,
        at: Stamp,
        now: Stamp,
    ) {
        if self.0.len() >= OPEN_MAX {
            self.0.remove(0);
        }
        self.0.push(Open {
            id,
            memcg: memcg.map(str::to_owned),
            first: at,
            last: at,
            look_at: cgroup.is_some().then(|| now.plus(AFTERMATH)),
            cgroup,
        });
    }

    /// Whose aftermath is to be looked at now; each is given out once. Forgets what is over.
    pub fn due(&mut self, now: Stamp) -> Vec<(String, String)> {
        let mut due = Vec::new();
        for open in &mut self.0 {
            if open.look_at.is_some_and(|at| at <= now) {
                open.look_at = None;
                due.extend(open.cgroup.clone().map(|cgroup| (open.id.clone(), cgroup)));
            }
        }
        self.0.retain(|open| open.look_at.is_some() || now.since(open.last) <= LENGTH_MAX);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_of_one_cgroup_that_follow_closely_are_one_incident() {
        let mut bursts = Bursts::default();
        let at = |s: i64| Stamp(s * 1000);
        assert!(bursts.join(Some("/a"), at(10)).is_none());
        bursts.begin("one".into(), Some("/a"), None, at(10), at(10));
        let id = |open: Option<&Open>| open.map(|open| open.id.clone());
        assert_eq!(id(bursts.join(Some("/a"), at(14))).as_deref(), Some("one"));
        assert_eq!(id(bursts.join(Some("/a"), at(19))).as_deref(), Some("one"), "a chain");
        assert!(bursts.join(Some("/b"), at(19)).is_none());
        assert!(bursts.join(None, at(19)).is_none(), "the node's is another");
        assert!(bursts.join(Some("/a"), at(25)).is_none());
    }

    #[test]
    fn a_burst_without_end_is_cut() {
        let mut bursts = Bursts::default();
        bursts.begin("one".into(), None, None, Stamp(0), Stamp(0));
        let joined = (1..100).take_while(|s| bursts.join(None, Stamp(s * 1000)).is_some()).count();
        assert_eq!(joined, 60);
    }

    #[test]
    fn the_aftermath_is_looked_at_once() {
        let mut bursts = Bursts::default();
        bursts.begin("one".into(), Some("/a"), Some("/a/b".into()), Stamp(0), Stamp(0));
        assert!(bursts.due(Stamp(2_000)).is_empty());
        assert_eq!(bursts.due(Stamp(3_000)), [("one".to_owned(), "/a/b".to_owned())]);
        assert!(bursts.due(Stamp(4_000)).is_empty());
        for i in 0..1_000 {
            bursts.begin(i.to_string(), None, None, Stamp(i), Stamp(i));
        }
        assert_eq!(bursts.0.len(), OPEN_MAX);
    }
}
