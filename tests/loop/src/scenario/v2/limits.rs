//! A cgroup in a cgroup: the tighter limit is the outer one's, the agent knows it, sees that it was
//! changed, and a kill for it names both.

use super::{SOON, incident_of, require, row, start};
use crate::arena::Arena;
use crate::judge::Report;
use crate::scenario::{Bare, Setting};
use crate::subject::Subject;
use crate::{Fault, MIB};
use serde_json::Value;

const OUTER: u64 = 80 * MIB;
const OUTER_LATER: u64 = 64 * MIB;
const INNER: u64 = 256 * MIB;

pub fn run(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    require(setting)?;
    let bare = Bare::set(setting, subject, "limits", Some(OUTER))?;
    let inner = Arena::inside(&bare.arena, "inner", Some(INNER))?;
    let mut leak = start(&["leak", "20", "32"], &inner, &bare.scratch)?;
    let outer = bare.arena.path();
    let bound_by = |limit: u64| {
        setting.interrupt.wait("the limit is known", SOON, || {
            let row = row(&bare, &inner)?;
            let is_so = row["limit_bytes"] == limit && row["limit_from"] == outer;
            if is_so { Ok(row) } else { Err(row.to_string()) }
        })
    };
    let mut must = |what: &str, limit: u64| -> Option<Value> {
        let found = bound_by(limit);
        let measured = found.as_ref().err().cloned().unwrap_or_else(|| "it is".to_owned());
        report.must(what, format!("{limit} of {outer}"), measured, found.is_ok());
        found.ok()
    };
    let row = must("the outer limit binds", OUTER);
    bare.arena.set("memory.max", &OUTER_LATER.to_string())?;
    must("a limit that changed is known", OUTER_LATER);
    if let Some(row) = row {
        let max = &row["max_bytes"];
        let what = "its own limit is known beside it";
        report.must(what, INNER.to_string(), max.to_string(), *max == INNER);
    }
    leak.kill();
    let mut leak = start(&["leak", "20", "4096"], &inner, &bare.scratch)?;
    setting.interrupt.wait("the kernel kills", SOON, || {
        leak.ended().map(drop).ok_or_else(|| "it lives".to_owned())
    })?;
    let incident = incident_of(setting, &bare, leak.pid(), |_| true)?;
    let (limited, victim) = (&incident["memcg"], &incident["victims"][0]["cgroup"]);
    let path = &limited["path"];
    report.must("whose limit it was", outer.clone(), path.to_string(), *path == outer);
    let limit = &limited["limit_bytes"];
    let wanted = OUTER_LATER.to_string();
    report.must("which limit it was", wanted, limit.to_string(), *limit == OUTER_LATER);
    report.must("where it died", inner.path(), victim.to_string(), *victim == inner.path());
    Ok(())
}
