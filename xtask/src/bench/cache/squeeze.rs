//! Life in a cgroup that is half as large as what clients want to keep, with snapshots under way.

use super::load::{self, Load, Mix, Pace};
use super::servers::{Kind, Program, Server, Wish};
use super::table::{Goal, Row};
use super::{Extent, Figures};
use plimsoll_tests::Cgroup;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CGROUP_MIB: u64 = 256;
const VALUE_LEN: usize = 1024;

/// Twice the cgroup.
const KEYS: u64 = 2 * CGROUP_MIB * 1024 * 1024 / VALUE_LEN as u64;

pub fn measure(programs: &[Program], extent: &Extent) -> Result<Figures, String> {
    let n = programs.len();
    let s = extent.squeezed.as_secs();
    let what = format!("killed in a {CGROUP_MIB} MiB cgroup under twice as much, {s} s");
    let mut rows = [
        Row::new(what, "times", Goal::AtMost(0.0), n),
        Row::new("… requests answered", "1/s", Goal::None, n).more_is_better(),
        Row::new("… sets refused", "%", Goal::None, n),
    ];
    for (at, program) in programs.iter().enumerate() {
        let cgroup = Cgroup::named(&format!("squeeze-{at}"), CGROUP_MIB)?;
        let (memory_mib, how) = match program.kind {
            // Its own choice: a share of the cgroup.
            Kind::Ours => (None, "by default"),
            Kind::Memcached => (Some(CGROUP_MIB), "-m 256"),
            Kind::Redis => (Some(200), "200 MB, BGSAVE"),
        };
        let wish = Wish { memory_mib, threads: 2, cgroup: Some(&cgroup), keeps: true };
        let mut server = program.start(&wish)?;
        let lived = live(program, &mut server, extent)?;
        let kills = cgroup.oom_kills().unwrap_or(0);
        rows[0].add(at, kills.max(u64::from(lived.died_after.is_some())) as f64);
        let end = lived.died_after.map_or_else(
            || if lived.snapshots > 0 { "snapshot written".to_owned() } else { String::new() },
            |after| format!("after {:.1} s", after.as_secs_f64()),
        );
        rows[0].notes[at] =
            [how, &end].iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join(", ");
        rows[1].add(at, lived.answered as f64 / lived.lasted.as_secs_f64());
        rows[2].add(at, lived.refused as f64 * 100.0 / lived.answered.max(1) as f64);
        drop(server);
    }
    Ok(rows.into())
}

#[derive(Debug, Default)]
struct Lived {
    died_after: Option<Duration>,
    lasted: Duration,
    answered: u64,
    refused: u64,
    snapshots: u64,
}

fn live(program: &Program, server: &mut Server, extent: &Extent) -> Result<Lived, String> {
    let load = Load {
        address: server.address,
        dialect: program.dialect(),
        connections: 20,
        threads: 1,
        pace: Pace::Closed { depth: 4 },
        mix: Mix::Gets { for_each_set: 1 },
        keys: KEYS,
        value_len: VALUE_LEN,
        lasts: extent.squeezed,
        seed: 5,
    };
    let stops = AtomicBool::new(false);
    let begun = Instant::now();
    let mut lived = Lived::default();
    let outcome = std::thread::scope(|scope| {
        let load = scope.spawn(|| load::run(&load, &stops));
        let mut asked = begun;
        while begun.elapsed() < extent.squeezed {
            if server.ended().is_some() {
                lived.died_after = Some(begun.elapsed());
                break;
            }
            if asked.elapsed() > Duration::from_secs(3) {
                asked = Instant::now();
                server.snapshot();
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        stops.store(true, Ordering::Relaxed);
        load.join().unwrap_or_else(|_| Err("the generator fell".to_owned()))
    })?;
    lived.lasted = outcome.took.max(Duration::from_millis(1));
    lived.answered = outcome.answered;
    lived.refused = outcome.refused;
    lived.snapshots = u64::from(server.has_snapshot());
    if lived.died_after.is_none() && outcome.broken > 0 {
        return Err(outcome.why.unwrap_or_default());
    }
    Ok(lived)
}
