//! A real kill for a cgroup's limit, and one of a whole group: what the agent makes of the kernel's
//! own report of this very kernel.

use super::{SOON, incident_of, require, row, start};
use crate::judge::Report;
use crate::load::NAME;
use crate::scenario::{Bare, Setting};
use crate::subject::Subject;
use crate::{Fault, MIB};
use serde_json::Value;

const LIMIT: u64 = 48 * MIB;

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
