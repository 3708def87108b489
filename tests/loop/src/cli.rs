//! The command line. Prints nothing itself; what it does not know it refuses.

use crate::subject::{Kind, Subject, VALUE_LEN};
use std::ffi::OsString;
use std::path::PathBuf;

pub const USAGE: &str = "\
plimsoll-loop list
plimsoll-loop run --scenario NAME|all --agent PATH --cache PATH
    [--in-place-of-cache memcached=PATH|redis=PATH]  (in the cache's place; again for more)
    [--value-bytes N]     length of the values that fill the cache; default 4000
    [--cgroup-root DIR]   where cgroups are made; default: the mounted hierarchy's top
    [--time-scale N]      scenarios of minutes run N times as fast; they say so
    [--slack N]           on a machine that is slow as such: what is promised within a time may take
                          N times as long; what comes of it may not change
    [--json]              one JSON object per scenario and line

Exit code: 0 all promises kept by the cache, 1 one is broken, 2 usage. Needs root, /proc, /sys and
a loopback device that is up.";

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Ask {
    Help,
    List,
    Run(Box<Wish>),
    /// Hidden: become another program.
    Start(Vec<OsString>),
    /// Hidden: be the neighbour.
    Load(Vec<OsString>),
}

#[derive(Clone, Debug)]
pub struct Wish {
    pub scenario: String,
    pub agent: PathBuf,
    pub subjects: Vec<Subject>,
    pub cgroup_root: Option<PathBuf>,
    pub time_scale: f64,
    pub slack: f64,
    pub json: bool,
}

/// # Errors
/// What is wrong with the words.
pub fn parse(words: impl Iterator<Item = OsString>) -> Result<Ask, String> {
    let words: Vec<OsString> = words.collect();
    match words.first().and_then(|word| word.to_str()) {
        Some("list") => Ok(Ask::List),
        Some("run") => run(&words[1..]).map(|wish| Ask::Run(Box::new(wish))),
        Some(crate::process::START) => Ok(Ask::Start(words[1..].to_vec())),
        Some(crate::load::LOAD) => Ok(Ask::Load(words[1..].to_vec())),
        Some("-h" | "--help" | "help") => Ok(Ask::Help),
        other => Err(format!("what is {other:?}?")),
    }
}

fn run(words: &[OsString]) -> Result<Wish, String> {
    let said = |e: lexopt::Error| e.to_string();
    let (mut scenario, mut agent, mut cache, mut cgroup_root) = (None, None, None, None);
    let (mut peers, mut value_len, mut json) = (Vec::new(), VALUE_LEN, false);
    let (mut time_scale, mut slack) = (1.0, 1.0);
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(arg) = parser.next().map_err(said)? {
        use lexopt::prelude::{Long, ValueExt as _};
        match arg {
            Long("scenario") => {
                scenario = Some(parser.value().map_err(said)?.string().map_err(said)?);
            }
            Long("agent") => agent = Some(parser.value().map_err(said)?.into()),
            Long("cache") => cache = Some(parser.value().map_err(said)?.into()),
            Long("cgroup-root") => cgroup_root = Some(parser.value().map_err(said)?.into()),
            Long("in-place-of-cache") => {
                peers.push(peer(&parser.value().map_err(said)?.string().map_err(said)?)?);
            }
            Long("value-bytes") => {
                value_len = parser.value().map_err(said)?.parse().map_err(said)?;
            }
            Long("time-scale") => {
                time_scale = parser.value().map_err(said)?.parse().map_err(said)?;
            }
            Long("slack") => slack = parser.value().map_err(said)?.parse().map_err(said)?,
            Long("json") => json = true,
            _ => return Err(arg.unexpected().to_string()),
        }
    }
    if !(1.0..=60.0).contains(&time_scale) {
        return Err("--time-scale is 1 to 60".to_owned());
    }
    if !(1.0..=10.0).contains(&slack) {
        return Err("--slack is 1 to 10".to_owned());
    }
    let program: PathBuf = cache.ok_or("--cache is missing")?;
    if !(1..=100_000).contains(&value_len) {
        return Err("--value-bytes is 1 to 100000".to_owned());
    }
    let mut subjects = vec![Subject { kind: Kind::Ours, program, value_len }];
    let peers = peers.into_iter();
    subjects.extend(peers.map(|(kind, program)| Subject { kind, program, value_len }));
    Ok(Wish {
        scenario: scenario.ok_or("--scenario is missing")?,
        agent: agent.ok_or("--agent is missing")?,
        subjects,
        cgroup_root,
        time_scale,
        slack,
        json,
    })
}

fn peer(text: &str) -> Result<(Kind, PathBuf), String> {
    let kind = match text.split_once('=') {
        Some(("memcached", _)) => Kind::Memcached,
        Some(("redis", _)) => Kind::Redis,
        _ => return Err(format!("--in-place-of-cache {text}: memcached=PATH or redis=PATH")),
    };
    Ok((kind, text.split_once('=').map_or(text, |(_, path)| path).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Ask, String> {
        parse(words.split(' ').map(OsString::from))
    }

    #[test]
    fn a_run_names_its_programs_and_peers() {
        let words =
            "run --scenario burst --agent /a --cache /c --in-place-of-cache redis=/r --json";
        let Ok(Ask::Run(wish)) = parsed(words) else { panic!("{words}") };
        assert_eq!((wish.scenario.as_str(), wish.json, wish.time_scale), ("burst", true, 1.0));
        let kinds: Vec<Kind> = wish.subjects.iter().map(|subject| subject.kind).collect();
        assert_eq!(kinds, [Kind::Ours, Kind::Redis]);
    }

    #[test]
    fn what_is_missing_or_unknown_is_refused() {
        for words in [
            "run --agent /a --cache /c",
            "run --scenario all --agent /a --cache /c --in-place-of-cache varnish=/v",
            "run --scenario all --agent /a --cache /c --time-scale 0.5",
            "run --scenario all --agent /a --cache /c --value-bytes 0",
            "walk",
        ] {
            assert!(parsed(words).is_err(), "{words}");
        }
    }
}
