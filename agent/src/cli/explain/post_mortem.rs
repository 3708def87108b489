//! One incident in words: what, who, why, since when, whether it was foretold, what to do. Pure;
//! foreign text leaves here harmless.

mod heap;

use super::super::text::{cause, clean, rate, span, state};
use crate::view::{
    EvidenceTaken, Grower, Incident, KillKind, LimitedCgroup, Said, SeenBy, Stage, Victim,
};
use jiff::Timestamp;

const LABEL: usize = 10;
const WIDTH: usize = 96;
const VICTIMS_SHOWN: usize = 8;
const SAID_SHOWN: usize = 8;

/// The post-mortem, ready to be printed.
pub(super) fn text(incident: &Incident, now: Timestamp) -> String {
    let mut page = Page::default();
    head(&mut page, incident, now);
    page.section("What");
    page.prose(&format!("{}.", clean(&incident.summary)));
    page.prose(kind(incident));
    aftermath(&mut page, incident);
    who(&mut page, incident);
    why(&mut page, incident);
    heap::heap(&mut page, incident);
    since_when(&mut page, incident);
    foretold(&mut page, incident);
    signals(&mut page, incident);
    next(&mut page, incident);
    if !incident.notes.is_empty() {
        page.section("Missing");
        incident.notes.iter().for_each(|note| page.prose(&clean(note)));
    }
    page.0
}

fn head(page: &mut Page, incident: &Incident, now: Timestamp) {
    let ago = incident
        .at
        .parse::<Timestamp>()
        .ok()
        .map(|at| format!(" ({} ago)", span(now.duration_since(at).as_secs_f64().max(0.0))));
    page.line(&format!(
        "Incident {}: {}{} on {}",
        clean(&incident.id),
        clean(&incident.at),
        ago.unwrap_or_default(),
        clean(&incident.hostname),
    ));
}

const fn kind(incident: &Incident) -> &'static str {
    match (incident.kind, incident.seen_by) {
        (_, SeenBy::Counters) => "Only counters told of it; who was killed is inferred.",
        (KillKind::MainProcess, _) => {
            "It was the main process of its cgroup: with it the container ended."
        }
        (KillKind::ChildProcess, _) => {
            "It was not the main process of its cgroup: the container lived on."
        }
        (KillKind::Group, _) => {
            "memory.oom.group is set: the kernel killed all of the cgroup at once."
        }
        (KillKind::Node, _) => "No cgroup's limit was reached: the machine itself was short.",
        (KillKind::Unknown, _) => "Whether it was the main process of its cgroup is not known.",
    }
}

fn aftermath(page: &mut Page, incident: &Incident) {
    let Some(after) = &incident.aftermath else { return };
    let left = match (after.cgroup_exists, after.processes) {
        (false, _) => "the cgroup was gone".to_owned(),
        (true, 0) => "the cgroup was empty".to_owned(),
        (true, 1) => "1 process was left in the cgroup".to_owned(),
        (true, n) => format!("{n} processes were left in the cgroup"),
    };
    page.prose(&format!("Some seconds later {left}."));
}

fn who(page: &mut Page, incident: &Incident) {
    page.section("Who");
    for of in incident.victims.iter().take(VICTIMS_SHOWN) {
        page.item("victim", &victim(of));
    }
    let more =
        incident.victims.len().saturating_sub(VICTIMS_SHOWN) + incident.victims_left_out as usize;
    if more > 0 {
        page.item("", &format!("and {more} more"));
    }
    if let Some(killer) = &incident.killer {
        let comm = clean(killer.comm.as_deref().unwrap_or("?"));
        let pid = killer.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        page.item("asked", &format!("{comm}{pid} made the allocation that failed"));
    }
    if let Some(memcg) = &incident.memcg {
        page.item("limit", &limit(memcg));
    }
}

fn victim(of: &Victim) -> String {
    let comm = clean(of.comm.as_deref().unwrap_or("a process"));
    let mut parts = vec![of.pid.map_or_else(|| comm.clone(), |pid| format!("{comm} (pid {pid})"))];
    parts.extend(of.exe.as_deref().map(clean));
    parts.extend(of.workload.as_deref().map(|workload| format!("of {}", clean(workload))));
    parts.extend(of.rss_bytes.map(|rss| match of.anon_bytes {
        Some(anon) => format!("held {rss} ({anon} of it anonymous)"),
        None => format!("held {rss}"),
    }));
    parts
        .extend(of.oom_score_adj.filter(|adj| *adj != 0).map(|adj| format!("oom_score_adj {adj}")));
    parts.extend(of.age_s.map(|age| format!("lived {}", span(age))));
    if of.inferred {
        parts.push("inferred".to_owned());
    }
    parts.join(", ")
}

fn limit(memcg: &LimitedCgroup) -> String {
    let limit = memcg.limit_bytes.bytes();
    let mut text = clean(&memcg.path);
    match (memcg.usage_bytes, limit) {
        (Some(usage), Some(limit)) => text += &format!(": {usage} used of {limit}"),
        (Some(usage), None) => text += &format!(": {usage} used"),
        (None, Some(limit)) => text += &format!(": limit {limit}"),
        (None, None) => {}
    }
    let parts = [
        ("anon", memcg.anon_bytes),
        ("shmem", memcg.shmem_bytes),
        ("kernel", memcg.kernel_bytes),
        ("page cache", memcg.file_bytes),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter_map(|(name, bytes)| bytes.map(|bytes| format!("{name} {bytes}")))
        .collect();
    if !parts.is_empty() {
        text += &format!(" (last read: {})", parts.join(", "));
    }
    text
}

fn why(page: &mut Page, incident: &Incident) {
    page.section("Why");
    let Some(verdict) = &incident.verdict else {
        page.prose("There was no verdict on the victim or its cgroup.");
        return;
    };
    page.prose(&format!(
        "The last verdict was '{}' on {}: cause {}, {}, confidence {:.0} %.",
        state(verdict.state),
        clean(&verdict.target.id),
        match cause(verdict.cause) {
            "-" => "unknown",
            known => known,
        },
        rate(verdict.rate_bytes_per_s),
        100.0 * verdict.confidence,
    ));
    for taken in &incident.evidence {
        page.item(stage(taken), &evidence(taken));
    }
}

const fn stage(taken: &EvidenceTaken) -> &'static str {
    match taken.stage {
        Stage::Suspected => "at first",
        Stage::BeforeLimit => "near limit",
    }
}

fn evidence(taken: &EvidenceTaken) -> String {
    let before = taken.before_s.map_or_else(String::new, |s| format!("{} before: ", span(s)));
    let name = clean(taken.comm.as_deref().unwrap_or(&taken.target));
    let mut text = format!("{before}{name}, {} used", taken.used_bytes);
    if let Some(mappings) = &taken.mappings {
        let mut kinds: Vec<(&String, &u64)> = mappings.iter().filter(|(_, b)| **b > 0).collect();
        kinds.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
        let kind = |(name, bytes): (&String, &u64)| {
            format!("{} {}", clean(name), crate::units::Bytes(*bytes))
        };
        let kinds: Vec<String> = kinds.into_iter().take(4).map(kind).collect();
        text += &format!("; mappings: {}", kinds.join(", "));
    } else if let Some(note) = &taken.smaps_note {
        text += &format!("; mappings {}", clean(note));
    }
    if let Some(psi) = taken.psi.filter(|psi| psi.some_avg10 > 0.0) {
        text += &format!("; {:.0} % of the time waited for memory", psi.some_avg10);
    }
    text
}

fn since_when(page: &mut Page, incident: &Incident) {
    if incident.growers.is_empty() {
        return;
    }
    page.section("Since when");
    for grower in incident.growers.iter().take(5) {
        page.prose(&grown(grower));
    }
}

fn grown(grower: &Grower) -> String {
    let since = clean(grower.since.split('.').next().unwrap_or_default());
    let mark = if grower.victim { ", killed" } else { "" };
    format!(
        "{}{mark}: grew by {} in {} (since {since}Z), {}, to {}",
        clean(&grower.name),
        grower.grown_bytes,
        span(grower.for_s),
        rate(grower.rate_bytes_per_s),
        grower.used_bytes,
    )
}

fn foretold(page: &mut Page, incident: &Incident) {
    page.section("Foretold");
    let said = &incident.foretold;
    let before = |s: Option<f64>| s.map(span).unwrap_or_default();
    if said.predicted {
        page.prose(&format!(
            "Yes: suspected {} before the kill, predicted {} before it.",
            before(said.suspected_before_s),
            before(said.predicted_before_s),
        ));
    } else if said.suspected_at.is_some() {
        let suspected = before(said.suspected_before_s);
        page.prose(&format!("Suspected {suspected} before the kill; no end was predicted."));
    } else {
        page.prose("No: nothing was suspected before the kill.");
    }
    let skipped = said.history.len().saturating_sub(SAID_SHOWN);
    if skipped > 0 {
        page.prose(&format!("({skipped} earlier ones are in the JSON)"));
    }
    for one in said.history.iter().skip(skipped) {
        page.prose(&sentence(one));
    }
}

fn sentence(said: &Said) -> String {
    let mut text = format!(
        "{:>8} before  {:<10} {}",
        span(said.before_s),
        state(said.state),
        clean(&said.target)
    );
    if let (Some(eta), Some(error)) = (said.eta_s, said.error_s) {
        let side = if error > 0.0 { "late" } else { "early" };
        let inside = if said.inside == Some(true) { "inside" } else { "outside" };
        text += &format!(
            ": end in {} ({} to {}), {} too {side}, {inside} the interval",
            span(eta.p50),
            span(eta.p10),
            span(eta.p90),
            span(error.abs()),
        );
    }
    text
}

fn signals(page: &mut Page, incident: &Incident) {
    if incident.pressure.is_empty() {
        return;
    }
    page.section("Pressure signals");
    for note in &incident.pressure {
        let before = note.before_s.map_or_else(String::new, |s| format!("{} before: ", span(s)));
        let answer = match note.freed_bytes {
            Some(freed) => format!("freed {freed}"),
            None => "never answered".to_owned(),
        };
        page.prose(&format!(
            "{before}{} to {} for {}: {} wanted, {answer}",
            clean(&note.level),
            clean(&note.subscriber),
            clean(&note.scope),
            note.reclaim_bytes,
        ));
    }
}

fn next(page: &mut Page, incident: &Incident) {
    if incident.next.is_empty() {
        return;
    }
    page.section("What to do");
    for (number, advice) in (1..).zip(&incident.next) {
        page.item(&format!("{number}."), &clean(&advice.what));
        page.item("", &clean(&advice.why));
    }
}

/// Lines of limited width below headings.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.0.push('\n');
        self.line(&title.to_uppercase());
    }

    fn prose(&mut self, text: &str) {
        self.wrapped("  ", "  ", text);
    }

    fn item(&mut self, label: &str, text: &str) {
        let first = format!("  {label:<LABEL$}  ");
        let rest = " ".repeat(LABEL + 4);
        self.wrapped(&first, &rest, text);
    }

    /// Breaks at blanks; a word longer than the line stays whole.
    fn wrapped(&mut self, first: &str, rest: &str, text: &str) {
        let mut line = first.to_owned();
        let mut is_empty = true;
        // Runs of blanks are columns and stay.
        for word in text.split(' ') {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(line.trim_end());
                line = rest.to_owned();
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.line(line.trim_end());
    }
}
