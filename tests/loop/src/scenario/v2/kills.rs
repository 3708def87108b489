//! A real kill for a cgroup's limit, one of a whole group, and one of a process that asked for
//! nothing, in another cgroup than who did: what the agent makes of what this very kernel tells, in
//! its log and, by BPF, at once.

use super::{SOON, incident_of, require, row, start};
use crate::arena::Arena;
use crate::judge::Report;
use crate::load::NAME;
use crate::scenario::{Bare, Setting};
use crate::subject::Subject;
use crate::{Fault, MIB};
use serde_json::Value;

const LIMIT: u64 = 48 * MIB;
/// Of two cgroups together, one of which holds most of it.
const SHARED: u64 = 72 * MIB;
const HELD: u64 = 44 * MIB;

pub fn one(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    require(setting)?;
    let bare = Bare::set(setting, subject, "kill", Some(LIMIT))?;
    bare.agent.await_acquainted(&bare.arena, None, &setting.interrupt)?;
    let mut leak = start(&["leak", "20", "4096"], &bare.arena, &bare.scratch)?;
    setting.interrupt.wait("the kernel kills", SOON, || {
        leak.ended().map(drop).ok_or_else(|| "it lives".to_owned())
    })?;
    let pid = leak.pid();
    let incident = incident_of(setting, &bare, pid, |i| !i["aftermath"].is_null())?;
    let path = bare.arena.path();
    let is = |report: &mut Report, what: &str, found: &Value, wanted: Value| {
        report.must(what, wanted.to_string(), found.to_string(), *found == wanted);
    };
    is(report, "seen in the kernel's log", &incident["seen_by"], "kernel_log".into());
    heard(&incident, report);
    let id = bare.arena.inode()?;
    is(report, "the cgroup's inode, by BPF", &incident["victims"][0]["memcg_id"], id.into());
    is(report, "its constraint", &incident["constraint"], "memcg".into());
    is(report, "its kind", &incident["kind"], "main_process".into());
    is(report, "the victim", &incident["victims"][0]["pid"], pid.into());
    is(report, "the victim's name", &incident["victims"][0]["comm"], NAME.into());
    is(report, "the victim's cgroup", &incident["victims"][0]["cgroup"], path.clone().into());
    is(report, "the killer, who asked for more", &incident["killer"]["pid"], pid.into());
    is(report, "whose limit it was", &incident["memcg"]["path"], path.into());
    is(report, "which limit it was", &incident["memcg"]["limit_bytes"], LIMIT.into());
    let usage = incident["memcg"]["usage_bytes"].as_u64().unwrap_or(0);
    let near = usage.abs_diff(LIMIT) <= MIB;
    report.must("usage at the kill", format!("{LIMIT} ± 1 MiB"), usage.to_string(), near);
    let dump = incident["task_dump"].as_array().into_iter().flatten();
    let listed = dump.filter(|task| task["pid"] == pid).count();
    report.must("the kernel's table has it", "once", listed.to_string(), listed == 1);
    let row = row(&bare, &bare.arena)?;
    is(report, "the cgroup's own counter", &row["events"]["oom_kill"], 1.into());
    Ok(())
}

pub fn group(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    require(setting)?;
    let bare = Bare::set(setting, subject, "oom-group", Some(LIMIT))?;
    bare.arena.set("memory.oom.group", "1")?;
    bare.agent.await_acquainted(&bare.arena, None, &setting.interrupt)?;
    let mut bystander = start(&["leak", "4", "4"], &bare.arena, &bare.scratch)?;
    let mut leak = start(&["leak", "20", "4096"], &bare.arena, &bare.scratch)?;
    setting.interrupt.wait("the kernel kills both", SOON, || {
        let both = leak.ended().is_some() && bystander.ended().is_some();
        if both { Ok(()) } else { Err("one of them lives".to_owned()) }
    })?;
    let of_both = |i: &Value| i["victims"].as_array().is_some_and(|victims| victims.len() == 2);
    let incident = incident_of(setting, &bare, leak.pid(), of_both)?;
    let kind = &incident["kind"];
    report.must("the kill is one of a group", "group", kind.to_string(), kind == "group");
    let pid = bystander.pid();
    let mut victims = incident["victims"].as_array().into_iter().flatten();
    let other = victims.find(|victim| victim["pid"] == pid).cloned().unwrap_or_default();
    let by_group = &other["by_group"];
    let what = "the bystander died because of the group";
    report.must(what, "by_group", other.to_string(), *by_group == true);
    let path = &incident["memcg"]["path"];
    report.must("whose limit", bare.arena.path(), path.to_string(), *path == bare.arena.path());
    Ok(())
}

/// The limit is that of the cgroup above two: who asks for more dies in neither of them.
pub fn elsewhere(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    require(setting)?;
    let bare = Bare::set(setting, subject, "kill-elsewhere", Some(SHARED))?;
    let theirs = Arena::inside(&bare.arena, "holder", None)?;
    let ours = Arena::inside(&bare.arena, "asker", None)?;
    let mut holder = start(&["leak", "40", &(HELD / MIB).to_string()], &theirs, &bare.scratch)?;
    setting.interrupt.wait("the agent knows what is held", SOON, || {
        let held = row(&bare, &theirs)?["usage_bytes"].as_u64().unwrap_or(0);
        let known = held >= HELD && row(&bare, &ours).is_ok();
        if known { Ok(()) } else { Err(format!("{held} {}", holder.log())) }
    })?;
    let asker = start(&["leak", "10", "40"], &ours, &bare.scratch)?;
    setting.interrupt.wait("the kernel kills who holds most", SOON, || {
        holder.ended().map(drop).ok_or_else(|| "it lives".to_owned())
    })?;
    let incident = incident_of(setting, &bare, holder.pid(), |_| true)?;
    heard(&incident, report);
    let (victim, killer) = (&incident["victims"][0], &incident["killer"]["pid"]);
    let what = "the killer, who asked for more";
    report.must(what, asker.pid().to_string(), killer.to_string(), *killer == asker.pid());
    let (path, id) = (&victim["cgroup"], &victim["memcg_id"]);
    let what = "the cgroup is the victim's";
    report.must(what, theirs.path(), path.to_string(), *path == theirs.path());
    let inode = theirs.inode()?;
    report.must("and so is its inode, by BPF", inode.to_string(), id.to_string(), *id == inode);
    let limited = &incident["memcg"]["path"];
    let wanted = bare.arena.path();
    report.must("whose limit it was", wanted.clone(), limited.to_string(), *limited == wanted);
    Ok(())
}

/// By BPF and by the log, and told once.
fn heard(incident: &Value, report: &mut Report) {
    let ways = &incident["heard_by"];
    let both = ways.as_array().is_some_and(|all| all.len() == 2 && all.contains(&"tp_btf".into()));
    report.must("heard by BPF and in the log", "tp_btf and a log", ways.to_string(), both);
}
