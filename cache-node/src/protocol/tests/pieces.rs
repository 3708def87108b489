//! Whatever the pieces in which bytes arrive, the answers are the same; and nothing panics.

use super::Desk;
use crate::protocol::{Next, Session, Transport};
use proptest::prelude::*;

/// A word that may stand in a command.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "a",
        "b",
        "key:1",
        "0",
        "1",
        "2",
        "5",
        "10",
        "-1",
        "60",
        "noreply",
        "4294967296",
        "v",
        "k",
        "q",
        "b",
        "t",
        "c",
        "f",
        "s",
        "h",
        "l",
        "I",
        "x",
        "T0",
        "T30",
        "N30",
        "R10",
        "Oabc",
        "C1",
        "E7",
        "MA",
        "ME",
        "MD",
        "J13",
        "D2",
        "F5",
        "YQ==",
        "on",
        "off",
        "dump",
        "detail",
        "settings",
        "18446744073709551615",
        "graceful",
        "ratio",
        "all",
        "reset",
        "items",
        "HTTP/1.1",
    ]);
    prop_oneof![
        8 => known.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (1_usize..260).prop_map(|len| vec![b'k'; len]),
    ]
}

fn verb() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "get",
        "gets",
        "gat",
        "gats",
        "touch",
        "incr",
        "decr",
        "delete",
        "flush_all",
        "version",
        "verbosity",
        "mg",
        "md",
        "ma",
        "me",
        "mn",
        "mx",
        "stats",
        "slabs",
        "lru",
        "cache_memlimit",
        "lru_crawler",
        "refresh_certs",
        "debugtime",
        "set",
        "add",
        "cas",
        "ms",
        "bogus",
        "",
        " get",
    ])
}

/// A line, and perhaps what follows it.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let line = (verb(), prop::collection::vec(word(), 0..6)).prop_map(|(verb, words)| {
        let mut line = verb.as_bytes().to_vec();
        words.iter().for_each(|word| line.extend([b" ", &word[..]].concat()));
        [&line[..], b"\r\n"].concat()
    });
    let value =
        (0_usize..40, any::<u8>(), 0_usize..6, 0_usize..3).prop_map(|(len, byte, how, off)| {
            let verb = ["set", "add", "replace", "append", "prepend", "ms"][how];
            let head = if verb == "ms" {
                format!("ms a {len} c k Oq\r\n")
            } else {
                format!("{verb} a 5 0 {len}\r\n")
            };
            [head.as_bytes(), &vec![byte; (len + off).saturating_sub(1)], b"\r\n"].concat()
        });
    let number = any::<u64>().prop_map(|n| {
        let text = n.to_string();
        format!("set n 0 0 {}\r\n{text}\r\nincr n {n}\r\n", text.len()).into_bytes()
    });
    let large = (15_000_usize..40_000).prop_map(|len| {
        [format!("set l 0 0 {len}\r\n").as_bytes(), &vec![b'z'; len], b"\r\nget l l\r\n"].concat()
    });
    let keys = (1_usize..400, 1_usize..252).prop_map(|(count, len)| {
        [b"get", &[&[b' '][..], &vec![b'k'; len]].concat().repeat(count)[..], b" a\r\n"].concat()
    });
    prop_oneof![
        8 => line,
        6 => value,
        2 => number,
        1 => large,
        1 => keys,
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ]
}

/// All that is answered when `input` comes in pieces that end at `cuts`, and how it ended.
fn answers(input: &[u8], cuts: &[usize]) -> (Vec<u8>, bool) {
    let desk = Desk::new();
    let mut session = Desk::session(Transport::Tcp);
    let (mut out, mut buffer) = (Vec::new(), Vec::new());
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        buffer.extend_from_slice(&input[from.min(to)..to]);
        from = from.max(to);
        let (answer, progress) = desk.ask(&mut session, &buffer);
        out.extend(answer);
        buffer.drain(..progress.taken);
        match progress.next {
            Next::Read { at_least } => {
                assert!(at_least > buffer.len(), "{at_least} of {} wanted", buffer.len());
                assert!(at_least <= Session::input_bytes_max(&desk.context.store));
            }
            _ => return (out, true),
        }
    }
    (out, false)
}

/// The answers, but for the size of the index and what it leaves of the room: they follow the seed
/// that each store draws.
fn shown(answers: &[u8]) -> String {
    const DRAWN: [&str; 2] = ["STAT hash_", "STAT slab_global_page_pool "];
    let text = String::from_utf8_lossy(answers);
    let lines = text.split_inclusive("\r\n");
    lines.filter(|line| !DRAWN.iter().any(|drawn| line.starts_with(drawn))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn answers_do_not_depend_on_the_pieces(
        commands in prop::collection::vec(command(), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let input = commands.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        let (whole, ended) = answers(&input, &[]);
        let (pieces, ended_too) = answers(&input, &cuts);
        prop_assert_eq!(ended, ended_too);
        prop_assert_eq!(shown(&whole), shown(&pieces));
    }

    #[test]
    fn any_bytes_are_answered_or_end_the_connection(
        bytes in prop::collection::vec(any::<u8>(), 0..4096),
    ) {
        answers(&bytes, &[]);
        answers(&bytes, &[1, 2, 3, bytes.len() / 2].map(|cut| cut.min(bytes.len())));
    }
}

#[test]
fn a_byte_at_a_time_is_enough() {
    let input =
        b"set a 0 0 3\r\nabc\r\nget a b\r\nms b 2 c\r\nhi\r\nmg a v k\r\nfoo\r\ngats 5 a\r\n";
    let cuts: Vec<usize> = (0..input.len()).collect();
    assert_eq!(answers(input, &cuts), answers(input, &[]));
}
