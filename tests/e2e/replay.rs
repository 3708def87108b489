//! `plimsoll replay` over traces that are made here and whose truth is known.

use flate2::Compression;
use flate2::write::GzEncoder;
use plimsoll_tests::{plimsoll, ran};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use tempfile::TempDir;

const HEADER: &str = "time_s,entity,used_bytes,limit_bytes\n";
const MIB: u64 = 1 << 20;
const LIMIT: u64 = 1000 * MIB;
/// The leak sets in at 300 s with 100 MiB in use and takes 1 MiB each second.
const END_S: f64 = 300.0 + 900.0;

fn leaking(entity: &str) -> Vec<String> {
    let used = |s: u64| (100 + s.saturating_sub(300)) * MIB;
    (0..1150).map(|s| format!("{s},{entity},{},{LIMIT}\n", used(s))).collect()
}

/// Rests at 400 MiB, with a tooth of 60 MiB that falls back each minute.
fn sawing(entity: &str) -> Vec<String> {
    let used = |s: u64| (400 + s % 60) * MIB;
    (0..3000).map(|s| format!("{s},{entity},{},\n", used(s))).collect()
}

fn trace(parts: &[Vec<String>]) -> String {
    HEADER.to_owned() + &parts.concat().concat()
}

/// The rows of both, one by one in turn.
fn interleaved(first: &[String], second: &[String]) -> String {
    let mut text = HEADER.to_owned();
    for i in 0..first.len().max(second.len()) {
        let rows = [first.get(i), second.get(i)];
        text.extend(rows.into_iter().flatten().map(String::as_str));
    }
    text
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

struct Files(TempDir);

impl Files {
    fn make() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), bytes).expect("it can be written");
        self.path(name)
    }
}

fn events(bytes: &[u8]) -> Vec<Value> {
    let lines = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

#[track_caller]
fn replayed(path: &str) -> Vec<Value> {
    let output = ran(&["replay", path]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    events(&output.stdout)
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn of<'a>(events: &'a [Value], entity: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["entity"] == entity).collect()
}

/// Starts a replay of what is written to its stdin.
fn from_stdin() -> Child {
    plimsoll(&["replay", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("plimsoll starts")
}

#[test]
fn a_leak_is_told_in_time_with_its_end_inside_the_interval_and_a_sawtooth_is_not() {
    let files = Files::make();
    let path = files.write("t.csv", trace(&[leaking("leak"), sawing("saw")]));
    let out = files.path("events.jsonl");
    let output = ran(&["replay", &path, "--out", &out]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b""[..]));
    assert!(err(&output).starts_with("4150 rows of 2 entities, "), "{}", err(&output));
    let events = events(&std::fs::read(&out).expect("events"));
    assert_eq!(of(&events, "saw"), Vec::<&Value>::new());
    let told = of(&events, "leak");
    assert_eq!(told[0]["event"], "leak_suspected");
    let keys = "time_s entity event rate_bytes_per_s eta_s confidence cause";
    for event in &told {
        let object = event.as_object().expect("an object");
        assert!(keys.split(' ').all(|key| object.contains_key(key)) && object.len() == 7);
        assert!(event["time_s"].as_f64() > Some(300.0), "before it set in: {event}");
        let confidence = event["confidence"].as_f64().expect("a number");
        assert!((0.0..=1.0).contains(&confidence), "{event}");
    }
    let mut predicted = told.iter().filter(|event| event["event"] == "oom_predicted");
    let last = predicted.next_back().expect("a forecast");
    let at = |key: &str| {
        let left = last["eta_s"][key].as_f64().expect("a number");
        last["time_s"].as_f64().expect("a number") + left
    };
    assert!(at("p10") <= END_S && END_S <= at("p90"), "{last}");
    assert!((at("p50") - END_S).abs() < 0.25 * 900.0, "{last}");
    let rate = last["rate_bytes_per_s"].as_f64().expect("a number");
    assert!((0.8..1.2).contains(&(rate / MIB as f64)), "{last}");
}

#[test]
fn neither_order_nor_compression_nor_the_way_in_changes_what_is_told() {
    let files = Files::make();
    let (leak, saw) = (leaking("leak"), sawing("\"a saw, with teeth\""));
    let apart = trace(&[leak.clone(), saw.clone()]);
    let expected = replayed(&files.write("apart.csv", &apart));
    assert!(!expected.is_empty());
    assert_eq!(replayed(&files.write("mixed.csv", interleaved(&leak, &saw))), expected);
    assert_eq!(replayed(&files.write("dos.csv", apart.replace('\n', "\r\n"))), expected);
    // Two gzip members, as `cat a.gz b.gz` makes them; the name does not matter.
    let (first, second) = apart.as_bytes().split_at(apart.len() / 3);
    let members = [gzip(first), gzip(second)].concat();
    assert_eq!(replayed(&files.write("apart.csv.gz", &members)), expected);
    assert_eq!(replayed(&files.write("unnamed", &members)), expected);
    for (bytes, chunk) in [(apart.as_bytes(), 4099), (&members, 1)] {
        let mut child = from_stdin();
        let mut stdin = child.stdin.take().expect("a pipe");
        for piece in bytes.chunks(chunk) {
            stdin.write_all(piece).expect("it reads");
        }
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(events(&output.stdout), expected);
    }
}

#[test]
fn what_cannot_be_read_ends_it_with_its_file_and_line() {
    let files = Files::make();
    let good = trace(&[leaking("leak")]);
    let lines = good.lines().count();
    let check = |name: &str, bytes: &[u8], expected: &str| {
        let path = files.write(name, bytes);
        let output = ran(&["replay", &path]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let said = err(&output);
        assert!(said.starts_with(&format!("plimsoll: {path}:{expected}")), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        events(&output.stdout)
    };
    let bad = |line: &str| format!("{good}{line}\n0,z,1,\n").into_bytes();
    let at = lines + 1;
    // What was found before the bad line is told.
    let told =
        check("number.csv", &bad("1151,leak,many,5"), &format!("{at}: used_bytes is 'many'"));
    assert!(!told.is_empty());
    check("back.csv", &bad("7,leak,1,5"), &format!("{at}: time_s is 7, after 1149"));
    check("short.csv", &bad("1151,leak"), &format!("{at}: 2 fields where the header has 4"));
    check("quote.csv", &bad("1151,\"leak,1,5"), &format!("{at}: a quoted field is not closed"));
    check("latin.csv", b"time_s,entity,used_bytes\n1,caf\xe9,5\n", r"2: entity is 'caf\xe9'");
    check("column.csv", b"time_s,entity\n", "1: the header lacks the column used_bytes");
    check("empty.csv", b"", "1: the trace is empty");
    let whole = gzip(good.as_bytes());
    let cut = &whole[..whole.len() - 9];
    check("cut.csv.gz", cut, &format!("{at}: cannot read on: "));
    let mut flipped = whole.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    check("flipped.csv.gz", &flipped, &format!("{at}: cannot read on: "));
    let missing = ran(&["replay", "/no/such/trace.csv"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).starts_with("plimsoll: cannot read /no/such/trace.csv: "));
}

#[test]
fn events_never_go_over_the_trace_nor_where_they_cannot() {
    let files = Files::make();
    let path = files.write("t.csv", trace(&[sawing("saw")]));
    let before = std::fs::read(&path).expect("the trace");
    let link = files.path("link.csv");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    for out in [path.as_str(), &link, "/no/such/events.jsonl"] {
        let output = ran(&["replay", &path, "--out", out]);
        assert_eq!(output.status.code(), Some(1), "{out}");
        assert!(err(&output).starts_with(&format!("plimsoll: cannot write {out}: ")));
    }
    assert_eq!(std::fs::read(&path).expect("the trace"), before);
    assert!(!Path::new("/no/such").exists());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let files = Files::make();
    let many: Vec<Vec<String>> = (0..40).map(|i| leaking(&format!("leak-{i}"))).collect();
    let path = files.write("t.csv", trace(&many));
    let mut child = plimsoll(&["replay", &path])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("plimsoll starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(!err(&output).contains("pipe"), "{}", err(&output));
}

/// The most memory that the process ever held. Units: KiB.
fn peak(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("alive");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    let number = line.split_whitespace().nth(1).expect("a number");
    number.parse().expect("a number")
}

#[test]
fn a_trace_takes_memory_by_its_entities_and_not_by_its_length() {
    let mut child = from_stdin();
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(HEADER.as_bytes()).expect("it reads");
    let mut feed = |entities: std::ops::Range<u32>, fiftieths: std::ops::Range<u32>| {
        let mut text = String::new();
        for at in fiftieths {
            for entity in entities.clone() {
                let at_s = f64::from(at) / 50.0;
                writeln!(text, "{at_s},e{entity},104857600,").expect("memory takes it");
            }
        }
        stdin.write_all(text.as_bytes()).expect("it reads");
        // More than the pipe and the buffers hold, so that all above was seen.
        stdin.write_all(&vec![b'\n'; 1 << 20]).expect("it reads");
    };
    feed(0..1, 0..10_000);
    let short = peak(&child);
    feed(0..1, 10_000..400_000);
    let long = peak(&child);
    // 390,000 readings more: less than three bytes of each.
    assert!(long <= short + 1024, "{short} KiB, then {long} KiB");
    feed(1..500, 0..2);
    let wide = peak(&child);
    assert!(wide <= long + 500 * 16, "{long} KiB, then {wide} KiB");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}
