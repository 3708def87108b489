//! The server as sessions see it: connections, the budget's figures, the wish for another limit.

use crate::clock::Clock;
use crate::control::Control;
use crate::protocol::{Connection, Gauges, Host, LimitRefused};
use crate::serve::Roster;
use std::fmt::Display;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Node {
    pub roster: Arc<Roster>,
    pub control: Arc<Control>,
    pub clock: Arc<Clock>,
}

impl Host for Node {
    fn connections(&self, see: &mut dyn FnMut(&Connection)) {
        self.roster.each(self.clock.now(), see);
    }

    fn gauges(&self) -> Gauges {
        self.roster.gauges()
    }

    fn set_memory_limit(&self, bytes: u64) -> Result<(), LimitRefused> {
        self.control.ask_limit(bytes).map_err(|_| LimitRefused)
    }

    fn report(&self, add: &mut dyn FnMut(&str, &dyn Display)) {
        let figures = self.control.figures();
        add("pressure_level", &figures.level.name());
        add("limit_asked_bytes", &figures.asked_bytes);
        add("limit_now_bytes", &figures.limit_bytes);
        add("floor_bytes", &figures.floor_bytes);
        add("used_bytes", &figures.used_bytes);
        if let Some(bytes) = figures.bound_bytes {
            add("bound_bytes", &bytes);
        }
        if let Some(bytes) = figures.headroom_bytes {
            add("headroom_bytes", &bytes);
        }
        add("given_back_on_demand_bytes", &figures.given_back_total);
        add("level_changes", &figures.level_changes_total);
        add("readings", &figures.readings_total);
        add("agent_speaks", &u8::from(figures.agent_speaks));
    }
}
