//! Who grew most, among the processes of a cgroup or of the node: looked at only when evidence is
//! collected or a kill was heard of.

use super::Process;
use super::state::State;
use crate::clock::Stamp;
use crate::recorder::{Death, growth_of, is_within};
use crate::target::Target;
use crate::units::Bytes;
use crate::view::Grower;

/// Of the processes in question, so many of the largest and of the fastest are looked into.
const LOOKED_INTO: usize = 12;
const GROWERS_MAX: usize = 8;
/// Less is not worth a line.
const GROWN_MIN: Bytes = Bytes::kib(256);

/// The processes within `cgroup` (None: all of the node) that grew most in the last hour, and those
/// of `dead` among them. Cost: one pass over all processes, and 50 µs for each of 24 histories.
pub fn growers(state: &State, cgroup: Option<&str>, dead: &[Death], until: Stamp) -> Vec<Grower> {
    let is_in = |process: &Process| {
        let own = process.facts.cgroup_path.as_deref();
        cgroup.is_none_or(|cgroup| own.is_some_and(|own| is_within(own, cgroup)))
    };
    let mut all: Vec<&Process> =
        state.processes.iter().map(|(_, process)| process).filter(|p| is_in(p)).collect();
    let mut chosen: Vec<&Process> = Vec::with_capacity(2 * LOOKED_INTO);
    take_first(&mut all, &mut chosen, |p| p.track.split.used.0);
    take_first(&mut all, &mut chosen, |p| p.facts.standing.rate.0.clamp(0.0, 1e18) as u64);
    let living = chosen.into_iter().map(|process| {
        let facts = &process.facts;
        let workload = facts.workload.and_then(|at| state.workloads.get(at));
        let workload = workload.map(|workload| workload.name.to_string());
        // The kernel names a victim before it is gone.
        let victim = dead.iter().any(|death| death.id == facts.id);
        (facts.target(), format!("{} (pid {})", facts.comm, facts.id.pid), workload, victim)
    });
    let ended = dead.iter().map(|death| {
        let name = format!("{} (pid {})", death.comm, death.id.pid);
        (Target::Process(death.id), name, death.workload.as_deref().map(str::to_owned), true)
    });
    let grown = living.chain(ended).filter_map(|(target, name, workload, victim)| {
        let window = state.history.window(state.history.find(&target)?);
        let growth = growth_of(window, until).filter(|growth| growth.grown >= GROWN_MIN)?;
        Some(Grower {
            target: target.to_string(),
            name,
            workload,
            used_bytes: growth.used,
            since: state.clock.rfc3339(growth.since),
            for_s: growth.until.since(growth.since).as_secs_f64(),
            grown_bytes: growth.grown,
            rate_bytes_per_s: growth.rate,
            victim,
        })
    });
    let mut grown: Vec<Grower> = grown.collect();
    grown.sort_by(|a, b| b.grown_bytes.cmp(&a.grown_bytes).then(a.target.cmp(&b.target)));
    grown.dedup_by(|a, b| a.target == b.target);
    grown.truncate(GROWERS_MAX);
    grown
}

/// Moves those with the largest `key` from `all` to `chosen`.
fn take_first<'a>(
    all: &mut Vec<&'a Process>,
    chosen: &mut Vec<&'a Process>,
    key: impl Fn(&&'a Process) -> u64,
) {
    let most = LOOKED_INTO.min(all.len());
    if most == 0 {
        return;
    }
    if most < all.len() {
        all.select_nth_unstable_by_key(most, |process| std::cmp::Reverse(key(process)));
    }
    chosen.extend(all.drain(..most));
}
