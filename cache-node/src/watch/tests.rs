//! Watchers, without connections: what is pushed into the hub is what they read.

use super::*;
use crate::protocol::{Peer, Transport};

fn hub() -> Arc<Hub> {
    Arc::new(Hub::new(1 << 10))
}

fn watch(hub: &Arc<Hub>, kinds: Kinds) -> Watcher {
    hub.watch(kinds, Arc::new(Asleep)).unwrap()
}

/// What `watcher` has to read, without times.
fn read(watcher: &Watcher) -> String {
    let mut out = Vec::new();
    watcher.drain(&mut out);
    let text = String::from_utf8(out).unwrap();
    let rest = |line: &str| match line.split_once(" gid=") {
        Some((stamp, rest)) => {
            assert!(stamp.starts_with("ts="), "{line}");
            format!("gid={rest}\n")
        }
        None => format!("{line}\n"),
    };
    text.lines().map(rest).collect()
}

fn fetch<'a>(key: &'a [u8], outcome: Outcome) -> Fetched<'a> {
    Fetched { key, outcome, size: 4, fd: 7 }
}

#[test]
fn a_watcher_reads_the_kinds_it_asked_for() {
    let hub = hub();
    let fetchers = watch(&hub, Kinds::FETCHERS);
    let both = watch(&hub, Kinds::FETCHERS.and(Kinds::MUTATIONS));
    hub.fetched(&fetch(b"a b", Outcome::Found));
    let set = Stored { key: b"k", status: "stored", command: "set", ttl: 0, size: 4, fd: 7 };
    hub.stored(&set);
    let got = "gid=1 type=item_get key=a%20b status=found clsid=1 cfd=7 size=4\n";
    assert_eq!(read(&fetchers), got);
    let stored = "gid=2 type=item_store key=k status=stored cmd=set ttl=0 clsid=1 cfd=7 size=4\n";
    assert_eq!(read(&both), format!("{got}{stored}"));
}

#[test]
fn connections_and_evictions_have_their_lines() {
    let hub = hub();
    let watcher = watch(&hub, Kinds::CONNECTIONS.and(Kinds::EVICTIONS).and(Kinds::DELETIONS));
    let address = Some("127.0.0.1:4000".parse().unwrap());
    let peer = Peer { transport: Transport::Tcp, address, fd: 9 };
    hub.connected(&peer);
    hub.closed(&Peer { transport: Transport::Unix, address: None, fd: 9 }, Closed::Idle);
    hub.evicted(&Evicted { key: b"k", fetched: true, ttl: None, idle: 3, size: 10 });
    hub.deleted(b"k k", "md", 4);
    let expected = "gid=1 type=conn_new rip=127.0.0.1 rport=4000 transport=tcp cfd=9\n\
         gid=2 type=conn_close rip=unix rport=0 transport=local reason=idle_timeout cfd=9\n\
         gid=3 type=eviction key=k fetch=yes ttl=-1 la=3 clsid=1 size=10\n\
         gid=4 type=deleted key=k%20k cmd=md clsid=1 size=4\n";
    assert_eq!(read(&watcher), expected);
}

#[test]
fn a_full_queue_drops_lines_and_says_how_many() {
    let hub = hub();
    let watcher = watch(&hub, Kinds::FETCHERS);
    (0..100).for_each(|_| hub.fetched(&fetch(b"k", Outcome::NotFound)));
    let kept = read(&watcher).lines().count();
    assert!((5..30).contains(&kept), "{kept} lines in 1 KiB");
    hub.fetched(&fetch(b"k", Outcome::NotFound));
    assert!(read(&watcher).starts_with(&format!("skipped={}\ngid=101", 100 - kept)));
    let told = hub.told();
    assert_eq!((told.sent_total, told.skipped_total), (kept as u64 + 1, 100 - kept as u64));
}

#[test]
fn who_is_dropped_is_forgotten_and_nothing_is_wanted_any_more() {
    let hub = hub();
    let watcher = watch(&hub, Kinds::FETCHERS);
    assert!(hub.wants(Kinds::FETCHERS) && !hub.wants(Kinds::MUTATIONS));
    drop(watcher);
    assert!(!hub.wants(Kinds::FETCHERS));
    assert_eq!(hub.told().watchers, 0);
}

#[test]
fn the_twenty_first_is_refused() {
    let hub = hub();
    let all: Vec<Watcher> = (0..WATCHERS_MAX).map(|_| watch(&hub, Kinds::RAW)).collect();
    assert!(hub.watch(Kinds::RAW, Arc::new(Asleep)).is_err());
    drop(all);
    assert!(hub.watch(Kinds::RAW, Arc::new(Asleep)).is_ok());
}

#[test]
fn a_thread_is_woken_once_until_it_has_drained() {
    #[derive(Debug, Default)]
    struct Bell(AtomicU64);
    impl Wake for Bell {
        fn wake(&self) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let (hub, bell) = (hub(), Arc::new(Bell::default()));
    let watcher = hub.watch(Kinds::FETCHERS, Arc::<Bell>::clone(&bell)).unwrap();
    (0..3).for_each(|_| hub.fetched(&fetch(b"k", Outcome::Expired)));
    assert_eq!(bell.0.load(Relaxed), 1);
    read(&watcher);
    hub.fetched(&fetch(b"k", Outcome::Flushed));
    assert_eq!(bell.0.load(Relaxed), 2);
}
