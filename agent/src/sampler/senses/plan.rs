//! Which cgroups the kernel is asked to tell about: those with limits, the nearest to them first.
//! Pure.

use crate::units::Bytes;
use std::sync::Arc;

/// Cgroups with a PSI trigger beside their events. With CAP_SYS_RESOURCE the kernel runs a thread
/// for each cgroup that has one.
pub const TRIGGERS_MAX: usize = 16;
/// What is watched already stays unless another is nearer by this factor: asking costs more than
/// keeping.
const KEEP: f64 = 0.8;

/// A cgroup that could be watched.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub path: Arc<str>,
    pub limit: Bytes,
    /// What is left under its own limit.
    pub headroom: Bytes,
    /// It is watched now, under this limit.
    pub watched: bool,
    /// And it has a trigger.
    pub triggered: bool,
    /// Software in it can make room.
    pub pressed: bool,
}

/// A cgroup that is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub path: Arc<str>,
    pub limit: Bytes,
    pub trigger: bool,
}

/// The `most` candidates to watch, by path: those with software that can make room before all
/// others, then the nearest. The first `triggers` of them, and [`TRIGGERS_MAX`] at most, get one.
#[must_use]
pub fn plan(mut candidates: Vec<Candidate>, most: usize, triggers: bool) -> Vec<Wanted> {
    nearest_first(&mut candidates, |c| c.watched);
    candidates.truncate(most);
    nearest_first(&mut candidates, |c| c.triggered);
    let with = if triggers { TRIGGERS_MAX } else { 0 };
    let chosen = candidates.into_iter().enumerate();
    let mut wanted: Vec<Wanted> =
        chosen.map(|(at, c)| Wanted { path: c.path, limit: c.limit, trigger: at < with }).collect();
    wanted.sort_by(|a, b| a.path.cmp(&b.path));
    wanted
}

/// Puts the nearest first; what is `kept` already counts as nearer than it is.
fn nearest_first(candidates: &mut [Candidate], kept: impl Fn(&Candidate) -> bool) {
    let distance = |c: &Candidate| {
        let share = c.headroom.as_f64() / c.limit.as_f64().max(1.0);
        if kept(c) { share * KEEP } else { share }
    };
    candidates.sort_by(|a, b| {
        let by_need = b.pressed.cmp(&a.pressed);
        by_need.then(distance(a).total_cmp(&distance(b))).then_with(|| a.path.cmp(&b.path))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(path: &str, left_mib: u64) -> Candidate {
        Candidate {
            path: path.into(),
            limit: Bytes::mib(100),
            headroom: Bytes::mib(left_mib),
            watched: false,
            triggered: false,
            pressed: false,
        }
    }

    fn paths(candidates: Vec<Candidate>, most: usize) -> Vec<String> {
        plan(candidates, most, true).iter().map(|w| w.path.to_string()).collect()
    }

    #[test]
    fn the_nearest_to_their_limits_are_watched_and_no_more_than_allowed() {
        let all = vec![candidate("/far", 80), candidate("/near", 5), candidate("/mid", 40)];
        assert_eq!(paths(all.clone(), 2), ["/mid", "/near"]);
        assert_eq!(paths(all, 0), [""; 0]);
    }

    #[test]
    fn those_that_can_make_room_come_first_and_the_watched_stay_when_it_is_close() {
        let mut able = candidate("/cache", 70);
        able.pressed = true;
        let mut watched = candidate("/watched", 11);
        watched.watched = true;
        let all = vec![candidate("/near", 10), watched, able];
        assert_eq!(paths(all.clone(), 1), ["/cache"]);
        assert_eq!(paths(all, 2), ["/cache", "/watched"]);
    }

    #[test]
    fn only_the_nearest_get_a_trigger_and_keep_it_when_it_is_close() {
        let mut all: Vec<_> = (0..40).map(|i| candidate(&format!("/{i:02}"), 20 + i)).collect();
        let triggers = |all: &[Candidate], on| -> Vec<String> {
            let planned = plan(all.to_vec(), 40, on);
            planned.iter().filter(|w| w.trigger).map(|w| w.path.to_string()).collect()
        };
        let first = triggers(&all, true);
        assert_eq!((first.len(), first[15].as_str()), (TRIGGERS_MAX, "/15"));
        all[16].triggered = true;
        assert!(triggers(&all, true).contains(&"/16".to_owned()));
        assert_eq!(triggers(&all, false), [""; 0]);
    }
}
