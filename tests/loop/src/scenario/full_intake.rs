//! Twice as much as the cgroup may hold, at full speed: the cache lives and answers gets all the
//! while. Alone it evicts and refuses nothing; so a neighbour then takes memory until there is
//! pressure while the intake goes on, and what the cache does not take it has to refuse, fast.

use super::{Setting, Stage, mib};
use crate::judge::Report;
use crate::subject::{Kind, Subject};
use crate::traffic::{Asked, Traffic};
use crate::{Fault, MIB};
use std::time::{Duration, Instant};

const LIMIT: u64 = 256 * MIB;
/// What a peer is told to hold: a tenth is left for what it does not count. Ours sees for itself.
const PEERS_MIB: u64 = 230;
const INTAKE: u64 = 2 * LIMIT;
const BATCH: u64 = 64;
/// No get waits longer, and nothing between two gets lasts longer.
const GET_MS: f64 = 500.0;
const REFUSED_MS: f64 = 50.0;
const AFTERWARDS: Duration = Duration::from_secs(1);
/// What the neighbour takes: more than is free, and less than the cache can give.
const TAKEN_MIB: f64 = 100.0;
const TAKEN_MIB_PER_S: f64 = 40.0;
/// While it takes it, and a moment after.
const SHORT_FOR: Duration = Duration::from_secs(4);
/// So many at least, or nothing can be said of how fast they are.
const REFUSED_MIN: usize = 20;

pub fn run(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    let memory = (subject.kind != Kind::Ours).then_some(PEERS_MIB);
    let mut stage = Stage::set(setting, subject, "full-intake", LIMIT, memory)?;
    let value_len = subject.value_len;
    let keys = INTAKE / value_len as u64;
    let traffic = Traffic::start(&stage.server, keys, setting.pace(2))?;
    let begun = Instant::now();
    let (mut stored, mut refused) = (0, 0);
    let mut client = stage.server.client()?;
    let mut fault = None;
    for from in (0..keys).step_by(BATCH as usize) {
        match client.set_many(from..keys.min(from + BATCH), value_len) {
            Ok(count) => (stored, refused) = (stored + BATCH - count, refused + count),
            Err(why) => fault = Some(why),
        }
        if fault.is_some() || setting.interrupt.is_set() {
            break;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let is_ours = subject.kind == Kind::Ours;
    if is_ours && fault.is_none() {
        fault = while_short(setting, &stage, keys, report)?;
    }
    setting.interrupt.pause(AFTERWARDS)?;
    let tally = traffic.finish();
    let kills = stage.arena.oom_kills().unwrap_or(0);
    let intake = mib((stored + refused) * value_len as u64);
    report.note(format!("{intake} in {took:.1} s: {stored} stored, {refused} refused"));
    let most = mib(stage.meter.most());
    report.note(format!("at most {most} of {} were held, {kills} kills", mib(LIMIT)));
    let has_ended = stage.server.process.ended().is_some();
    let measured = format!("{kills} kills, ended: {has_ended}, {fault:?}");
    let lives = kills == 0 && !has_ended && fault.is_none();
    report.must("nobody is killed", "0 kills", measured, lives);

    let is_get = |asked| matches!(asked, Asked::Hit | Asked::Miss);
    let slowest = tally.took_ms(1.0, is_get).unwrap_or(f64::INFINITY);
    let p99 = tally.took_ms(0.99, is_get).unwrap_or(f64::INFINITY);
    let get_ms = GET_MS * setting.slack;
    report.must(
        "gets are answered throughout",
        format!("no fault, none slower than {get_ms} ms"),
        format!("p99 {p99:.1} ms, slowest {slowest:.1} ms, fault: {:?}", tally.fault),
        tally.fault.is_none() && slowest <= get_ms,
    );
    let hits = tally.count(|asked| asked == Asked::Hit);
    let gets = tally.count(is_get);
    report.note(format!("{hits} of {gets} gets were hits"));
    if !is_ours {
        return Ok(());
    }
    let refused = tally.count(|asked| asked == Asked::Refused);
    let took =
        |share| tally.took_ms(share, |asked| asked == Asked::Refused).unwrap_or(f64::INFINITY);
    let (p99, slowest, within) = (took(0.99), took(1.0), REFUSED_MS * setting.slack);
    report.must(
        "sets are refused fast",
        format!("≥ {REFUSED_MIN} timed, ≤ {within} ms"),
        format!("{refused} timed, p99 {p99:.1} ms, slowest {slowest:.1} ms"),
        refused >= REFUSED_MIN && p99 <= within,
    );
    Ok(())
}

/// A neighbour takes memory, and new keys come at full speed. What went wrong, if anything did.
fn while_short(
    setting: &Setting,
    stage: &Stage,
    keys: u64,
    report: &mut Report,
) -> Result<Option<Fault>, Fault> {
    let mut client = stage.server.client()?;
    let _leak = stage.leak(TAKEN_MIB_PER_S, TAKEN_MIB)?;
    let (begun, mut refused, mut key) = (Instant::now(), 0, keys);
    let mut fault = None;
    while begun.elapsed() < SHORT_FOR && fault.is_none() && !setting.interrupt.is_set() {
        match client.set_many(key..key + BATCH, stage.server.value_len) {
            Ok(count) => (refused, key) = (refused + count, key + BATCH),
            Err(why) => fault = Some(why),
        }
    }
    let stored = key - keys - refused;
    let taken = format!("{TAKEN_MIB} MiB in {} s", TAKEN_MIB / TAKEN_MIB_PER_S);
    report
        .note(format!("then, while a neighbour took {taken}: {stored} stored, {refused} refused"));
    Ok(fault)
}
