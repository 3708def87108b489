//! The alerts of the sampler's state, as the routing asks for them.

use crate::config::Config;
use crate::route::{Bell, RoutingHandle, Standing};
use crate::sampler::State;
use crate::target::Target;
use crate::view::AlertView;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;

struct Stands(Arc<Mutex<State>>);

impl Standing for Stands {
    fn alerts(&self) -> Vec<AlertView> {
        self.0.lock().alerts.list()
    }

    fn is_gone(&self, target: &str) -> bool {
        let state = self.0.lock();
        let target = target.parse::<Target>();
        // Before the first sweep nobody is known yet.
        state.ready_at.is_some()
            && target.is_ok_and(|target| super::desk::verdict_of(&state, &target).is_none())
    }
}

/// Starts the routing of the alerts in `state`.
///
/// # Errors
/// When a thread cannot be made.
pub(super) fn start(
    config: &Config,
    state_dir: Option<PathBuf>,
    state: &Arc<Mutex<State>>,
) -> std::io::Result<RoutingHandle> {
    let (node, bell): (String, Bell) = {
        let state = state.lock();
        (state.node.host.hostname.clone().unwrap_or_default(), state.bell.clone())
    };
    RoutingHandle::start(config, state_dir, &node, bell, Stands(Arc::clone(state)))
}
