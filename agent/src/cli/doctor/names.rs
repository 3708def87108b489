//! Asks once for the names of pods, as the agent would.

use super::{Check, Level};
use crate::config::{Env, KubernetesConfig, NameSource};
use crate::kubernetes::{Choice, choose};

const WHY: &str = "alerts and incidents name pod, container and owner, else they hold ids only";

/// None where nobody is to be asked and nobody could be.
pub(super) fn check(config: &KubernetesConfig, env: &Env) -> Option<Check> {
    let name = "names of Kubernetes";
    let setup = match choose(config, env, config.token_file.exists()) {
        Choice::Ask(setup) => setup,
        Choice::Nobody(why) => {
            let inside = env.contains_key("KUBERNETES_SERVICE_HOST");
            let missed = inside && config.source == NameSource::Auto;
            let todo = Some("mount the token, or set kubernetes.source".to_owned());
            return missed.then_some(Check { name, level: Level::Warn, what: why, why: WHY, todo });
        }
    };
    let whom = setup.whom();
    Some(match setup.try_once() {
        Ok(found) => {
            let what = format!("{} pods, {} containers by {whom}", found.len(), found.containers());
            Check { name, level: Level::Ok, what, why: WHY, todo: None }
        }
        Err(why) => {
            let todo = "see docs/kubernetes.md, or set kubernetes.source = \"none\"".to_owned();
            let what = format!("{whom}: {why}");
            Check { name, level: Level::Warn, what, why: WHY, todo: Some(todo) }
        }
    })
}
