//! Who hears what, and who loses the connection, on a clock of the test's own.

use super::*;
use crate::Decoder;
use crate::frame::{Ack, Hello};
use proptest::prelude::*;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn registry(limits: Limits) -> Registry {
    Registry::new(Epoch(3), limits, &Word::default())
}

fn credentials(uid: u32) -> Credentials {
    Credentials { pid: Some(100), uid, gid: 0 }
}

fn said(frame: FromSubscriber) -> Vec<u8> {
    frame.to_line()
}

fn hello(can_free: u64) -> Vec<u8> {
    let can_free_bytes = Bytes(can_free);
    said(FromSubscriber::Hello(Hello { name: "app".into(), pid: 1, can_free_bytes }))
}

fn ack(seq: u64, freed: u64) -> Vec<u8> {
    let freed_bytes = Bytes(freed);
    let answer = Answer { freed_bytes, used_bytes: Bytes(8), can_free_bytes: Bytes(9) };
    said(FromSubscriber::Ack(Ack { seq: Seq(seq), answer }))
}

/// A subscriber in `cgroup` that has said hello.
fn join(registry: &mut Registry, cgroup: &str, ms: u64) -> SubscriberId {
    let cgroup = CgroupPath::new(cgroup).ok();
    let id = registry.admit(credentials(1), cgroup, at(ms)).unwrap();
    registry.receive(id, &hello(5), at(ms));
    id
}

/// Takes what is to be written to `id`, as (seq, scope, level).
fn heard(registry: &mut Registry, id: SubscriberId, ms: u64) -> Vec<(u64, String, Level)> {
    let bytes = registry.unsent(id).expect("it is still there").to_vec();
    registry.sent(id, bytes.len(), at(ms));
    let (mut input, mut decoder) = (&bytes[..], Decoder::<Signal>::default());
    let mut signals = Vec::new();
    while let Some(signal) = decoder.decode(&mut input).unwrap() {
        assert_eq!(signal.epoch, Epoch(3));
        let word = signal.word;
        signals.push((signal.seq.0, word.scope.to_string(), word.level));
    }
    signals
}

fn word(scope: &str, level: Level) -> Word {
    let scope = Scope::try_from(scope.to_owned()).unwrap();
    Word { scope, level, reclaim_bytes: Bytes(1000), ..Word::default() }
}

fn node(level: Level) -> (u64, String, Level) {
    (1, "node".to_owned(), level)
}

#[test]
fn a_newcomer_hears_what_stands_and_then_a_heartbeat_each_second() {
    let mut registry = registry(Limits::default());
    let id = registry.admit(credentials(1), None, at(0)).unwrap();
    assert!(registry.unsent(id).unwrap().is_empty(), "nothing before its hello");
    registry.receive(id, &hello(5), at(10));
    assert_eq!(heard(&mut registry, id, 10), [node(Level::None)]);
    assert!(!registry.tick(at(1009)));
    assert!(registry.tick(at(1010)));
    assert_eq!(heard(&mut registry, id, 1010), [node(Level::None)]);
    assert!(!registry.tick(at(1500)));
    let [Event::Joined(joined)] = &registry.events()[..] else { panic!("it joined") };
    assert_eq!((joined.name.as_str(), joined.can_free_bytes), ("app", Bytes(5)));
}

#[test]
fn a_scope_is_heard_by_those_in_it_alone_and_repeated_until_it_is_calm() {
    let mut registry = registry(Limits::default());
    let ids = ["/a", "/a/b", "/ab", ""].map(|cgroup| join(&mut registry, cgroup, 0));
    for id in ids {
        heard(&mut registry, id, 0);
    }
    registry.broadcast(&word("cgroup:/a", Level::Critical), at(1));
    let critical = (2, "cgroup:/a".to_owned(), Level::Critical);
    let lines = ids.map(|id| heard(&mut registry, id, 1));
    assert_eq!(lines, [vec![critical.clone()], vec![critical.clone()], vec![], vec![]]);

    let late = join(&mut registry, "/a/c", 2);
    assert_eq!(heard(&mut registry, late, 2), [node(Level::None), critical.clone()]);
    registry.tick(at(1100));
    assert_eq!(heard(&mut registry, ids[1], 1100), [node(Level::None), critical]);

    registry.broadcast(&word("cgroup:/a", Level::None), at(1200));
    assert_eq!(
        heard(&mut registry, ids[0], 1200).len(),
        3,
        "the two repeated, and that it is over"
    );
    registry.tick(at(2300));
    assert_eq!(heard(&mut registry, ids[0], 2300), [node(Level::None)]);
}

#[test]
fn a_word_to_one_is_heard_by_one_and_its_answer_comes_back_with_its_latency() {
    let mut registry = registry(Limits::default());
    let (one, other) = (join(&mut registry, "/a", 0), join(&mut registry, "/a", 0));
    let seq = registry.tell(one, &word("node", Level::Medium), at(100)).unwrap();
    assert_eq!(heard(&mut registry, other, 100), [node(Level::None)]);
    assert_eq!(registry.subscribers()[0].level, Level::Medium);
    registry.events();

    registry.receive(one, &ack(seq.0, 700), at(350));
    let answer = Answer { freed_bytes: Bytes(700), used_bytes: Bytes(8), can_free_bytes: Bytes(9) };
    let expected = Event::Acked {
        id: one,
        seq,
        scope: Scope::Node,
        level: Level::Medium,
        asked_bytes: Bytes(1000),
        answer,
        latency: at(250),
    };
    assert_eq!(registry.events(), [expected]);
    assert_eq!(registry.subscribers()[0].used_bytes, Some(Bytes(8)));

    registry.receive(other, &ack(seq.0, 700), at(360));
    assert_eq!(registry.events(), [], "it was not asked");
    assert_eq!((registry.counters().acks, registry.counters().acks_unknown), (2, 1));
    registry.leave(one, Left::Closed);
    assert_eq!(registry.tell(one, &word("node", Level::Low), at(400)), None);
}

/// What becomes of a peer that sends these bytes after its hello.
fn fate(bytes: &[u8]) -> (bool, Counters) {
    let mut registry = registry(Limits::default());
    let id = join(&mut registry, "/a", 0);
    registry.receive(id, bytes, at(1));
    (registry.unsent(id).is_some(), registry.counters())
}

#[test]
fn who_sends_what_is_no_ack_loses_the_connection() {
    let flood = |lines: usize| ack(1, 0).repeat(lines);
    assert!(fate(&flood(50)).0);
    let (stays, counters) = fate(&flood(100));
    assert_eq!((stays, counters.flooding), (false, 1));
    for bad in [&b"garbage\n"[..], b"\n", b"{\"v\":2}\n", &[b'x'; 4097], &hello(1)] {
        let (stays, counters) = fate(bad);
        assert_eq!((stays, counters.malformed), (false, 1), "{}", bad.escape_ascii());
    }
    let mut registry = registry(Limits::default());
    let id = registry.admit(credentials(1), None, at(0)).unwrap();
    registry.receive(id, &ack(1, 0), at(0));
    assert!(registry.unsent(id).is_none(), "an ack before the hello");
    assert_eq!(registry.events(), [], "it never was a subscriber");
}

#[test]
fn who_says_nothing_is_not_kept() {
    let mut registry = registry(Limits::default());
    let id = registry.admit(credentials(1), None, at(0)).unwrap();
    registry.receive(id, b"{\"v\":1,\"hello\"", at(1));
    registry.tick(at(2000));
    assert!(registry.unsent(id).is_some());
    registry.tick(at(2001));
    assert!(registry.unsent(id).is_none());
    assert_eq!(registry.counters().without_hello, 1);
}

#[test]
fn who_does_not_read_is_told_little_and_then_dropped() {
    let mut registry = registry(Limits::default());
    let id = join(&mut registry, "/a", 0);
    let unread = registry.unsent(id).unwrap().len();
    for tenth in 1..=50 {
        registry.tick(at(tenth * 100));
    }
    assert_eq!(registry.unsent(id).unwrap().len(), unread, "no heartbeats are piled up");
    registry.tick(at(5001));
    assert!(registry.unsent(id).is_none());
    let flooded = join(&mut registry, "/a", 6000);
    for _ in 0..1000 {
        registry.broadcast(&word("node", Level::Low), at(6001));
    }
    assert!(registry.unsent(flooded).is_none());
    assert_eq!(registry.counters().slow, 2);
    let last = registry.events().pop();
    assert!(matches!(last, Some(Event::Left { why: Left::Slow, .. })), "{last:?}");
}

#[test]
fn there_is_room_for_so_many_and_for_so_many_of_one_user() {
    let limits = Limits { subscribers_max: 3, subscribers_of_one_user_max: 2, ..Limits::default() };
    let mut registry = registry(limits);
    let mut admit = |uid| registry.admit(credentials(uid), None, at(0)).ok();
    let first = admit(1);
    assert!(first.is_some() && admit(1).is_some() && admit(1).is_none());
    assert!(admit(2).is_some() && admit(3).is_none());
    registry.leave(first.unwrap(), Left::Closed);
    assert_ne!(registry.admit(credentials(3), None, at(0)).ok(), first, "no number twice");
    assert_eq!(registry.counters().refused_full, 2);
}

#[test]
fn scopes_and_events_are_bounded_and_the_node_is_never_forgotten() {
    let mut registry = registry(Limits::default());
    let id = join(&mut registry, "/a", 0);
    for n in 0..2000 {
        registry.tell(id, &word(&format!("cgroup:/{n}"), Level::Low), at(1));
        heard(&mut registry, id, 1);
        registry.receive(id, &ack(n + 2, 0), at(n * 100));
    }
    registry.tick(at(300_000));
    let beat = heard(&mut registry, id, 300_000);
    assert_eq!((beat.len(), &beat[0]), (SCOPES_OF_ONE_MAX, &node(Level::None)));
    let counters = registry.counters();
    assert!(counters.scopes_dropped > 1900 && counters.events_dropped > 900, "{counters:?}");
    assert_eq!(registry.events().len(), EVENTS_MAX);
}

proptest! {
    #[test]
    fn whatever_peers_send_and_however_little_they_read_all_stays_bounded(
        steps in prop::collection::vec((0..4_u64, 0..8_u8, 0..900_u64), 1..200),
    ) {
        let limits = Limits { subscribers_max: 3, ..Limits::default() };
        let (mut registry, mut ms) = (registry(limits), 0);
        for (who, what, wait) in steps {
            ms += wait;
            let id = SubscriberId(who);
            match what {
                0 => drop(registry.admit(credentials(1), None, at(ms))),
                1 => registry.receive(id, &hello(1), at(ms)),
                2 => registry.receive(id, &ack(who, 1), at(ms)),
                3 => registry.receive(id, b"{\"v\"", at(ms)),
                4 => drop(registry.tell(id, &word("node", Level::Low), at(ms))),
                5 => drop(registry.broadcast(&word("node", Level::None), at(ms))),
                6 => registry.sent(id, 100, at(ms)),
                _ => drop(registry.tick(at(ms))),
            }
            prop_assert!(registry.peers.len() <= 3 && registry.standing.len() <= SCOPES_MAX);
            for peer in registry.peers.values() {
                prop_assert!(peer.out.len() <= limits.unread_bytes_max);
            }
        }
    }
}
