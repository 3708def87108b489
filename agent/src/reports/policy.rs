//! Which reports may be taken, and how soon after each other. Pure.

use crate::clock::Stamp;
use crate::config::ReportsConfig;
use crate::target::ProcessId;
use crate::units::Bytes;
use crate::view::{AskedBy, Stage};
use std::collections::HashMap;
use std::time::Duration;

/// Processes whose last report is remembered; beyond it the one cooled longest is forgotten.
const REMEMBERED_MAX: usize = 1024;

/// A report that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub process: ProcessId,
    pub comm: Option<String>,
    pub room: Room,
    pub level: u8,
    pub max_pause: Duration,
    pub window: Duration,
    pub asked_by: AskedBy,
    pub peer: Option<String>,
    pub stage: Option<Stage>,
}

/// The limit over a process and what is left below it, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    pub limit: Option<Bytes>,
    pub headroom: Option<Bytes>,
}

impl Order {
    /// One of the black box, with what the configuration allows it.
    #[must_use]
    pub fn of_recorder(process: ProcessId, stage: Stage, config: &ReportsConfig) -> Self {
        Self {
            process,
            comm: None,
            room: Room::default(),
            level: u8::try_from(config.recorder_level).unwrap_or(0),
            max_pause: config.max_pause,
            window: config.window,
            asked_by: AskedBy::Recorder,
            peer: None,
            stage: Some(stage),
        }
    }

    fn way(&self) -> Way {
        (self.process, self.asked_by, self.stage == Some(Stage::BeforeLimit))
    }
}

/// Whose report, and how it was asked for: the two of one suspicion do not wait for each other.
type Way = (ProcessId, AskedBy, bool);

/// Why an order is not taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    #[error("reports.enabled = false")]
    Off,
    #[error("level {level} is above what this agent takes (reports.level_max = {max})")]
    Level { level: u8, max: usize },
    #[error(
        "another report of this process was asked for just now; again in {} s",
        .0.as_secs() + 1
    )]
    CoolDown(Duration),
    #[error("as many reports as may wait are waiting")]
    Busy,
    #[error("the thread that takes reports has ended")]
    Ended,
}

/// When which process was last looked into.
#[derive(Debug, Default)]
pub struct Cooling {
    last: HashMap<Way, Stamp>,
}

impl Cooling {
    /// Whether `order` may be taken up at `now`. Does not note it.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, order: &Order, config: &ReportsConfig, now: Stamp) -> Result<(), Declined> {
        if !config.enabled {
            return Err(Declined::Off);
        }
        if usize::from(order.level) > config.level_max {
            return Err(Declined::Level { level: order.level, max: config.level_max });
        }
        let Some(last) = self.last.get(&order.way()) else { return Ok(()) };
        let left = config.cooldown.saturating_sub(now.since(*last));
        if left.is_zero() { Ok(()) } else { Err(Declined::CoolDown(left)) }
    }

    /// Notes that `order` was taken up.
    pub fn note(&mut self, order: &Order, cooldown: Duration, now: Stamp) {
        self.last.retain(|_, at| now.since(*at) < cooldown);
        if self.last.len() >= REMEMBERED_MAX
            && let Some(oldest) = self.last.iter().min_by_key(|(_, at)| **at).map(|(way, _)| *way)
        {
            self.last.remove(&oldest);
        }
        self.last.insert(order.way(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn config() -> ReportsConfig {
        ReportsConfig { cooldown: Duration::from_secs(10), ..Config::default().reports }
    }

    fn order(pid: u32, asked_by: AskedBy, stage: Stage) -> Order {
        let process = ProcessId { pid, start_time: 1 };
        Order { asked_by, ..Order::of_recorder(process, stage, &config()) }
    }

    #[test]
    fn a_process_is_looked_into_again_only_after_it_cooled_down() {
        let (mut cooling, config) = (Cooling::default(), config());
        let of = |pid| order(pid, AskedBy::Recorder, Stage::Suspected);
        assert_eq!(cooling.check(&of(1), &config, Stamp(0)), Ok(()));
        cooling.note(&of(1), config.cooldown, Stamp(0));
        let left = Declined::CoolDown(Duration::from_secs(7));
        assert_eq!(cooling.check(&of(1), &config, Stamp(3_000)), Err(left));
        assert_eq!(cooling.check(&of(2), &config, Stamp(3_000)), Ok(()), "another process");
        let near = order(1, AskedBy::Recorder, Stage::BeforeLimit);
        assert_eq!(cooling.check(&near, &config, Stamp(3_000)), Ok(()), "the second stage");
        let asked = order(1, AskedBy::Http, Stage::Suspected);
        assert_eq!(cooling.check(&asked, &config, Stamp(3_000)), Ok(()), "another asks");
        assert_eq!(cooling.check(&of(1), &config, Stamp(10_000)), Ok(()));
        let reborn = ProcessId { pid: 1, start_time: 2 };
        let reborn = Order { process: reborn, ..of(1) };
        assert_eq!(cooling.check(&reborn, &config, Stamp(3_000)), Ok(()), "another life");
    }

    #[test]
    fn levels_above_the_configured_one_are_declined_as_is_everything_when_off() {
        let cooling = Cooling::default();
        let deeper = Order { level: 1, ..order(1, AskedBy::Http, Stage::Suspected) };
        let declined = Declined::Level { level: 1, max: 0 };
        assert_eq!(cooling.check(&deeper, &config(), Stamp(0)), Err(declined));
        let open = ReportsConfig { level_max: 2, ..config() };
        assert_eq!(cooling.check(&deeper, &open, Stamp(0)), Ok(()));
        let off = ReportsConfig { enabled: false, ..open };
        assert_eq!(cooling.check(&deeper, &off, Stamp(0)), Err(Declined::Off));
    }

    #[test]
    fn a_fleet_of_short_lived_processes_is_not_remembered_without_end() {
        let (mut cooling, config) = (Cooling::default(), config());
        for pid in 0..5_000 {
            let order = order(pid, AskedBy::Http, Stage::Suspected);
            cooling.note(&order, config.cooldown, Stamp(i64::from(pid)));
        }
        assert!(cooling.last.len() <= REMEMBERED_MAX);
    }
}
