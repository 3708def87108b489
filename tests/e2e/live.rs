//! Leaks in four languages run to the kernel's kill beside healthy programs under load: each is
//! foretold, nobody else is accused. The short form of `cargo xtask bench live`.

use plimsoll_tests::live::account::{Account, Forecast};
use plimsoll_tests::live::roster::{Role, Source, leaks, siblings};
use plimsoll_tests::live::stage::{Eta, Kind, Sighting, Stage, Suspicion};
use plimsoll_tests::live::workshop::Workshop;
use plimsoll_tests::{Agent, Cgroup, binary, skipped};
use std::time::{Duration, Instant};

/// In which a leak comes from nothing to its limit, about.
const PACE: Duration = Duration::from_secs(55);
/// The collected languages may take half as long again.
const WITHIN: Duration = Duration::from_secs(140);
const LEAKS: [&str; 4] = ["c-small", "python-list", "java", "go"];

fn cast() -> Vec<Role> {
    let mut roles = leaks(PACE);
    roles.retain(|role| LEAKS.contains(&role.name));
    assert_eq!(roles.len(), LEAKS.len(), "the roster has all of {LEAKS:?}");
    roles.extend(siblings(PACE));
    roles
}

#[test]
fn leaks_in_four_languages_are_foretold_and_their_siblings_left_alone() {
    let roles = cast();
    let sources: Vec<Source> = roles.iter().map(|role| role.source).collect();
    let binaries = binary("plimsoll-leak").with_file_name("");
    let made = Cgroup::make(16).and_then(|_| Workshop::build(&sources, &binaries));
    let workshop = match made {
        Ok(workshop) => workshop,
        Err(why) => return assert!(skipped(&why)),
    };
    let agent = Agent::start(&[]);
    let mut stage = Stage::start(&roles, &workshop).expect("the programs start");
    let begun = Instant::now();
    while !stage.leaks_are_over() {
        assert!(begun.elapsed() < WITHIN, "a leak lives on: {stage:#?}");
        stage.look();
        stage.ask(&agent);
        std::thread::park_timeout(Duration::from_millis(200));
    }
    let log = agent.log();
    for actor in &stage.actors {
        let name = actor.role.name;
        if !actor.leaks() {
            assert!(actor.end.is_none(), "{name} is healthy and lives: {:?}", actor.end);
            assert_eq!(actor.sightings, [], "{name} is healthy\n{log}");
            continue;
        }
        let end = actor.end.expect("its leak is over");
        assert!(end.is_oom_kill(), "{name}: the kernel ended it, not {end:?}");
        // What was seen of it was seen while it lived.
        let named = |s: &&Sighting| matches!(s.kind, Kind::Process | Kind::Cgroup);
        let worst = actor.sightings.iter().filter(named).map(|sighting| sighting.state).max();
        assert!(
            worst >= Some(Suspicion::OomPredicted),
            "{name} was not foretold: {worst:?}\n{log}"
        );
    }
}

#[test]
fn the_figures_of_a_leak_follow_from_what_was_seen_of_it() {
    let seen = |at: u64, kind, state, p50: f64| Sighting {
        at: Duration::from_secs(at),
        kind,
        state,
        cause: "heap_leak".to_owned(),
        eta: (p50 > 0.0).then_some(Eta { p10: p50 - 8.0, p50, p90: p50 + 8.0 }),
    };
    let sightings = [
        seen(35, Kind::Process, Suspicion::LeakSuspected, 0.0),
        seen(70, Kind::Process, Suspicion::OomPredicted, 66.0),
        seen(71, Kind::Cgroup, Suspicion::OomPredicted, 55.0),
        seen(118, Kind::Cgroup, Suspicion::OomImminent, 2.0),
    ];
    let account = Account::of(&sightings, Duration::from_secs(20), Duration::from_secs(120));
    assert_eq!(account.life, Duration::from_secs(100));
    assert_eq!(account.suspected, Some(0.15));
    assert_eq!(account.warned, Some(Duration::from_secs(50)));
    assert_eq!(account.withdrawn, 1, "nothing was foretold from 71 to 118");
    assert_eq!(account.named, [Kind::Process, Kind::Cgroup]);
    assert_eq!(account.cause.as_deref(), Some("heap_leak"));
    let half = account.half.expect("one stood at half of life");
    // The cgroup's, though the process's lies nearer: the limit is the cgroup's.
    let eta = Eta { p10: 47.0, p50: 55.0, p90: 63.0 };
    assert_eq!(half, Forecast { left: 49.0, eta });
    assert!((half.error() - 6.0 / 49.0).abs() < 1e-12 && half.is_covered());

    assert_eq!(account.three_quarters, None, "nothing stood near 95");

    let silent = Account::of(&[], Duration::ZERO, Duration::from_secs(100));
    assert_eq!((silent.suspected, silent.warned, silent.half), (None, None, None));
}
