//! `leaks`: the verdicts that are not ok, most urgent first, or that there are none.

use super::ask::{Agent, AgentArgs, AskError, name_of};
use super::{Exit, Failure, text};
use crate::verdict::{State, Verdict};
use jiff::Timestamp;
use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

const WATCH_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, clap::Args)]
pub struct LeaksArgs {
    /// One JSON array of verdicts, as the API has them
    #[arg(long)]
    pub json: bool,
    /// Also show what is well or still warming up
    #[arg(long)]
    pub all: bool,
    /// Ask again every 2 s, until interrupted
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    pub agent: AgentArgs,
}

pub(super) fn leaks(args: &LeaksArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let agent = Agent::at(&args.agent)?;
    if !args.watch {
        show(args, agent.verdicts()?, out)?;
        return Ok(Exit::Good);
    }
    // Nobody sends: the channel is a timer that needs no sleep.
    let (_keep, timer) = mpsc::channel::<()>();
    loop {
        match agent.verdicts() {
            Ok(verdicts) => show(args, verdicts, out)?,
            Err(gone @ AskError::NoAgent { .. }) if !args.json => writeln!(out, "{gone}")?,
            Err(AskError::NoAgent { .. }) => {}
            Err(other) => return Err(other.into()),
        }
        out.flush()?;
        let _ = timer.recv_timeout(WATCH_INTERVAL);
    }
}

fn show(args: &LeaksArgs, verdicts: Vec<Verdict>, out: &mut dyn Write) -> Result<(), Failure> {
    if args.json {
        let shown = chosen(verdicts, args.all);
        serde_json::to_writer(&mut *out, &shown)?;
        writeln!(out)?;
        return Ok(());
    }
    let now = Timestamp::now();
    if args.watch {
        writeln!(out, "{now:.0}")?;
    }
    out.write_all(table(verdicts, args.all, now).as_bytes())?;
    Ok(())
}

/// Those to be shown, most urgent first.
fn chosen(mut verdicts: Vec<Verdict>, all: bool) -> Vec<Verdict> {
    verdicts.retain(|v| all || v.state >= State::LeakSuspected);
    verdicts.sort_by_cached_key(|v| {
        (text::urgency(v.state, v.eta_s, v.rate_bytes_per_s), v.target.id.clone())
    });
    verdicts
}

/// The table, or one line that says nothing is leaking.
fn table(verdicts: Vec<Verdict>, all: bool, now: Timestamp) -> String {
    let quiet = verdicts.iter().all(|v| v.state < State::LeakSuspected);
    let summary = quiet.then(|| nothing(&verdicts, now));
    let shown = chosen(verdicts, all);
    let mut out = String::new();
    if !shown.is_empty() {
        let head = ["STATE", "TARGET", "CAUSE", "USED", "LIMIT", "RATE", "TIME LEFT", "SINCE"];
        let rows: Vec<[String; 8]> = shown.iter().map(|v| row(v, now)).collect();
        let widths: Vec<usize> = (0..head.len())
            .map(|i| {
                rows.iter().map(|row| text::width(&row[i])).max().unwrap_or(0).max(head[i].len())
            })
            .collect();
        for row in std::iter::once(&head.map(String::from)).chain(&rows) {
            let cells = row.iter().zip(&widths).enumerate();
            let cells =
                cells.map(|(i, (cell, &columns))| text::pad(cell, columns, (3..6).contains(&i)));
            out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            out.push('\n');
        }
    }
    if let Some(summary) = summary {
        out.push_str(&summary);
        out.push('\n');
    }
    out
}

fn row(verdict: &Verdict, now: Timestamp) -> [String; 8] {
    [
        text::state(verdict.state).into(),
        text::fit(&name_of(verdict), 60),
        text::cause(verdict.cause).into(),
        verdict.used_bytes.to_string(),
        text::limit(verdict.limit_bytes),
        text::rate(verdict.rate_bytes_per_s),
        text::eta_with_interval(verdict.eta_s),
        age(verdict, now).map_or_else(|| "-".into(), |s| format!("{} ago", text::span(s))),
    ]
}

/// Seconds for which it has been in its state.
fn age(verdict: &Verdict, now: Timestamp) -> Option<f64> {
    let since: Timestamp = verdict.since.parse().ok()?;
    Some(now.duration_since(since).as_secs_f64().max(0.0))
}

fn nothing(verdicts: &[Verdict], now: Timestamp) -> String {
    let warming = verdicts.iter().filter(|v| v.state == State::WarmingUp).count();
    let judged = verdicts.len() - warming;
    let longest = verdicts.iter().filter_map(|v| age(v, now)).fold(0.0, f64::max);
    let still = match warming {
        0 => String::new(),
        n => format!("; {n} still warming up"),
    };
    if judged == 0 {
        return format!("nothing is judged yet{still}");
    }
    let targets = if judged == 1 { "target is" } else { "targets are" };
    let longest = text::span(longest);
    format!(
        "nothing is leaking: {judged} {targets} watched, the longest steady for {longest}{still}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::TargetKind;
    use crate::units::{Bytes, BytesPerSec, Limit};
    use crate::verdict::{Cause, Eta, TargetLabel};

    fn verdict(comm: &str, pid: u32, state: State) -> Verdict {
        let leaking = state >= State::OomPredicted;
        Verdict {
            target: TargetLabel {
                kind: TargetKind::Process,
                id: format!("process:{pid}@77"),
                pid: Some(pid),
                start_time: None,
                cgroup: None,
                labels: [("comm".to_owned(), comm.to_owned())].into(),
            },
            state,
            cause: if leaking { Cause::HeapLeak } else { Cause::Unknown },
            used_bytes: Bytes::mib(400),
            limit_bytes: if leaking { Limit::At(Bytes::mib(512)) } else { Limit::Max },
            rate_bytes_per_s: BytesPerSec(if leaking { 65_536.0 } else { 0.0 }),
            eta_s: leaking.then_some(Eta { p10: 1500.0, p50: 1800.0, p90: 2400.0 }),
            confidence: 0.9,
            since: "2026-11-21T10:00:00.000Z".into(),
            evidence: vec![],
        }
    }

    fn now() -> Timestamp {
        "2026-11-21T10:30:00Z".parse().unwrap()
    }

    #[test]
    fn leaks_are_listed_by_urgency_with_time_left_and_its_interval() {
        let verdicts = vec![
            verdict("quiet", 1, State::Ok),
            verdict("slow\u{1b}[2J", 30, State::LeakSuspected),
            verdict("日本語サーバー", 4000, State::OomPredicted),
        ];
        insta::assert_snapshot!(table(verdicts.clone(), false, now()));
        let ids: Vec<String> =
            chosen(verdicts, true).into_iter().map(|verdict| verdict.target.id).collect();
        assert_eq!(ids, ["process:4000@77", "process:30@77", "process:1@77"]);
    }

    #[test]
    fn where_nothing_leaks_it_says_how_much_is_watched_and_for_how_long() {
        let quiet = || verdict("a", 1, State::Ok);
        assert_eq!(
            table(vec![quiet(), quiet(), verdict("b", 2, State::WarmingUp)], false, now()),
            "nothing is leaking: 2 targets are watched, the longest steady for 30m; \
             1 still warming up\n"
        );
        assert_eq!(table(vec![], false, now()), "nothing is judged yet\n");
        assert!(table(vec![quiet()], true, now()).starts_with("STATE  TARGET"));
    }

    #[test]
    fn json_is_what_the_api_gave() {
        let args = LeaksArgs {
            json: true,
            all: false,
            watch: false,
            agent: AgentArgs::bare(String::new()),
        };
        let mut out = Vec::new();
        let given = verdict("x", 7, State::OomImminent);
        show(&args, vec![verdict("y", 8, State::Ok), given.clone()], &mut out).unwrap();
        assert_eq!(serde_json::from_slice::<Vec<Verdict>>(&out).unwrap(), [given]);
    }
}
