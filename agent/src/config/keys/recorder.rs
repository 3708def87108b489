//! The keys of the black box.

use super::{Bytes, Field, Key};

pub(super) const PINS_MAX: Key = Key {
    path: "recorder.pins_max",
    flag: None,
    field: Field::Count { at: |c| &mut c.recorder.pins_max, range: 0..=32 },
    doc: "Suspects, and cgroups around them, of which every reading is kept.",
    edges: "0 keeps none: an incident then has what the history still holds. Each is 64 KiB.",
    who: "Nodes where every KiB counts.",
};

pub(super) const INCIDENTS_MAX: Key = Key {
    path: "recorder.incidents_max",
    flag: None,
    field: Field::Count { at: |c| &mut c.recorder.incidents_max, range: 1..=10_000 },
    doc: "Incidents kept on disk; the oldest is deleted first.",
    edges: "1 keeps the newest only. They are read once at start: 5 ms for each MiB.",
    who: "Teams that look back further than this.",
};

pub(super) const DISK_BUDGET: Key = Key {
    path: "recorder.disk_budget",
    flag: None,
    field: Field::Size {
        at: |c| &mut c.recorder.disk_budget,
        range: Bytes::mib(1)..=Bytes::mib(1 << 10),
    },
    doc: "Disk for incidents; the oldest is deleted first, the newest stays.",
    edges: "1MiB holds from three to some hundred: one has 4 to 300 KiB, at most 1 MiB.",
    who: "Nodes with small disks, or those who want a longer past.",
};
