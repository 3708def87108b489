//! In a cgroup that is too small for what clients want, and beside a neighbour that leaks.

use super::{MIB, held, start_in, store};
use plimsoll_tests::{Cgroup, Load, skipped, wait_for};
use rustix::process::Signal;
use std::time::{Duration, Instant};

#[test]
fn twice_what_the_cgroup_holds_is_survived_with_a_snapshot_under_way() {
    let cgroup = match Cgroup::named("cache-twice", 128) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    // On a disk: a tmpfs would hold the snapshot in the cgroup's memory.
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let file = scratch.path().join("live");
    let cache = start_in(&cgroup, &["-e", file.to_str().expect("a plain path")]);
    let mut client = cache.client();
    let keys = 2 * 128 * MIB / 1000;
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < Duration::from_secs(8) || rounds == 0 || !file.exists() {
        for from in (0..keys).step_by(8192) {
            store(&mut client, from..keys.min(from + 8192));
            if from % 65_536 == 0 {
                cache.signal(Signal::USR2);
            }
        }
        rounds += 1;
        assert!(begun.elapsed() < Duration::from_secs(100), "no snapshot:\n{}", cache.log());
    }
    assert_eq!(cgroup.oom_kills(), Some(0), "{}", cache.log());
    let kept = held(&mut client, keys - 10_000..keys);
    assert!(kept > 5000, "{kept} of the last 10,000");
}

#[test]
fn a_leaking_neighbour_is_given_way_and_when_it_is_gone_the_cache_grows_back() {
    let cgroup = match Cgroup::named("cache-neighbour", 256) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let cache = start_in(&cgroup, &["-m", "180"]);
    let mut client = cache.client();
    store(&mut client, 0..200_000);
    assert_eq!(cache.count("plimsoll limit_now_bytes"), 180 * MIB);

    let mut leak = Load::start(&["leak", "10"], Some(&cgroup));
    wait_for("the cache gives way", Duration::from_secs(60), || {
        assert_eq!(cgroup.oom_kills(), Some(0), "{}", cache.log());
        assert!(!leak.ended(), "the leak ended");
        let given = cache.count("plimsoll given_back_on_demand_bytes");
        if given > 64 * MIB { Ok(()) } else { Err(format!("{given} given back")) }
    });
    assert_ne!(cache.stat("plimsoll pressure_level"), "none");
    // It goes before it has taken all that the cache may give: then somebody would have to die.
    drop(leak);
    assert!(held(&mut client, 0..200_000) > 10_000, "what was not given is served");

    wait_for("the cache grows back", Duration::from_secs(120), || {
        store(&mut client, 0..200_000);
        let limit = cache.count("plimsoll limit_now_bytes");
        if limit == 180 * MIB { Ok(()) } else { Err(format!("{limit}; log:\n{}", cache.log())) }
    });
    assert_eq!(cgroup.oom_kills(), Some(0), "{}", cache.log());
}

#[test]
fn where_somebody_must_die_it_is_the_neighbour_that_leaks() {
    let cgroup = match Cgroup::named("cache-survivor", 192) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let cache = start_in(&cgroup, &[]);
    let mut client = cache.client();
    store(&mut client, 0..200_000);
    let mut leak = Load::start(&["leak", "20"], Some(&cgroup));
    wait_for("the leak is killed", Duration::from_secs(120), || {
        // Reads go on, whatever is refused meanwhile.
        let _ = client.get("key-1");
        if leak.ended() { Ok(()) } else { Err(format!("{:?}", cgroup.usage())) }
    });
    assert_eq!(cgroup.oom_kills(), Some(1));
    wait_for("sets are taken again", Duration::from_secs(60), || {
        match store(&mut client, 0..100) {
            0 => Ok(()),
            refused => Err(format!("{refused} refused; log:\n{}", cache.log())),
        }
    });
}
