//! What is told and when, on a clock of the test's own.

use super::*;
use crate::frame::Word;

const EPOCH: Epoch = Epoch(7);

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A state to which an agent is connected.
fn connected() -> State {
    let mut state = State::new("test".into(), Bytes(5));
    state.connected(17);
    assert!(String::from_utf8(std::mem::take(&mut state.out)).unwrap().contains("\"pid\":17"));
    state
}

fn word(scope: &str, level: Level, reclaim_bytes: u64) -> Word {
    let scope = Scope::try_from(scope.to_owned()).unwrap();
    Word { scope, level, reclaim_bytes: Bytes(reclaim_bytes), ..Word::default() }
}

/// The agent of `epoch` says a word; returns what the application is told of it.
fn says(state: &mut State, epoch: Epoch, seq: u64, word: Word, ms: u64) -> Option<Told> {
    let line = Signal { seq: Seq(seq), epoch, word }.to_line();
    state.receive(&line, at(ms)).unwrap();
    state.take()
}

fn short(level: Level) -> Judged {
    Judged { level, reclaim_bytes: Some(Bytes(99)), ..Judged::default() }
}

#[test]
fn a_word_is_told_once_however_often_it_is_repeated() {
    let mut state = connected();
    let told = says(&mut state, EPOCH, 1, word("node", Level::Medium, 300), 0).unwrap();
    assert_eq!((told.level, told.overall), (Level::Medium, Level::Medium));
    assert_eq!(told.reclaim_bytes, Some(Bytes(300)));
    for second in 1..10 {
        let again = says(&mut state, EPOCH, 1, word("node", Level::Medium, 300), second * 1000);
        assert_eq!(again, None);
        state.tick(at(second * 1000 + 999));
    }
    assert_eq!(state.overall(), Level::Medium);
    assert!(says(&mut state, EPOCH, 2, word("node", Level::Medium, 300), 10_000).is_some());
    assert_eq!(says(&mut state, EPOCH, 1, word("node", Level::Low, 1), 10_001), None, "older");
}

#[test]
fn the_worst_of_all_scopes_is_what_to_go_by_and_a_scope_not_repeated_lapses() {
    let mut state = connected();
    says(&mut state, EPOCH, 1, word("cgroup:/a", Level::Critical, 10), 0);
    let told = says(&mut state, EPOCH, 2, word("node", Level::Low, 0), 0).unwrap();
    assert_eq!((told.level, told.overall), (Level::Low, Level::Critical));
    says(&mut state, EPOCH, 2, word("node", Level::Low, 0), 2000);
    state.tick(at(2849));
    assert_eq!(state.take(), None);
    state.tick(at(2850));
    let told = state.take().unwrap();
    assert_eq!((told.scope, told.level), (Scope::cgroup("/a").unwrap(), Level::None));
    assert_eq!((told.overall, told.reclaim_bytes), (Level::Low, Some(Bytes::ZERO)));
}

#[test]
fn before_three_seconds_of_silence_are_over_the_own_judgement_is_told_and_what_was_said_is_void() {
    let mut state = connected();
    says(&mut state, EPOCH, 1, word("node", Level::Medium, 300), 0);
    state.disconnected();
    state.tick(at(2849));
    assert_eq!((state.overall(), state.agent()), (Level::Medium, Some(EPOCH)));
    state.tick(at(2850));
    assert_eq!((state.overall(), state.agent()), (Level::None, None));
    state.judged(Judged::default(), at(2850));
    let told = state.take().unwrap();
    assert_eq!((told.source, told.level), (Source::Own, Level::None));
    assert_eq!(told.cause.as_str(), "agent_silent");

    state.judged(short(Level::Critical), at(3250));
    let told = state.take().unwrap();
    assert_eq!((told.level, told.reclaim_bytes), (Level::Critical, Some(Bytes(99))));
}

#[test]
fn alone_a_shortage_is_told_each_second_and_its_end_after_two() {
    let mut state = State::new("test".into(), Bytes(5));
    let told: Vec<Level> = (0..20)
        .filter_map(|step: u64| {
            let level = if step < 8 { Level::Low } else { Level::None };
            state.judged(short(level), at(step * 250));
            state.take().map(|told| told.overall)
        })
        .collect();
    // At 0, 1, 2, 3 s; calm since 2 s is believed at 4 s.
    assert_eq!(told, [Level::Low, Level::Low, Level::Low, Level::Low, Level::None]);
}

#[test]
fn an_answer_goes_to_the_agent_that_asked_and_to_no_other() {
    let mut state = connected();
    let answer = Answer { freed_bytes: Bytes(1), ..Answer::default() };
    let old = says(&mut state, EPOCH, 5, word("node", Level::Low, 10), 0).unwrap();
    assert_eq!(state.ack(old.source, answer), Acked::Queued);
    assert!(String::from_utf8(state.out.clone()).unwrap().contains("\"ack\":5,\"freed_bytes\":1"));

    state.disconnected();
    assert!(state.out.is_empty(), "what was not sent is not sent to the next agent");
    assert_eq!(state.ack(old.source, answer), Acked::Stale);
    state.connected(17);
    assert_eq!(state.ack(old.source, answer), Acked::Stale, "who is there is not known yet");

    let new = says(&mut state, Epoch(8), 5, word("node", Level::Low, 10), 500).unwrap();
    assert_eq!(state.ack(old.source, answer), Acked::Stale);
    assert_eq!(state.ack(new.source, answer), Acked::Queued);
    assert_eq!(state.ack(Source::Own, answer), Acked::NobodyAsked);
}

#[test]
fn a_new_agent_starts_anew_though_its_numbers_are_smaller() {
    let mut state = connected();
    says(&mut state, EPOCH, 900, word("cgroup:/a", Level::Critical, 10), 0);
    let told = says(&mut state, Epoch(8), 1, word("node", Level::Low, 0), 100).unwrap();
    assert_eq!((told.level, told.overall), (Level::Low, Level::Low));
}

#[test]
fn bytes_are_not_wanted_twice_when_the_same_agent_is_heard_again() {
    let mut state = connected();
    says(&mut state, EPOCH, 1, word("node", Level::Medium, 300), 0);
    state.tick(at(2850));
    state.judged(short(Level::Low), at(2850));
    state.take();
    let told = says(&mut state, EPOCH, 1, word("node", Level::Medium, 300), 4000).unwrap();
    assert_eq!((told.overall, told.reclaim_bytes), (Level::Medium, Some(Bytes::ZERO)));
    state.tick(at(4001));
    assert_eq!(state.take(), None);
}

#[test]
fn an_alarm_of_systemd_is_medium_for_a_while_without_a_number() {
    let mut state = connected();
    says(&mut state, EPOCH, 1, word("node", Level::None, 0), 0);
    state.rang(at(100));
    state.rang(at(200));
    let told = state.take().unwrap();
    assert_eq!((told.source, told.level), (Source::Systemd, Level::Medium));
    assert_eq!((told.overall, told.reclaim_bytes), (Level::Medium, None));
    assert_eq!(state.take(), None, "a flood is one alarm a second");
    says(&mut state, EPOCH, 1, word("node", Level::None, 0), 9000);
    state.tick(at(10_100));
    let told = state.take().unwrap();
    assert_eq!((told.source, told.overall), (Source::Systemd, Level::None));
}

#[test]
fn everything_kept_is_bounded() {
    let mut state = connected();
    for seq in 1..=200_u64 {
        let word = word(&format!("cgroup:/{seq}"), Level::Low, 1);
        let line = Signal { seq: Seq(seq), epoch: EPOCH, word }.to_line();
        state.receive(&line, at(seq)).unwrap();
    }
    assert_eq!((state.told.len(), state.dropped), (TOLD_MAX, 200 - TOLD_MAX as u64));
    assert_eq!(state.heard.len(), SCOPES_MAX);
    let source = Source::Agent { epoch: EPOCH, seq: Seq(1) };
    let acked = (0..1000).map(|_| state.ack(source, Answer::default())).last();
    assert_eq!(acked, Some(Acked::Full));
    assert!(state.out.len() < OUT_BYTES_MAX + 100);
}
