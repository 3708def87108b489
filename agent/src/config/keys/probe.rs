//! The key of the probe.

use super::{Field, Key};

pub(super) const ENABLED: Key = Key {
    path: "probe.enabled",
    flag: None,
    field: Field::Switch(|c| &mut c.probe.enabled),
    doc: "Tells heap reports of the agent itself the figures of its own allocator.",
    edges: "false: they read from outside what they can.",
    who: "Hosts without a writable /run, where it is off anyway.",
};
