//! The exact lines of the protocol, and what is none.

use super::*;
use crate::codec::{CodecError, Frame as _, LINE_BYTES_MAX};
use proptest::prelude::*;

fn word() -> Word {
    Word {
        scope: Scope::cgroup("/kubepods.slice/pod1").unwrap(),
        level: Level::Medium,
        reclaim_bytes: Bytes::mib(300),
        deadline: Duration::from_secs(2),
        headroom_bytes: Bytes(1234),
        eta: Some(Duration::from_millis(12_500)),
        cause: "heap_leak".into(),
    }
}

#[test]
fn a_signal_is_the_line_that_was_agreed_on() {
    let signal = Signal { seq: Seq(7), epoch: Epoch(42), word: word() };
    assert_eq!(
        String::from_utf8(signal.to_line()).unwrap(),
        "{\"v\":1,\"seq\":7,\"epoch\":42,\"scope\":\"cgroup:/kubepods.slice/pod1\",\
         \"level\":\"medium\",\"reclaim_bytes\":314572800,\"deadline_ms\":2000,\
         \"headroom_bytes\":1234,\"eta_s\":12.5,\"cause\":\"heap_leak\"}\n"
    );
    let calm = Signal::default().to_line();
    assert!(String::from_utf8(calm).unwrap().contains("\"scope\":\"node\",\"level\":\"none\""));
}

#[test]
fn a_hello_and_an_ack_are_the_lines_that_were_agreed_on() {
    let hello = Hello { name: "cache".into(), pid: 17, can_free_bytes: Bytes(5) };
    assert_eq!(
        String::from_utf8(FromSubscriber::Hello(hello).to_line()).unwrap(),
        "{\"v\":1,\"hello\":{\"name\":\"cache\",\"pid\":17,\"can_free_bytes\":5}}\n"
    );
    let answer = Answer { freed_bytes: Bytes(1), used_bytes: Bytes(2), can_free_bytes: Bytes(3) };
    assert_eq!(
        String::from_utf8(FromSubscriber::Ack(Ack { seq: Seq(9), answer }).to_line()).unwrap(),
        "{\"v\":1,\"ack\":9,\"freed_bytes\":1,\"used_bytes\":2,\"can_free_bytes\":3}\n"
    );
}

#[test]
fn unknown_keys_are_skipped_and_order_does_not_matter() {
    let line = br#"{"cause":"x","new":{"deep":[1,2]},"eta_s":null,"headroom_bytes":4,
        "deadline_ms":3,"reclaim_bytes":2,"level":"critical","scope":"node","epoch":1,"seq":5,
        "v":1}"#;
    let signal = Signal::parse(line).unwrap();
    assert_eq!((signal.seq, signal.word.level), (Seq(5), Level::Critical));
    assert_eq!((signal.word.eta, signal.word.deadline.as_millis()), (None, 3));
}

#[test]
fn another_version_is_told_from_garbage_whatever_else_it_holds() {
    assert_eq!(Signal::parse(br#"{"v":2,"x":[]}"#), Err(CodecError::UnknownVersion(2)));
    let refused = |line: &str| {
        let both = (Signal::parse(line.as_bytes()), FromSubscriber::parse(line.as_bytes()));
        let malformed = |error: &CodecError| matches!(error, CodecError::Malformed { .. });
        assert!(both.0.is_err_and(|e| malformed(&e)), "{line}");
        assert!(both.1.is_err_and(|e| malformed(&e)), "{line}");
    };
    for line in ["", "{}", "null", "[1]", "\u{0}", "{\"v\":\"1\"}", "{\"v\":1}", "{\"v\":1.0}"] {
        refused(line);
    }
    refused(r#"{"v":1,"hello":{"name":"a","pid":1,"can_free_bytes":-1}}"#);
    refused(r#"{"v":1,"ack":1,"freed_bytes":1e3,"used_bytes":0,"can_free_bytes":0}"#);
    refused(r#"{"v":1,"ack":1,"hello":{"name":"a","pid":1,"can_free_bytes":1}}"#);
    refused(&"[".repeat(4000));
}

#[test]
fn what_no_signal_may_say_is_refused() {
    let line = String::from_utf8(Signal { word: word(), ..Signal::default() }.to_line()).unwrap();
    for (old, new) in [
        ("medium", "Medium"),
        ("12.5", "-1"),
        ("12.5", "1e300"),
        ("2000", "-5"),
        ("cgroup:/", "cgroup:"),
        ("cgroup:/kubepods.slice/pod1", "pod"),
        ("pod1", "\\n"),
    ] {
        let line = line.replace(old, new);
        assert!(Signal::parse(line.as_bytes()).is_err(), "{line}");
    }
}

#[test]
fn a_scope_concerns_what_lies_in_it() {
    let path = |path| CgroupPath::new(path).unwrap();
    let a = Scope::cgroup("/a/").unwrap();
    assert!(a.concerns(Some(&path("/a"))) && a.concerns(Some(&path("/a/b"))));
    assert!(!a.concerns(Some(&path("/ab"))) && !a.concerns(Some(&path("/"))) && !a.concerns(None));
    assert!(Scope::cgroup("/").unwrap().concerns(Some(&path("/a"))));
    assert!(Scope::Node.concerns(None));
    assert!(CgroupPath::new("a").is_err() && CgroupPath::new(&"/a".repeat(600)).is_err());
}

#[test]
fn a_label_is_cut_between_characters_and_shows_no_control_characters() {
    let label = Label::new(&format!("a\n\u{1b}[2J{}", "é".repeat(99)));
    assert!(label.as_str().starts_with("a  [2Jé") && label.as_str().len() <= LABEL_BYTES_MAX);
}

#[test]
fn the_longest_frame_fits_a_line() {
    let path = format!("/{}", "\\".repeat(PATH_BYTES_MAX - 1));
    let signal = Signal {
        seq: Seq(u64::MAX),
        epoch: Epoch(u64::MAX),
        word: Word {
            scope: Scope::cgroup(&path).unwrap(),
            level: Level::Critical,
            reclaim_bytes: Bytes(u64::MAX),
            deadline: Duration::from_millis(u64::MAX),
            headroom_bytes: Bytes(u64::MAX),
            eta: Some(Duration::MAX),
            cause: Label::new(&"\"".repeat(LABEL_BYTES_MAX)),
        },
    };
    assert!(signal.to_line().len() <= LINE_BYTES_MAX);
}

const LEVELS: [Level; 4] = [Level::None, Level::Low, Level::Medium, Level::Critical];

prop_compose! {
    pub(crate) fn any_signal()(
        numbers in any::<(u64, u64, u64, u64, u64)>(),
        path in prop::option::of("/[^\u{0}-\u{1f}\u{7f}-\u{9f}/]{0,300}"),
        level in prop::sample::select(&LEVELS[..]),
        eta_ms in prop::option::of(0_u64..4_000_000_000_000),
        cause in ".{0,40}",
    ) -> Signal {
        let (seq, epoch, reclaim, deadline_ms, headroom) = numbers;
        let scope = path.map_or(Scope::Node, |path| {
            Scope::cgroup(&path).unwrap_or(Scope::Node)
        });
        Signal {
            seq: Seq(seq),
            epoch: Epoch(epoch),
            word: Word {
                scope,
                level,
                reclaim_bytes: Bytes(reclaim),
                deadline: Duration::from_millis(deadline_ms),
                headroom_bytes: Bytes(headroom),
                eta: eta_ms.map(Duration::from_millis),
                cause: Label::new(&cause),
            },
        }
    }
}

prop_compose! {
    pub(crate) fn any_from_subscriber()(
        numbers in any::<(u64, u64, u64, u64)>(),
        hello in prop::option::of((".{0,200}", any::<u32>())),
    ) -> FromSubscriber {
        let (seq, freed, used, can_free) = numbers;
        let can_free_bytes = Bytes(can_free);
        match hello {
            Some((name, pid)) => {
                FromSubscriber::Hello(Hello { name: Label::new(&name), pid, can_free_bytes })
            }
            None => FromSubscriber::Ack(Ack {
                seq: Seq(seq),
                answer: Answer {
                    freed_bytes: Bytes(freed),
                    used_bytes: Bytes(used),
                    can_free_bytes,
                },
            }),
        }
    }
}

proptest! {
    #[test]
    fn what_is_composed_is_parsed_to_the_same(
        signal in any_signal(),
        said in any_from_subscriber(),
    ) {
        let (line, reply) = (signal.to_line(), said.to_line());
        prop_assert!(line.len() <= LINE_BYTES_MAX + 1 && reply.len() <= LINE_BYTES_MAX + 1);
        prop_assert_eq!(Signal::parse(&line[..line.len() - 1]).unwrap(), signal);
        prop_assert_eq!(FromSubscriber::parse(&reply[..reply.len() - 1]).unwrap(), said);
    }

    #[test]
    fn a_damaged_line_never_panics_and_what_it_means_is_composed_anew(
        signal in any_signal(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut line = signal.to_line();
        let at = at.index(line.len());
        line[at] = byte;
        if let Ok(signal) = Signal::parse(&line) {
            prop_assert_eq!(Signal::parse(&signal.to_line()).unwrap(), signal);
        }
    }
}
