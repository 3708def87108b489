//! Starts asking for the names of pods and containers, where there is somebody to ask.

use crate::clock::Clock;
use crate::config::process_env;
use crate::kubernetes::{Choice, Keeper, choose};
use crate::sampler::{NAMES_SOURCE, State};

/// # Errors
/// When a thread cannot be made.
pub(super) fn start(state: &mut State) -> std::io::Result<()> {
    let config = &state.config.kubernetes;
    match choose(config, &process_env(), config.token_file.exists()) {
        Choice::Nobody(why) => state.health.off(NAMES_SOURCE, why),
        Choice::Ask(setup) => {
            tracing::debug!(whom = setup.whom(), "asks for the names of pods");
            if config.insecure_skip_verify {
                tracing::warn!(
                    "the kubelet's certificate is not looked at: whoever has its address gets the \
                     token (kubernetes.insecure_skip_verify)"
                );
            }
            state.naming.keeper = Some(Keeper::start(*setup, Clock::start())?);
        }
    }
    Ok(())
}

/// Asks nobody any more.
pub(super) fn stop(state: &State) {
    if let Some(keeper) = &state.naming.keeper {
        keeper.stop();
    }
}
