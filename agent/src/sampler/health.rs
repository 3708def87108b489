//! What each source can see and why not more, for `/readyz?verbose` and the log.

use crate::view::{SourceState, SourceView};
use std::collections::BTreeMap;

/// The present condition of every source, by name. Changes are logged once.
#[derive(Debug, Default)]
pub struct Health {
    sources: BTreeMap<&'static str, SourceView>,
}

impl Health {
    pub fn ok(&mut self, name: &'static str, sees: impl Into<String>) {
        self.set(name, SourceState::Ok, sees.into(), None);
    }

    pub fn degraded(
        &mut self,
        name: &'static str,
        sees: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.set(name, SourceState::Degraded, sees.into(), Some(why.into()));
    }

    pub fn unavailable(&mut self, name: &'static str, why: impl Into<String>) {
        self.set(name, SourceState::Unavailable, "nothing".into(), Some(why.into()));
    }

    pub fn off(&mut self, name: &'static str, why: impl Into<String>) {
        self.set(name, SourceState::Off, "nothing".into(), Some(why.into()));
    }

    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.sources.values().any(|s| s.state == SourceState::Degraded)
    }

    #[must_use]
    pub fn state(&self, name: &str) -> Option<SourceState> {
        self.sources.get(name).map(|s| s.state)
    }

    #[must_use]
    pub fn list(&self) -> Vec<SourceView> {
        self.sources.values().cloned().collect()
    }

    fn set(&mut self, name: &'static str, state: SourceState, sees: String, why: Option<String>) {
        let before = self.sources.get(name).map(|s| s.state);
        if before != Some(state) {
            let why = why.as_deref().unwrap_or_default();
            match state {
                SourceState::Ok if before.is_none() => tracing::debug!(source = name, sees, "sees"),
                SourceState::Ok => tracing::info!(source = name, sees, "source recovered"),
                SourceState::Off => tracing::debug!(source = name, why, "source is off"),
                SourceState::Degraded | SourceState::Unavailable => {
                    tracing::warn!(source = name, why, sees, "source sees less");
                }
            }
        }
        self.sources.insert(name, SourceView { name: name.to_owned(), state, sees, why });
    }
}
