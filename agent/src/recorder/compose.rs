//! From a draft to the document: series, what had been foretold with its error, summary, advice.
//! Pure; runs on the recorder's thread.

use super::draft::{Draft, DraftSeries, Told};
use super::{advice, words};
use crate::clock::{Clock, Stamp};
use crate::history::Split;
use crate::verdict::State;
use crate::view::{Foretold, Incident, IncidentSeries, Said};

/// What is said after the kernel's stamp of the kill is about its consequences. The slack is for
/// the two clocks.
const SLACK_MS: i64 = 250;
/// The same in seconds: a milder word that came no earlier before the stamp is such a consequence
/// too, for the victim's memory goes while the kernel still writes of the kill.
const SLACK_S: f64 = SLACK_MS as f64 / 1000.0;

/// Makes the document whole.
#[must_use]
pub fn compose(draft: Draft) -> Incident {
    let Draft { clock, killed_at, mut incident, series, said } = draft;
    incident.series = series.into_iter().map(|s| shown(s, clock)).collect();
    incident.foretold = foretold(&said, killed_at, clock);
    finish(&mut incident);
    incident
}

/// Works out anew what follows from the rest; after victims or the aftermath were added.
pub fn finish(incident: &mut Incident) {
    incident.summary = words::summary(incident);
    incident.next = advice::advice(incident);
}

fn shown(series: DraftSeries, clock: Clock) -> IncidentSeries {
    let unix_s = |at: Stamp| clock.unix_ms(at) as f64 / 1000.0;
    let row = |at: Stamp, split: &Split| {
        let Split { used, anon, file, shmem, swap } = *split;
        (unix_s(at), used.0, anon.0, file.0, shmem.0, swap.0)
    };
    let fine_from = series.points.first().map(|point| clock.rfc3339(point.at));
    let middle = |at: Stamp, until: Stamp| Stamp(at.0.midpoint(until.0));
    let minutes = series.minutes.iter().map(|b| row(middle(b.at, b.until), &b.median));
    let mut points: Vec<_> = minutes.collect();
    for point in &series.points {
        points.push(row(point.at, &point.split));
    }
    if let Some(last) = series.points.last().filter(|last| last.until > last.at) {
        points.push(row(last.until, &last.split));
    }
    IncidentSeries { target: series.target, role: series.role.to_owned(), fine_from, points }
}

fn foretold(said: &[Told], killed_at: Stamp, clock: Clock) -> Foretold {
    let latest = Stamp(killed_at.0.saturating_add(SLACK_MS));
    let mut history: Vec<(Stamp, Said)> = Vec::new();
    for told in said {
        let before = told.sayings.iter().filter(|saying| saying.at() <= latest);
        history.extend(before.map(|saying| {
            let at = saying.at();
            let said = Said {
                at: clock.rfc3339(at),
                before_s: killed_at.since(at).as_secs_f64(),
                target: told.target.clone(),
                state: saying.state,
                cause: saying.cause,
                used_bytes: saying.used,
                limit_bytes: saying.limit,
                rate_bytes_per_s: saying.rate,
                eta_s: saying.eta,
                error_s: saying.error_s(killed_at),
                inside: saying.inside(killed_at),
            };
            (at, said)
        }));
    }
    history.sort_by_key(|(at, _)| *at);
    let history: Vec<Said> = history.into_iter().map(|(_, said)| said).collect();
    let suspected = standing_since(&history, State::LeakSuspected);
    let predicted = standing_since(&history, State::OomPredicted);
    Foretold {
        predicted: predicted.is_some(),
        suspected_at: suspected.map(|said| said.at.clone()),
        suspected_before_s: suspected.map(|said| said.before_s),
        predicted_at: predicted.map(|said| said.at.clone()),
        predicted_before_s: predicted.map(|said| said.before_s),
        history,
    }
}

/// Since when some target stood at `state` or worse without a break until the kill.
fn standing_since(history: &[Said], state: State) -> Option<&Said> {
    let mut earliest: Option<&Said> = None;
    let mut targets: Vec<&str> = history.iter().map(|said| said.target.as_str()).collect();
    targets.sort_unstable();
    targets.dedup();
    for target in targets {
        let own = history.iter().rev().filter(|said| said.target == target);
        let own = own.skip_while(|said| said.state < state && said.before_s < SLACK_S);
        let since = own.take_while(|said| said.state >= state).last();
        let earlier = since.filter(|s| earliest.is_none_or(|e| s.before_s > e.before_s));
        earliest = earlier.or(earliest);
    }
    earliest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::foretold::Saying;
    use crate::units::{Bytes, BytesPerSec, Limit};
    use crate::verdict::{Cause, Eta};

    fn saying(at_s: i64, state: State, p50: Option<f64>) -> Saying {
        Saying {
            at_ms: at_s * 1000,
            state,
            cause: Cause::HeapLeak,
            used: Bytes::mib(1),
            limit: Limit::Max,
            rate: BytesPerSec(1.0),
            eta: p50.map(|p50| Eta { p10: p50 * 0.5, p50, p90: p50 * 2.0 }),
        }
    }

    fn told(target: &str, sayings: &[Saying]) -> Told {
        Told { target: target.into(), sayings: sayings.to_vec() }
    }

    #[test]
    fn what_was_foretold_counts_from_where_it_stood_without_a_break() {
        use State::{LeakSuspected, Ok, OomPredicted};
        let process = told(
            "process:1@1",
            &[
                saying(10, OomPredicted, Some(5.0)),
                saying(20, Ok, None),
                saying(50, LeakSuspected, None),
                saying(60, OomPredicted, Some(50.0)),
                saying(100, Ok, None),
                saying(101, Ok, None),
            ],
        );
        let cgroup = told("cgroup:/a", &[saying(70, OomPredicted, Some(30.0))]);
        let foretold = foretold(&[process, cgroup], Stamp(100_000), Clock::start());
        assert!(foretold.predicted);
        assert_eq!(foretold.suspected_before_s, Some(50.0));
        assert_eq!(foretold.predicted_before_s, Some(40.0));
        assert_eq!(foretold.history.len(), 6, "what was said after the kill is left out");
        let fourth = &foretold.history[3];
        assert_eq!((fourth.error_s, fourth.inside), (Some(10.0), Some(true)));
    }

    #[test]
    fn without_a_word_before_the_kill_nothing_was_foretold() {
        let none = foretold(&[], Stamp(5), Clock::start());
        assert_eq!(none, Foretold::default());
        let cleared = [saying(1, State::OomImminent, None), saying(2, State::Ok, None)];
        let cleared = foretold(&[told("node", &cleared)], Stamp(9_000), Clock::start());
        assert!(!cleared.predicted && cleared.suspected_at.is_none());
    }
}
