//! Both sides over real unix sockets: a whole round, hostile peers, the agent's death and return.

use plimsoll_pressure::server::{Counters, Credentials, Event, Limits, Policy, Server, Settings};
use plimsoll_pressure::{
    Acked, Answer, Bytes, Decoder, Epoch, Frame as _, FromSubscriber, Hello, Level, Options, Scope,
    Signal, Source, Subscriber, Told, Word,
};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);
const BRIEFLY: Duration = Duration::from_millis(5);

struct Bed {
    dir: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a place for a socket") }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("pressure.sock")
    }

    fn agent(&self, epoch: u64) -> Server {
        self.agent_with(epoch, Limits::default(), Policy::allow(vec![], vec![]))
    }

    fn agent_with(&self, epoch: u64, limits: Limits, policy: Policy) -> Server {
        let settings = Settings { socket: self.path(), limits, ..Settings::new(Epoch(epoch)) };
        Server::start(settings, policy).expect("nobody else is there")
    }

    /// A subscriber that judges nothing by itself.
    fn options(&self) -> Options {
        let options = Options::new(self.path(), "app", Bytes::mib(64));
        Options { own: None, watch: None, ..options }
    }

    fn subscriber(&self) -> Subscriber {
        self.options().start().expect("threads can be started")
    }

    fn raw(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path()).expect("an agent listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout that is not zero");
        stream
    }
}

#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let (_keep, waiting) = std::sync::mpsc::channel::<()>();
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
        let _ = waiting.recv_timeout(BRIEFLY);
    }
}

#[track_caller]
fn counted(agent: &Server, what: &str, is_so: impl Fn(&Counters) -> bool) {
    until(what, || is_so(&agent.counters()).then_some(()));
}

/// Waits for the first that fits; what comes before it is passed over.
#[track_caller]
fn told(subscriber: &Subscriber, what: &str, fits: impl Fn(&Told) -> bool) -> Told {
    until(what, || subscriber.wait_for(BRIEFLY).filter(&fits))
}

fn word(level: Level, mib: u64) -> Word {
    let (reclaim_bytes, deadline) = (Bytes::mib(mib), Duration::from_secs(2));
    Word { level, reclaim_bytes, deadline, cause: "heap_leak".into(), ..Word::default() }
}

fn hello() -> Vec<u8> {
    FromSubscriber::Hello(Hello { name: "raw".into(), ..Hello::default() }).to_line()
}

/// Reads until the agent closes the connection.
fn ends(mut stream: UnixStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn a_word_is_heard_obeyed_and_answered() {
    let bed = Bed::new();
    let agent = bed.agent(1);
    let subscriber = bed.subscriber();
    let joined = until("a subscriber", || agent.subscribers().pop());
    assert_eq!((joined.name.as_str(), joined.can_free_bytes), ("app", Bytes::mib(64)));
    assert_eq!(joined.credentials.pid, Some(std::process::id()));

    let seq = agent.tell(joined.id, &word(Level::Medium, 30)).expect("it is there");
    let told = told(&subscriber, "the word", |told| told.level == Level::Medium);
    assert_eq!(told.source, Source::Agent { epoch: Epoch(1), seq });
    assert_eq!((told.reclaim_bytes, told.overall), (Some(Bytes::mib(30)), Level::Medium));
    assert_eq!((subscriber.level(), subscriber.agent()), (Level::Medium, Some(Epoch(1))));

    let freed_bytes = Bytes::mib(31);
    let answer = Answer { freed_bytes, used_bytes: Bytes(7), can_free_bytes: Bytes(8) };
    assert_eq!(subscriber.ack(&told, answer), Acked::Queued);
    let acked = until("the answer", || {
        agent.events().into_iter().find_map(|event| match event {
            Event::Acked { seq, answer, asked_bytes, latency, .. } => {
                Some((seq, answer, asked_bytes, latency))
            }
            _ => None,
        })
    });
    assert_eq!((acked.0, acked.1, acked.2), (seq, answer, Bytes::mib(30)));
    assert!(acked.3 < SOON, "{:?}", acked.3);
    let acker = subscriber.acker();
    assert_eq!(acker.ack(&told, answer), Acked::Queued, "the last word before the end");
    drop(subscriber);
    until("its leaving", || agent.subscribers().is_empty().then_some(()));
    assert_eq!(agent.counters().acks, 2);
    assert_eq!(acker.ack(&told, answer), Acked::Stale);
}

#[test]
fn a_path_that_no_socket_can_have_is_told_at_once() {
    let path = format!("/{}", "x".repeat(200));
    assert!(Subscriber::connect(path, "app", Bytes(0)).is_err());
}

#[test]
fn only_those_in_a_cgroup_hear_of_it_and_the_kernel_says_where_they_are() {
    let bed = Bed::new();
    let policy = Policy::allow(vec![], vec![]);
    let policy = policy.locating(|pid| (pid == std::process::id()).then(|| "/pods/a".to_owned()));
    let agent = bed.agent_with(1, Limits::default(), policy);
    let subscriber = bed.subscriber();
    told(&subscriber, "that all is calm", |told| told.scope == Scope::Node);
    let scoped = |path: &str| Scope::cgroup(path).expect("a plain path");
    agent.broadcast(&Word { scope: scoped("/pods/b"), ..word(Level::Critical, 1) });
    agent.broadcast(&Word { scope: scoped("/pods"), ..word(Level::Low, 2) });
    let next = told(&subscriber, "a word", |_| true);
    assert_eq!((next.scope, next.overall), (scoped("/pods"), Level::Low));
}

#[test]
fn the_callback_is_called_and_answers_on_the_subscribers_own_thread() {
    let bed = Bed::new();
    let agent = bed.agent(1);
    let answer = Answer { freed_bytes: Bytes(3), ..Answer::default() };
    let calling = bed.options().start_calling(move |acker, told| {
        acker.ack(&told, answer);
    });
    let subscriber = calling.expect("threads can be started");
    counted(&agent, "an ack", |counters| counters.acks > 0);
    drop(subscriber);
}

#[test]
fn a_subscriber_sees_the_agent_die_and_another_come() {
    let bed = Bed::new();
    let agent = bed.agent(1);
    let subscriber = bed.subscriber();
    until("a subscriber", || agent.subscribers().pop());
    agent.broadcast(&word(Level::Critical, 30));
    let old = told(&subscriber, "the word", |told| told.level == Level::Critical);
    drop(agent);
    let alone = told(&subscriber, "silence", |told| told.source == Source::Own);
    assert_eq!((alone.overall, alone.cause.as_str()), (Level::None, "agent_silent"));
    assert_eq!(subscriber.agent(), None);

    let agent = bed.agent(2);
    let new = told(&subscriber, "the new agent", |told| told.source != Source::Own);
    assert!(matches!(new.source, Source::Agent { epoch: Epoch(2), .. }), "{new:?}");
    assert_eq!(subscriber.ack(&old, Answer::default()), Acked::Stale);
    assert_eq!(subscriber.ack(&new, Answer::default()), Acked::Queued);
    counted(&agent, "an ack", |counters| counters.acks == 1 && counters.acks_unknown == 0);
}

#[test]
fn an_agent_that_falls_silent_with_its_socket_open_is_gone_too() {
    let bed = Bed::new();
    let listener = std::os::unix::net::UnixListener::bind(bed.path()).expect("a free place");
    let subscriber = bed.subscriber();
    let (mut stream, _) = listener.accept().expect("it connects");
    let signal = Signal { epoch: Epoch(9), word: word(Level::Medium, 1), ..Signal::default() };
    stream.write_all(&signal.to_line()).expect("it reads");
    told(&subscriber, "the word", |told| told.level == Level::Medium);
    let alone = told(&subscriber, "silence", |told| told.source == Source::Own);
    assert_eq!(alone.overall, Level::None);
    let (mut again, _) = listener.accept().expect("it comes back");
    again.write_all(b"garbage\n").expect("it reads");
    assert!(ends(again), "and goes again");
}

#[test]
fn alone_the_own_cgroup_is_watched() {
    let bed = Bed::new();
    let proc = bed.dir.path().join("proc");
    std::fs::create_dir(&proc).expect("a new directory");
    let left = |kb: u32| {
        let meminfo = format!("MemTotal: 1048576 kB\nMemAvailable: {kb} kB\n");
        std::fs::write(proc.join("meminfo"), meminfo).expect("a place to write");
    };
    left(524_288);
    let own = plimsoll_pressure::own::Own::find_in(&proc);
    let options = Options { own: Some(own), ..bed.options() };
    let subscriber = options.start().expect("threads can be started");
    assert_eq!(
        subscriber.wait_for(Duration::from_millis(600)),
        None,
        "nothing is short, nothing told"
    );
    left(20_480);
    let told = told(&subscriber, "a shortage", |_| true);
    assert_eq!((told.source, told.overall), (Source::Own, Level::Critical));
    assert_eq!(told.headroom_bytes, Some(Bytes::mib(20)));
    assert!(told.reclaim_bytes > Some(Bytes::mib(80)), "{told:?}");
}

#[test]
fn what_systemd_named_rings_beside_the_agent() {
    let bed = Bed::new();
    let agent = bed.agent(1);
    let path = bed.dir.path().join("watch");
    let bell = std::os::unix::net::UnixListener::bind(&path).expect("a free place");
    let watch = plimsoll_pressure::watch::Watch::open(&path, b"").expect("it is there");
    let options = Options { watch: Some(watch), ..bed.options() };
    let subscriber = options.start().expect("threads can be started");
    until("a subscriber", || agent.subscribers().pop());
    let (mut bell, _) = bell.accept().expect("it is connected");
    bell.write_all(b"!").expect("it reads");
    let rung = told(&subscriber, "the bell", |told| told.source == Source::Systemd);
    assert_eq!((rung.overall, rung.reclaim_bytes), (Level::Medium, None));
    assert_eq!(subscriber.ack(&rung, Answer::default()), Acked::NobodyAsked);
}

#[test]
fn who_knows_only_systemds_protocol_is_rung_from_medium_on() {
    let bed = Bed::new();
    let bell = bed.dir.path().join("bell.sock");
    let settings =
        Settings { socket: bed.path(), bell: Some(bell.clone()), ..Settings::new(Epoch(1)) };
    let agent = Server::start(settings, Policy::allow(vec![], vec![])).expect("free places");
    let watch = plimsoll_pressure::watch::Watch::open(&bell, b"some 1 2\0").expect("a socket");
    let options = Options { socket: "/nonexistent".into(), watch: Some(watch), ..bed.options() };
    let application = options.start().expect("threads can be started");
    agent.broadcast(&word(Level::Low, 1));
    let elsewhere = Scope::cgroup("/nowhere/near").expect("a plain path");
    agent.broadcast(&Word { scope: elsewhere, ..word(Level::Critical, 1) });
    assert_eq!(agent.bells_rung(), 0);
    // It is rung at most once a second, so until it is hung the word is lost on it.
    let rung = until("the bell", || {
        agent.broadcast(&word(Level::Medium, 1));
        application.wait_for(BRIEFLY)
    });
    assert_eq!((rung.source, rung.level), (Source::Systemd, Level::Medium));
}

#[test]
fn garbage_long_lines_and_floods_close_the_connection_and_harm_nobody() {
    let bed = Bed::new();
    let agent = bed.agent(1);
    let subscriber = bed.subscriber();
    until("a subscriber", || agent.subscribers().pop());
    let acks = "{\"v\":1,\"ack\":1,\"freed_bytes\":0,\"used_bytes\":0,\"can_free_bytes\":0}\n";
    let flood = [hello(), acks.repeat(500).into_bytes()].concat();
    let evils: [&[u8]; 6] =
        [b"GET / HTTP/1.1\r\n", b"\0\0\0\0\n", b"{\"v\":7}\n", b"\n", &[b'['; 4097], &flood];
    for evil in evils {
        let mut stream = bed.raw();
        // It may be closed before all is written.
        let _ = stream.write_all(evil);
        assert!(ends(stream), "{}", evil[..20.min(evil.len())].escape_ascii());
    }
    counted(&agent, "all six", |counters| counters.malformed == 5 && counters.flooding == 1);
    agent.broadcast(&word(Level::Low, 1));
    told(&subscriber, "a word after all that", |told| told.level == Level::Low);
}

#[test]
fn who_never_says_hello_and_who_never_reads_is_let_go() {
    let bed = Bed::new();
    let limits = Limits {
        hello_within: Duration::from_millis(200),
        unread_for: Duration::from_millis(300),
        ..Limits::default()
    };
    let agent = bed.agent_with(1, limits, Policy::allow(vec![], vec![]));
    assert!(ends(bed.raw()));
    counted(&agent, "its silence", |counters| counters.without_hello == 1);

    let mut deaf = bed.raw();
    deaf.write_all(&hello()).expect("it reads");
    until("a subscriber", || agent.subscribers().pop());
    until("that it does not read", || {
        agent.broadcast(&word(Level::Low, 1));
        (agent.counters().slow == 1).then_some(())
    });
    until("its leaving", || agent.subscribers().is_empty().then_some(()));
}

#[test]
fn thousands_of_connections_fill_the_room_of_one_user_and_no_more() {
    let bed = Bed::new();
    let limits = Limits {
        subscribers_max: 100,
        subscribers_of_one_user_max: 50,
        hello_within: Duration::from_secs(1),
        ..Limits::default()
    };
    let agent = bed.agent_with(1, limits, Policy::allow(vec![], vec![]));
    let mut kept = Vec::new();
    for _ in 0..3000 {
        kept.push(bed.raw());
        if kept.len() > 200 {
            kept.remove(0);
        }
    }
    counted(&agent, "all of them", |counters| counters.connections + counters.refused_full == 3000);
    assert!(agent.counters().refused_full > 0, "{:?}", agent.counters());
    drop(kept);
    let subscriber = bed.subscriber();
    told(&subscriber, "that there is room again", |_| true);
}

#[test]
fn whom_the_policy_does_not_want_hears_nothing() {
    let bed = Bed::new();
    let own = rustix::process::geteuid().as_raw();
    let wants = move |peer: &Credentials| peer.uid != own;
    let agent = bed.agent_with(1, Limits::default(), Policy::new(wants));
    let mut stream = bed.raw();
    let _ = stream.write_all(&hello());
    assert!(ends(stream));
    counted(&agent, "the refusal", |counters| counters.refused_by_policy == 1);
    assert!(agent.subscribers().is_empty() && agent.events().is_empty());
}

#[test]
fn heartbeats_come_each_second() {
    let bed = Bed::new();
    let _agent = bed.agent(1);
    let mut stream = bed.raw();
    stream.write_all(&hello()).expect("it reads");
    let (mut decoder, mut buffer) = (Decoder::<Signal>::default(), [0; 4096]);
    let mut came = Vec::new();
    while came.len() < 3 {
        let length = stream.read(&mut buffer).expect("a line within the timeout");
        let mut input = &buffer[..length];
        while let Some(signal) = decoder.decode(&mut input).expect("only frames") {
            came.push((Instant::now(), signal));
        }
    }
    assert!(came.windows(2).all(|pair| pair[0].1 == pair[1].1), "{came:?}");
    let apart = came[2].0 - came[1].0;
    assert!(apart > Duration::from_millis(500) && apart < Duration::from_millis(2500), "{apart:?}");
}
