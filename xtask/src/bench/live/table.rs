//! The tables of the live bench, in Markdown.

use super::onset;
use crate::bench::cost::median;
use crate::bench::sampling::machine;
use plimsoll_tests::live::account::{Account, Forecast};
use plimsoll_tests::live::stage::{Actor, Kind, Stage};
use std::time::Duration;

const MIB: f64 = 1024.0 * 1024.0;
/// Of those that are none of the bench's, so many are named.
const OTHERS_MAX: usize = 8;
const NOTHING: &str = "–";

pub fn print(stage: &Stage, minutes: u64) {
    println!("\n{}; limits reached in about {minutes} minutes\n", machine());
    println!(
        "| leak | allocator | shape | limit | life | end | suspected at | warned before the end \
        | at half of life: said, came | at three quarters | named | cause |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut accounts = Vec::new();
    for (actor, onset) in stage.actors.iter().filter_map(|a| Some((a, onset(&a.role)?))) {
        let end = actor.end.map_or_else(|| actor.started.elapsed(), |end| end.at);
        let account = Account::of(&actor.sightings, onset, end);
        println!("{}", row(actor, &account));
        accounts.push((actor, account));
    }
    println!("{}", summary(&accounts));

    println!("\n| healthy | allocator | shape | limit | most held | lives | accused of |");
    println!("|---|---|---|---|---|---|---|");
    for actor in stage.actors.iter().filter(|actor| !actor.leaks()) {
        println!("{}", healthy(actor));
    }
    let others: Vec<String> =
        stage.others.iter().map(|(id, worst)| format!("{id} ({})", worst.word())).collect();
    if !others.is_empty() {
        let shown = &others[..others.len().min(OTHERS_MAX)];
        println!("\nAccused besides, {} in all: {}", others.len(), shown.join(", "));
    }
}

fn row(actor: &Actor, account: &Account) -> String {
    let role = &actor.role;
    let cells = [
        role.name.to_owned(),
        role.allocator.to_owned(),
        role.shape.to_owned(),
        format!("{} MiB", role.limit_mib),
        seconds(account.life),
        ending(actor),
        account.suspected.map_or(NOTHING.to_owned(), percent),
        account.warned.map_or(NOTHING.to_owned(), |lead| {
            let share = lead.as_secs_f64() / account.life.as_secs_f64();
            let again = match account.withdrawn {
                0 => String::new(),
                n => format!(", withdrawn {n} ×"),
            };
            format!("{} ({}){again}", seconds(lead), percent(share))
        }),
        forecast(account.half),
        forecast(account.three_quarters),
        named(&account.named),
        account.cause.clone().unwrap_or_else(|| NOTHING.to_owned()),
    ];
    format!("| {} |", cells.join(" | "))
}

/// Medians over those that have the figure; counts over all.
fn summary(accounts: &[(&Actor, Account)]) -> String {
    let all = accounts.len();
    let killed = accounts.iter().filter(|(actor, _)| actor.end.is_some_and(|e| e.is_oom_kill()));
    let (killed, foretold) = killed.fold((0, 0), |(killed, told), (_, a)| {
        (killed + 1, told + usize::from(a.warned.is_some()))
    });
    let medians = |figure: fn(&Account) -> Option<f64>| {
        let values: Vec<f64> = accounts.iter().filter_map(|(_, a)| figure(a)).collect();
        (values.len(), median(values))
    };
    let (suspected, at) = medians(|a| a.suspected);
    let (_, lead) = medians(|a| a.warned.map(|lead| lead.as_secs_f64()));
    let (_, lead_share) =
        medians(|a| Some(a.warned?.as_secs_f64() / a.life.as_secs_f64().max(1.0)));
    let (standing, error) = medians(|a| a.half.map(|half| half.error()));
    let (_, later_error) = medians(|a| a.three_quarters.map(|later| later.error()));
    let covered = accounts.iter().filter(|(_, a)| a.half.is_some_and(|h| h.is_covered())).count();
    let full = accounts.iter().filter(|(_, a)| a.named.len() == 3).count();
    format!(
        "\n{suspected} of {all} suspected, at the median {} of life; {foretold} of {killed} kills \
        foretold, at the median {lead:.0} s ({}) ahead; {standing} of {all} forecasts stood at \
        half of life, at the median {} off ({} at three quarters), {covered} with the end between \
        p10 and p90; {full} of {all} named as process, cgroup and workload",
        percent(at),
        percent(lead_share),
        percent(error),
        percent(later_error),
    )
}

/// What it said, with p10 and p90 in brackets, and what came.
fn forecast(forecast: Option<Forecast>) -> String {
    let Some(forecast) = forecast else { return NOTHING.to_owned() };
    let Forecast { left, eta } = forecast;
    let outside = if forecast.is_covered() { "" } else { ", outside" };
    let off = percent(forecast.error());
    format!("{:.0} s [{:.0}–{:.0}], {left:.0} s: {off} off{outside}", eta.p50, eta.p10, eta.p90)
}

fn healthy(actor: &Actor) -> String {
    let role = &actor.role;
    let mut accused: Vec<String> =
        actor.sightings.iter().map(|s| format!("{} ({})", s.state.word(), word(s.kind))).collect();
    accused.sort();
    accused.dedup();
    let first = actor.sightings.first().map(|s| format!(" from {} on", seconds(s.at)));
    let cells = [
        role.name.to_owned(),
        role.allocator.to_owned(),
        role.shape.to_owned(),
        format!("{} MiB", role.limit_mib),
        format!("{:.0} MiB", actor.peak as f64 / MIB),
        if actor.end.is_none() { "yes".to_owned() } else { ending(actor) },
        if accused.is_empty() { "nothing".to_owned() } else { accused.join(", ") }
            + &first.unwrap_or_default(),
    ];
    format!("| {} |", cells.join(" | "))
}

fn ending(actor: &Actor) -> String {
    match actor.end {
        None => format!("lives, at {:.0} MiB", actor.peak as f64 / MIB),
        Some(end) if end.is_oom_kill() => "kernel".to_owned(),
        Some(end) => match end.status.code() {
            Some(code) => format!("by itself, code {code}"),
            None => end.status.to_string(),
        },
    }
}

fn named(kinds: &[Kind]) -> String {
    match kinds {
        [] => NOTHING.to_owned(),
        kinds if kinds.len() == 3 => "all three".to_owned(),
        kinds => kinds.iter().copied().map(word).collect::<Vec<_>>().join(", "),
    }
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Process => "process",
        Kind::Cgroup => "cgroup",
        Kind::Workload => "workload",
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.0} s", duration.as_secs_f64())
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
