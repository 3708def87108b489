//! As `leak_stops`, but the leak never stops: it is named before the end, the cache gives all it
//! can, and what the kernel kills is the leaker, with an incident that says so.

use super::{Setting, Stage, mib};
use crate::judge::Report;
use crate::process::Process;
use crate::subject::{Kind, Subject};
use crate::traffic::Traffic;
use crate::{Fault, MIB};
use serde_json::Value;
use std::time::{Duration, Instant};

const LIMIT: u64 = 512 * MIB;
const CACHE_MIB: u64 = 300;
const LEAK_MIB_PER_S: f64 = 20.0;
/// A machine that is slow as such judges later as well: there it leaks more slowly, by so much at
/// most. At 18 MiB/s an emulated one on a busy host was filled before anything was believed of it.
const SLOWER_MOST: f64 = 2.0;
/// More than there is.
const LEAK_MIB: f64 = 4096.0;
const KILLED_WITHIN: Duration = Duration::from_secs(200);
const TOLD_WITHIN: Duration = Duration::from_secs(30);
const AHEAD_S: f64 = 5.0;
/// Segments that wait for the kernel's word, and what connections hold.
const ABOVE_FLOOR: u64 = 4 * MIB;
/// How often the leak's size is looked at.
const LOOK_MS: u32 = 20;
/// Looks that are kept: more than there is time for.
const LOOKS_MAX: usize = 10_000;

pub fn run(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    let mut stage = Stage::set(setting, subject, "leak-goes-on", LIMIT, Some(CACHE_MIB))?;
    let keys = stage.fill(setting, CACHE_MIB * MIB * 11 / 10, report)?;
    let gauge = stage.gauge(setting)?;
    let traffic = Traffic::start(&stage.server, keys, setting.pace(2))?;
    let rate = LEAK_MIB_PER_S / setting.slack.min(SLOWER_MOST);
    let mut leak = stage.leak(rate, LEAK_MIB)?;
    let leaker = leak.pid();
    let mut pace = Pace::default();
    let every = setting.pace(LOOK_MS);
    setting.interrupt.wait_every(every, "somebody is killed", KILLED_WITHIN, || {
        pace.look(&leak);
        let ended = leak.ended().is_some() || stage.server.process.ended().is_some();
        if ended { Ok(()) } else { Err(format!("{:?} held", stage.arena.usage())) }
    })?;
    let least = gauge.as_ref().map(super::Gauge::last).unwrap_or_default();
    let incident = incident(setting, &stage, report);
    let killed = (leak.was_killed(), stage.server.process.ended().is_some());
    let measured = format!("leaker killed: {}, cache ended: {}", killed.0, killed.1);
    report.must("the kill takes the leaker", "the leaker only", measured, killed == (true, false));
    let tally = traffic.finish();
    if subject.kind != Kind::Ours {
        return Ok(());
    }
    let (used, floor) = (least.used_bytes, least.floor_bytes);
    report.must(
        "the cache gives down to its floor",
        format!("≤ {} + {}", mib(floor), mib(ABOVE_FLOOR)),
        format!("{} held, {} given", mib(used), mib(least.given_bytes)),
        used <= floor + ABOVE_FLOOR,
    );
    let fault = format!("fault: {:?}", tally.fault);
    report.must("gets are answered throughout", "no fault", fault, tally.fault.is_none());
    if let Some(incident) = incident {
        // A slow machine leaks more slowly than it is told to.
        report.note(format!("the leak's own pace: {:.1} of {rate} MiB/s", pace.mib_per_s()));
        judge(&incident, leaker, pace.mib_per_s(), report);
    }
    Ok(())
}

/// The incident of our cgroup; None: there is none, which is said.
fn incident(setting: &Setting, stage: &Stage, report: &mut Report) -> Option<Value> {
    let path = stage.arena.path();
    let found = setting.interrupt.wait("an incident", TOLD_WITHIN, || {
        let list = stage.agent.json("/api/v1/incidents")?;
        for row in list.as_array().into_iter().flatten() {
            let id = row["id"].as_str().unwrap_or_default();
            let one = stage.agent.json(&format!("/api/v1/incidents/{id}"))?;
            if one["memcg"]["path"] == path {
                return Ok(one);
            }
        }
        Err(list.to_string())
    });
    let measured = found.as_ref().err().cloned().unwrap_or_else(|| "it is".to_owned());
    report.must("the kill is recorded", "an incident of the cgroup", measured, found.is_ok());
    found.ok()
}

fn judge(incident: &Value, leaker: u32, real: f64, report: &mut Report) {
    let victim = &incident["victims"][0]["pid"];
    let what = "the incident names the leaker as victim";
    report.must(what, format!("pid {leaker}"), victim.to_string(), *victim == leaker);
    let grower = &incident["growers"][0];
    let rate = grower["rate_bytes_per_s"].as_f64().unwrap_or(0.0) / MIB as f64;
    let (least, most) = (real * 0.75, real * 1.25);
    report.must(
        "and as the one who grew, with its growth",
        format!("victim, {least:.1} to {most:.1} MiB/s"),
        format!("{}, {rate:.1} MiB/s", grower["name"].as_str().unwrap_or("nobody")),
        grower["victim"] == true && (least..=most).contains(&rate),
    );
    let foretold = &incident["foretold"];
    for (what, key) in [
        ("the leaker is leak_suspected ahead of its end", "suspected_before_s"),
        ("oom_predicted is said ahead of its end", "predicted_before_s"),
    ] {
        let ahead = foretold[key].as_f64();
        let measured = ahead.map_or("never".to_owned(), |s| format!("{s:.1} s"));
        report.must(what, "≥ 5 s", measured, ahead.is_some_and(|s| s >= AHEAD_S));
    }
}

/// The leak as it really went: its resident size at moments of the machine's own clock.
#[derive(Debug, Default)]
struct Pace(Vec<(Instant, f64)>);

impl Pace {
    fn look(&mut self, leak: &Process) {
        if let Some(resident) = leak.resident().filter(|_| self.0.len() < LOOKS_MAX) {
            self.0.push((Instant::now(), resident as f64 / MIB as f64));
        }
    }

    /// Of the line of least squares, as the incident's is; 0 without looks.
    fn mib_per_s(&self) -> f64 {
        let Some(&(first, _)) = self.0.first() else { return 0.0 };
        let n = self.0.len() as f64;
        let looks = || self.0.iter().map(|(at, mib)| ((*at - first).as_secs_f64(), *mib));
        let mean = (looks().map(|l| l.0).sum::<f64>() / n, looks().map(|l| l.1).sum::<f64>() / n);
        let both: f64 = looks().map(|(t, mib)| (t - mean.0) * (mib - mean.1)).sum();
        let square: f64 = looks().map(|(t, _)| (t - mean.0).powi(2)).sum();
        if square > 0.0 { both / square } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_the_slope_of_what_was_seen() {
        let begun = Instant::now();
        let look = |n: u32| (begun + Duration::from_millis(100 * u64::from(n)), 7.0 + f64::from(n));
        let pace = Pace((0..50).map(look).collect());
        assert!((pace.mib_per_s() - 10.0).abs() < 0.001, "{}", pace.mib_per_s());
        assert!(Pace::default().mib_per_s().abs() < f64::EPSILON);
    }
}
