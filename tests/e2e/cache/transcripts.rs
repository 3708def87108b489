//! Conversations held with memcached and with the cache node; the answers must be the same, byte
//! for byte.
//!
//! They are the text files beside this one (`transcripts/*.txt`; `transcripts/format.rs` says how
//! they are written). Each is held with the sessions of this process, with the built cache node,
//! and with memcached where it is installed, so that what is written there is what memcached
//! answers. What it has only learnt after the version that is installed is in files named
//! `newer-*`; they are held with the memcached that `PLIMSOLL_NEWER_MEMCACHED` names, if it does.
//!
//! `PLIMSOLL_TRANSCRIPT_TO_RECORD=name` writes memcached's answers into the file of that name
//! instead, wherever they are not what is written there.

mod format;
mod peers;

use format::{Case, File};
use peers::{Built, Direct, Memcached, Peer, Talk};
use plimsoll_tests::skipped;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/cache/transcripts");
    let entries = std::fs::read_dir(dir).expect("the transcripts").flatten();
    let is_one = |path: &PathBuf| path.extension().is_some_and(|end| end == "txt");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    files.sort();
    files
}

fn is_newer(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("newer-"))
}

/// Holds all conversations of the files with peers that `start` makes, and tells which differ.
fn compare(files: &[PathBuf], start: impl Fn(&[String]) -> Box<dyn Peer>) {
    let mut told = String::new();
    let mut held = 0;
    for path in files {
        let text = std::fs::read_to_string(path).expect("it can be read");
        let file = File::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let peer = start(&file.arguments);
        for case in &file.cases {
            held += 1;
            if let Err(why) = hold(case, peer.as_ref(), &file.arguments) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let _ = write!(told, "\n{name}:{}: {}\n{why}", case.line, case.name);
            }
        }
    }
    assert!(told.is_empty(), "of {held} conversations these differ:\n{told}");
    assert!(held > 0, "there are conversations");
}

/// Empties the store, with the password that transcripts use where one is needed.
fn empty(peer: &dyn Peer, arguments: &[String]) {
    // Without CAS values memcached also drops what is stored later in the same second.
    if arguments.iter().any(|argument| argument == "-C") {
        return;
    }
    let mut talk = peer.connect();
    talk.send(b"set a 0 0 7\r\nfoo bar\r\n");
    until(talk.as_mut(), |answer| answer.ends_with(b"\r\n").then_some(answer.len()));
    talk.send(b"flush_all noreply\r\nverbosity 0 noreply\r\nmn\r\n");
    until(talk.as_mut(), |answer| answer.ends_with(b"MN\r\n").then_some(answer.len()));
}

/// Empties the store, then holds one conversation.
fn hold(case: &Case, peer: &dyn Peer, arguments: &[String]) -> Result<(), String> {
    empty(peer, arguments);
    let mut talk = peer.connect();
    let mut names = format::Names::default();
    for step in &case.steps {
        for part in &step.sent {
            talk.send(&names.fill(part).map_err(|e| format!("line {}: {e}", step.line))?);
        }
        let matches = |answer: &[u8]| names.clone().take(&step.expected, answer);
        let answer = until(talk.as_mut(), matches);
        if names.take(&step.expected, &answer).is_none() {
            let (expected, got) = (names.show(&step.expected), format::escape(&answer));
            return Err(format!("  line {}\n  expected: {expected}\n  answered: {got}", step.line));
        }
    }
    // Bytes sent behind what ends the connection could still be taken for a part of it.
    let deadline = Instant::now() + ANSWER_MAX;
    while case.closes && talk.wait(deadline) {}
    let (rest, closed) = talk.end();
    if !rest.is_empty() {
        return Err(format!("  more than expected: {}", format::escape(&rest)));
    }
    if case.closes != closed {
        return Err(format!("  closed by the server: {closed}, expected: {}", case.closes));
    }
    Ok(())
}

/// Reads until `whole` says how long the answer is, or nothing more comes, or time is up.
fn until(talk: &mut dyn Talk, whole: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
    let deadline = Instant::now() + ANSWER_MAX;
    loop {
        if let Some(len) = whole(talk.received()) {
            return talk.take(len);
        }
        if !talk.wait(deadline) {
            let len = talk.received().len();
            return talk.take(len);
        }
    }
}

#[test]
fn sessions_answer_what_the_transcripts_say() {
    compare(&files(), |arguments| Box::new(Direct::start(arguments)));
}

#[test]
fn the_built_cache_answers_what_the_transcripts_say() {
    compare(&files(), |arguments| Box::new(Built::start(arguments)));
}

#[test]
fn memcached_answers_what_the_transcripts_say() {
    let program = "memcached";
    if !Memcached::is_there(program) {
        assert!(skipped("memcached is not installed"));
        return;
    }
    let files: Vec<PathBuf> = files().into_iter().filter(|path| !is_newer(path)).collect();
    if let Some(name) = std::env::var_os("PLIMSOLL_TRANSCRIPT_TO_RECORD") {
        let named = files.iter().find(|path| path.file_stem() == Some(&name));
        return record(program, named.expect("a transcript of that name"));
    }
    compare(&files, |arguments| Box::new(Memcached::start(program, arguments)));
}

#[test]
fn a_newer_memcached_answers_what_the_newer_transcripts_say() {
    let Ok(program) = std::env::var("PLIMSOLL_NEWER_MEMCACHED") else { return };
    let files: Vec<PathBuf> = files().into_iter().filter(|path| is_newer(path)).collect();
    compare(&files, |arguments| Box::new(Memcached::start(&program, arguments)));
}

/// Writes memcached's answers into the file, where they are not what is written there.
fn record(program: &str, path: &Path) {
    let text = std::fs::read_to_string(path).expect("it can be read");
    let mut file = File::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let peer = Memcached::start(program, &file.arguments);
    for case in &mut file.cases {
        empty(&peer, &file.arguments);
        let mut talk = peer.connect();
        let mut names = format::Names::default();
        for step in &mut case.steps {
            for part in &step.sent {
                talk.send(&names.fill(part).expect("a name that is bound"));
            }
            // Nobody knows how much comes: what has come after a while is all.
            let quiet = Instant::now() + Duration::from_millis(120);
            while talk.wait(quiet) {}
            let len = talk.received().len();
            let answer = talk.take(len);
            if names.take(&step.expected, &answer) != Some(answer.len()) {
                step.expected = format::literal(&answer);
            }
        }
        case.closes = talk.end().1;
    }
    std::fs::write(path, file.write()).expect("it can be written");
}
