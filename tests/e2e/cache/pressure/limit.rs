//! The limit that an operator sets, at the start and while the cache serves.

use super::{MIB, held, rss, start_in, store};
use plimsoll_tests::{Cache, Cgroup, skipped, wait_for};
use std::time::{Duration, Instant};

/// What the process holds beside the cache. Units: bytes.
const BESIDE: u64 = 40 * MIB;

#[test]
fn a_lower_limit_returns_memory_and_a_higher_one_is_used_again() {
    let cache = Cache::start(&["-m", "192"]);
    let mut client = cache.client();
    assert_eq!(store(&mut client, 0..220_000), 0);
    let full = rss(&cache);
    assert!(full > 170 * MIB, "{full}");

    let begun = Instant::now();
    assert_eq!(client.ask("cache_memlimit 96"), "OK");
    assert!(begun.elapsed() < Duration::from_millis(500), "it answers at once");
    wait_for("the kernel has it back", Duration::from_secs(5), || {
        let now = rss(&cache);
        if now < full - 90 * MIB { Ok(()) } else { Err(format!("{now} of {full}")) }
    });
    assert!(rss(&cache) > 80 * MIB, "no more than was asked for");
    let kept = held(&mut client, 150_000..220_000);
    assert!(kept > 20_000, "{kept}");
    assert_eq!(cache.count("plimsoll limit_asked_bytes"), 96 * MIB);

    // It stays there under sets.
    store(&mut client, 220_000..340_000);
    assert!(rss(&cache) < 96 * MIB + BESIDE, "{}", rss(&cache));

    assert_eq!(client.ask("cache_memlimit 192"), "OK");
    wait_for("it grows again", Duration::from_secs(60), || {
        store(&mut client, 340_000..420_000);
        let now = rss(&cache);
        if now > 150 * MIB { Ok(()) } else { Err(format!("{now}")) }
    });
    assert!(rss(&cache) < 192 * MIB + BESIDE, "{}", rss(&cache));
}

#[test]
fn a_limit_that_nothing_fits_in_is_refused_and_changes_nothing() {
    let cache = Cache::start(&["-m", "64"]);
    let mut client = cache.client();
    store(&mut client, 0..1000);
    for refused in ["cache_memlimit 1", "cache_memlimit 0", "cache_memlimit 999999999"] {
        let said = client.ask(refused);
        assert!(said.starts_with("MEMLIMIT_") || said.contains("ERROR"), "{refused}: {said}");
    }
    assert_eq!(held(&mut client, 0..1000), 1000);
    assert_eq!(cache.count("plimsoll limit_asked_bytes"), 64 * MIB);
}

#[test]
fn without_m_a_share_of_the_cgroup_is_taken_and_more_than_it_is_clamped() {
    let cgroup = match Cgroup::named("cache-share", 128) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let by_default = start_in(&cgroup, &[]);
    let share = by_default.count("plimsoll limit_asked_bytes");
    assert!((64 * MIB..100 * MIB).contains(&share), "{share}");
    drop(by_default);
    let clamped = start_in(&cgroup, &["-m", "512"]);
    assert_eq!(clamped.count("plimsoll limit_asked_bytes"), share);
    let log = clamped.log();
    assert!(log.contains("512 MiB asked for do not fit into the cgroup's limit of 128"), "{log}");
}
