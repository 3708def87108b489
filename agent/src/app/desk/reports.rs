//! From what is asked for over HTTP to an order of a heap report.

use crate::config::ReportsConfig;
use crate::reports::Order;
use crate::sampler::{State, room_of};
use crate::sources::Roots;
use crate::sources::process::read_identity;
use crate::view::{AskedBy, ReportRequest};
use parking_lot::Mutex;
use std::time::Duration;

/// The order for `wish`; None if no process has its pid now. Limits that were not named, or are
/// above the configured ones, are the configured ones.
pub(super) fn order(
    state: &Mutex<State>,
    config: &ReportsConfig,
    wish: &ReportRequest,
    peer: &str,
) -> Option<Order> {
    let roots = {
        let config = &state.lock().config;
        Roots { proc: config.proc_root.clone(), sys: config.sys_root.clone() }
    };
    // Read anew: the one that is watched under this pid may have ended since.
    let identity = read_identity(&roots, wish.pid).ok()?;
    let pause = wish.max_pause_ms.map_or(config.max_pause, Duration::from_millis);
    let window = wish.window_s.filter(|s| s.is_finite() && *s > 0.0);
    let window = window.map_or(config.window, |s| Duration::from_secs_f64(s.min(1e6)));
    Some(Order {
        process: identity.id,
        comm: Some(identity.comm),
        room: room_of(&state.lock(), identity.id),
        level: wish.level,
        max_pause: pause.min(config.max_pause),
        window: window.min(config.window),
        asked_by: AskedBy::Http,
        peer: Some(peer.to_owned()),
        stage: None,
    })
}
