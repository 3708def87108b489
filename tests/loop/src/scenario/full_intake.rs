//! Twice as much as the cgroup may hold, at full speed: the cache lives, answers gets all the
//! while, and what it does not take it refuses fast.

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
const AFTERWARDS: Duration = Duration::from_secs(3);

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
    let p99 = tally.took_ms(0.99, |asked| asked == Asked::Refused);
    let measured = p99.map_or("none was refused".to_owned(), |ms| format!("p99 {ms:.1} ms"));
    let fast = p99.is_none_or(|ms| ms <= REFUSED_MS);
    report.must("sets are refused fast", format!("≤ {REFUSED_MS} ms"), measured, fast);
    Ok(())
}
