//! The protocol as clients see it: input and the answers to it.
//!
//! What memcached answers as well is in the transcripts of the end-to-end tests; here is what they
//! cannot show: time, refusals, bounds, pieces.

mod pieces;

use super::*;
use crate::store::{Admission, Params};
use crate::watch::Asleep;

/// A server without sockets.
pub(super) struct Desk {
    pub(super) context: Context,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { debug_clock: true, ..Settings::default() };
        change(&mut settings);
        let params = Params {
            limit_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
            item_bytes_max: settings.item_bytes_max,
            partitions: 2,
            evicts: true,
        };
        let store = Arc::new(Store::new(params).unwrap());
        let shared = Arc::new(Shared::new(&settings, Arc::new(Alone), None));
        let clock = Arc::new(Clock::start());
        let context = Context::new(store, Arc::new(settings), clock, shared, Arc::new(Asleep));
        Self { context }
    }

    pub(super) fn session(transport: Transport) -> Session {
        Session::new(Peer { transport, address: None, fd: 5 })
    }

    /// Hands a session all of `input` until it wants more, and returns what it answered.
    pub(super) fn ask(&self, session: &mut Session, input: &[u8]) -> (Vec<u8>, Progress) {
        let (mut out, mut taken) = (Vec::new(), 0);
        loop {
            let mut piece = Vec::new();
            let progress = session.run(&self.context, &input[taken..], &mut piece);
            assert!(piece.len() <= OUT_BYTES_MAX + (1 << 20) + 512, "{} bytes", piece.len());
            taken += progress.taken;
            out.append(&mut piece);
            if progress.next != Next::Yield {
                return (out, Progress { taken, ..progress });
            }
        }
    }

    /// What a new connection is answered.
    #[track_caller]
    pub(super) fn check(&self, input: &str, expect: &str) {
        let (out, _) = self.ask(&mut Self::session(Transport::Tcp), input.as_bytes());
        assert_eq!(String::from_utf8_lossy(&out), expect, "to {input:?}");
    }
}

#[track_caller]
fn check(input: &str, expect: &str) {
    Desk::new().check(input, expect);
}

#[test]
fn answers_beyond_the_limit_for_buffers_are_refused_or_end_the_connection() {
    let desk = Desk::with(|settings| {
        (settings.buffer_bytes_max, settings.threads) = (Some(1 << 20), 32);
    });
    let keys = " k".repeat(33);
    let no_room = "SERVER_ERROR out of memory writing get response\r\n";
    desk.check(&format!("get{keys}\r\nmn\r\n"), &format!("{no_room}MN\r\n"));
    desk.check(&format!("get{}\r\n", &keys[2..]), "END\r\n");
    let quiet = "set k 0 0 1 noreply\r\nx\r\n".repeat(100);
    desk.check(&format!("{quiet}mn\r\n"), "MN\r\n");
    let mut session = Desk::session(Transport::Tcp);
    let (out, progress) = desk.ask(&mut session, &b"mg k v\r\n".repeat(40));
    assert_eq!((out.len(), progress.next), (0, Next::Close));
    assert_eq!(desk.context.shared.tally.sum().response_obj_oom, 2);
}

#[test]
fn what_has_ended_is_gone_from_the_second_it_was_to_end() {
    let desk = Desk::new();
    desk.check(
        "set a 0 10 1\r\nx\r\ndebugtime 9\r\nget a\r\n",
        "STORED\r\nOK\r\nVALUE a 0 1\r\nx\r\nEND\r\n",
    );
    desk.check("debugtime 1\r\nget a\r\nadd a 0 0 1\r\ny\r\n", "OK\r\nEND\r\nSTORED\r\n");
    let sums = desk.context.shared.tally.sum();
    assert_eq!((sums.get_expired, sums.get_hits, sums.get_misses), (1, 1, 1));
}

#[test]
fn touching_lets_an_item_live_on() {
    let desk = Desk::new();
    desk.check(
        "set a 0 10 1\r\nx\r\ntouch a 100\r\ndebugtime 50\r\nmg a t\r\n",
        "STORED\r\nTOUCHED\r\nOK\r\nHD t50\r\n",
    );
    desk.check("gat 20 a\r\ndebugtime 30\r\nmg a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\nOK\r\nEN\r\n");
}

#[test]
fn a_flush_that_was_put_off_comes() {
    let desk = Desk::new();
    desk.check("set a 0 0 1\r\nx\r\nflush_all 10\r\nmg a\r\n", "STORED\r\nOK\r\nHD\r\n");
    desk.check(
        "debugtime 11\r\nget a\r\nset a 0 0 1\r\ny\r\nmg a v\r\n",
        "OK\r\nEND\r\nSTORED\r\nVA 1\r\ny\r\n",
    );
    assert_eq!(desk.context.shared.tally.sum().get_flushed, 1);
}

#[test]
fn the_clock_is_moved_only_where_that_is_allowed() {
    Desk::with(|settings| settings.debug_clock = false).check("debugtime 5\r\n", "ERROR\r\n");
    check("debugtime x\r\ndebugtime p\r\ndebugtime r\r\n", "ERROR\r\nOK\r\nOK\r\n");
}

#[test]
fn an_absolute_time_counts_from_1970() {
    let desk = Desk::new();
    let at = desk.context.clock.unix_at_zero() + 2 + 50;
    desk.check(&format!("set a 0 {at} 1\r\nx\r\nmg a t\r\n"), "STORED\r\nHD t50\r\n");
}

#[test]
fn while_nobody_is_let_in_sets_are_refused_and_reads_answered() {
    let desk = Desk::new();
    desk.check("set a 0 0 1\r\nx\r\n", "STORED\r\n");
    desk.context.store.admit(Admission::Nobody);
    let refused = "SERVER_ERROR out of memory storing object\r\n";
    desk.check(
        "get a\r\ntouch a 0\r\nmg a v\r\n",
        "VALUE a 0 1\r\nx\r\nEND\r\nTOUCHED\r\nVA 1\r\nx\r\n",
    );
    desk.check("set b 0 0 1\r\ny\r\nms b 1 q\r\ny\r\n", &refused.repeat(2));
    let large = format!("set b 0 0 500000\r\n{}\r\nmn\r\n", "z".repeat(500_000));
    let (out, _) = desk.ask(&mut Desk::session(Transport::Tcp), large.as_bytes());
    assert!(out.ends_with(b"MN\r\n") && out.starts_with(b"SERVER_ERROR "), "{out:?}");
    desk.check("delete a\r\n", "DELETED\r\n");
    assert!(desk.context.shared.tally.sum().store_no_memory >= 2);
}

#[test]
fn counters_count_what_was_asked() {
    let desk = Desk::new();
    desk.check(
        "set a 0 0 1\r\n5\r\nget a b\r\nincr a 1\r\ndecr a 1\r\nincr b 1\r\ndelete a\r\n\
         delete a\r\n\
         cas a 0 0 1 1\r\nx\r\ntouch a 1\r\nflush_all\r\nme a\r\n",
        "STORED\r\nVALUE a 0 1\r\n5\r\nEND\r\n6\r\n5\r\nNOT_FOUND\r\nDELETED\r\nNOT_FOUND\r\n\
         NOT_FOUND\r\nNOT_FOUND\r\nOK\r\nEN\r\n",
    );
    let sums = desk.context.shared.tally.sum();
    let gets = (sums.get_cmds, sums.get_hits, sums.get_misses);
    assert_eq!((gets, sums.set_cmds, sums.flush_cmds), ((2, 1, 1), 2, 1));
    assert_eq!((sums.incr_hits, sums.incr_misses, sums.decr_hits), (1, 1, 1));
    assert_eq!((sums.delete_hits, sums.delete_misses, sums.cas_misses), (1, 1, 1));
    assert_eq!((sums.touch_cmds, sums.touch_misses, sums.meta_cmds), (1, 1, 1));
}

#[test]
fn a_watcher_reads_what_others_do() {
    let desk = Desk::new();
    let mut session = Desk::session(Transport::Tcp);
    let (out, progress) = desk.ask(&mut session, b"watch fetchers mutations\r\n");
    assert_eq!((&out[..], progress.next), (&b"OK\r\n"[..], Next::Watch));
    desk.check("set a 0 0 3 noreply\r\nabc\r\nget a\r\n", "VALUE a 0 3\r\nabc\r\nEND\r\n");
    let mut lines = Vec::new();
    session.watcher().unwrap().drain(&mut lines);
    let text = String::from_utf8(lines).unwrap();
    let seen: Vec<&str> =
        text.lines().filter_map(|line| line.split_once("type=")).map(|l| l.1).collect();
    assert_eq!(
        seen,
        [
            "item_get key=a status=not_found clsid=0 cfd=5 size=0",
            "item_store key=a status=stored cmd=set ttl=0 clsid=1 cfd=5 size=3",
            "item_get key=a status=found clsid=1 cfd=5 size=3",
        ]
    );
    assert_eq!(desk.ask(&mut session, b"get a\r\n").1, Progress { taken: 7, next: Next::Watch });
}

#[test]
fn what_is_evicted_is_told_to_those_who_watch() {
    let desk = Desk::new();
    let mut session = Desk::session(Transport::Tcp);
    desk.ask(&mut session, b"watch evictions\r\n");
    let value = "v".repeat(10_000);
    (0..9_000).for_each(|n| {
        let set = format!("set key:{n} 0 0 10000 noreply\r\n{value}\r\n");
        desk.ask(&mut Desk::session(Transport::Tcp), set.as_bytes());
    });
    let mut lines = Vec::new();
    session.watcher().unwrap().drain(&mut lines);
    let text = String::from_utf8(lines).unwrap();
    let told = text.lines().filter(|line| line.contains("type=eviction key=key%3A")).count();
    assert!(told > 100, "{told} evictions told of {:?}", desk.context.store.totals());
    assert!(text.contains(" fetch=no ttl=-1 la=0 clsid=1 size=10000"), "{}", &text[..300]);
}

#[test]
fn a_datagram_neither_watches_nor_dumps() {
    let desk = Desk::new();
    let ask = |input: &str| {
        let mut session = Desk::session(Transport::Udp);
        String::from_utf8(desk.ask(&mut session, input.as_bytes()).0).unwrap()
    };
    assert_eq!(ask("watch\r\n"), "CLIENT_ERROR watch commands not allowed\r\n");
    assert_eq!(ask("lru_crawler metadump all\r\n"), "ERROR metadump not allowed\r\n");
    assert_eq!(ask("set a 0 0 1\r\nx\r\nget a\r\n"), "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
}

#[test]
fn a_dump_shows_every_item_in_bounded_pieces() {
    let desk = Desk::new();
    for n in 0..5_000 {
        desk.check(&format!("set key:{n} 0 0 1 noreply\r\nx\r\n"), "");
    }
    let (out, _) = desk.ask(&mut Desk::session(Transport::Tcp), b"lru_crawler metadump all\r\n");
    let text = String::from_utf8(out).unwrap();
    let keys: std::collections::BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("key=")?.split(' ').next()).collect();
    assert_eq!(keys.len(), 5_000);
    assert!(text.ends_with("\nEND\r\n"));
    let (out, _) = desk.ask(&mut Desk::session(Transport::Tcp), b"lru_crawler mgdump all\r\n");
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("mg key:")).count(), 5_000);
    assert!(text.ends_with("\r\nEN\r\n"));
}

#[test]
fn sizes_are_counted_when_asked_for() {
    let desk = Desk::new();
    desk.check("stats sizes\r\n", "STAT sizes_status disabled\r\nEND\r\n");
    desk.check("set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    desk.check("stats sizes_enable\r\n", "STAT sizes_status enabled\r\n");
    let (out, _) = desk.ask(&mut Desk::session(Transport::Tcp), b"stats sizes\r\n");
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("STAT 32 2\r\n") || text.starts_with("STAT 64 2\r\n"), "{text}");
}

#[test]
fn cachedump_shows_items_of_the_one_class_up_to_a_limit() {
    let desk = Desk::new();
    desk.check("set a 0 0 3\r\nabc\r\nset b 0 0 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    let (out, _) = desk.ask(&mut Desk::session(Transport::Tcp), b"stats cachedump 1 0\r\n");
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("ITEM a [3 b; 0 s]\r\n") && text.contains("ITEM b [1 b; 0 s]\r\n"));
    let (out, _) = desk.ask(&mut Desk::session(Transport::Tcp), b"stats cachedump 1 1\r\n");
    assert_eq!(out.split(|&byte| byte == b'\n').count(), 3, "an item, the end, and nothing");
    desk.check("stats cachedump 2 0\r\n", "END\r\n");
}

#[test]
fn stats_have_the_names_that_memcached_counts() {
    let desk = Desk::with(|settings| {
        settings.crawler = false;
        settings.echoed.lru_maintainer = false;
    });
    let (out, _) = desk.ask(&mut Desk::session(Transport::Tcp), b"stats\r\n");
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("STAT ")).count(), 83, "{text}");
    for sub in ["settings", "items", "slabs", "conns", "plimsoll", "extstore"] {
        let (out, _) =
            desk.ask(&mut Desk::session(Transport::Tcp), format!("stats {sub}\r\n").as_bytes());
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("END\r\n"), "{sub}: {text}");
    }
}

#[test]
fn shutdown_stops_only_where_it_is_allowed() {
    let desk = Desk::with(|settings| settings.shutdown_command = true);
    let next = |input: &[u8]| desk.ask(&mut Desk::session(Transport::Tcp), input).1.next;
    assert_eq!(next(b"shutdown\r\n"), Next::Shutdown { save: false });
    assert_eq!(next(b"shutdown graceful\r\n"), Next::Shutdown { save: true });
    check("shutdown\r\n", "ERROR: shutdown not enabled\r\n");
}

#[test]
fn why_a_connection_ends_is_told() {
    let desk = Desk::new();
    let why = |input: &[u8]| {
        let mut session = Desk::session(Transport::Tcp);
        assert_eq!(desk.ask(&mut session, input).1.next, Next::Close);
        session.why_closed()
    };
    assert_eq!(why(b"quit\r\n"), crate::watch::Closed::Normal);
    assert_eq!(why(b"GET / HTTP/1.1\r\n"), crate::watch::Closed::Error);
    assert_eq!(why(&[b'a'; LINE_BYTES_MAX + 1]), crate::watch::Closed::Error);
}
