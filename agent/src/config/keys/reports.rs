//! The keys of heap reports.

use super::{Bytes, DAY, Field, Key, ms, s};

const LEVELS: std::ops::RangeInclusive<usize> = 0..=2;

pub(super) const ENABLED: Key = Key {
    path: "reports.enabled",
    flag: None,
    field: Field::Switch(|c| &mut c.reports.enabled),
    doc: "Takes heap reports: of suspects by itself, of any process when asked.",
    edges: "false: none are taken; those that are kept can still be read.",
    who: "Nodes on which nobody may look into processes.",
};

pub(super) const LEVEL_MAX: Key = Key {
    path: "reports.level_max",
    flag: None,
    field: Field::Count { at: |c| &mut c.reports.level_max, range: LEVELS },
    doc: "Highest level that this agent takes for anyone: 0 leaves the process alone.",
    edges: "1 may pause a process for up to reports.max_pause; 2 may also trap its allocations \
            for up to reports.window.",
    who: "Those who want to know what is leaked and from where.",
};

pub(super) const RECORDER_LEVEL: Key = Key {
    path: "reports.recorder_level",
    flag: None,
    field: Field::Count { at: |c| &mut c.reports.recorder_level, range: 0..=1 },
    doc: "Level that is taken of a suspect, unasked, at suspicion and again before its limit.",
    edges: "1 pauses each suspect twice. Not above reports.level_max.",
    who: "Those whose suspects may be paused.",
};

pub(super) const HTTP_LEVEL_MAX: Key = Key {
    path: "reports.http_level_max",
    flag: None,
    field: Field::Count { at: |c| &mut c.reports.http_level_max, range: LEVELS },
    doc: "Highest level that can be asked for over HTTP; above 0 with the token only.",
    edges: "Above 0 needs reports.token_file. Not above reports.level_max.",
    who: "Teams that take reports from their desks.",
};

pub(super) const TOKEN_FILE: Key = Key {
    path: "reports.token_file",
    flag: None,
    field: Field::PathOrUnset {
        at: |c| &mut c.reports.token_file,
        example: "/etc/plimsoll/heap.token",
    },
    doc: "File with the bearer token that permits reports over HTTP; it is read at each request.",
    edges: "Unset: level 0 without a token from a loopback address, and nothing else.",
    who: "Whoever sets reports.http_level_max, or serves beyond the loopback.",
};

pub(super) const MAX_PAUSE: Key = Key {
    path: "reports.max_pause",
    flag: None,
    field: Field::Time { at: |c| &mut c.reports.max_pause, range: ms(1)..=s(10) },
    doc: "For how long a report may pause a process; one that would take longer is refused.",
    edges: "200ms is enough for a heap of 600 MiB; 10s for 30 GiB.",
    who: "Nodes whose processes bear less, or have larger heaps.",
};

pub(super) const WINDOW: Key = Key {
    path: "reports.window",
    flag: None,
    field: Field::Time { at: |c| &mut c.reports.window, range: s(1)..=s(120) },
    doc: "For how long a report of level 2 may watch a process's allocations.",
    edges: "1s finds what leaks often; a slow leak needs longer.",
    who: "Those who look for slow leaks.",
};

pub(super) const COOLDOWN: Key = Key {
    path: "reports.cooldown",
    flag: None,
    field: Field::Time { at: |c| &mut c.reports.cooldown, range: ms(0)..=s(3600) },
    doc: "Least time between two reports of one process that are asked for in the same way.",
    edges: "0s: as often as asked, one at a time.",
    who: "Those who compare reports taken close together.",
};

pub(super) const REPORTS_MAX: Key = Key {
    path: "reports.reports_max",
    flag: None,
    field: Field::Count { at: |c| &mut c.reports.reports_max, range: 2..=10_000 },
    doc: "Reports kept; the oldest is deleted first.",
    edges: "2 keeps what an incident compares. They are read once at start.",
    who: "Teams that look back further than this.",
};

pub(super) const DISK_BUDGET: Key = Key {
    path: "reports.disk_budget",
    flag: None,
    field: Field::Size {
        at: |c| &mut c.reports.disk_budget,
        range: Bytes::mib(1)..=Bytes::mib(10 << 10),
    },
    doc: "Disk for reports; the oldest is deleted first, the newest stays.",
    edges: "1MiB holds some hundred of level 0: one has 4 to 100 KiB, at most 4 MiB.",
    who: "Nodes with small disks, or those who want a longer past.",
};

pub(super) const TTL: Key = Key {
    path: "reports.ttl",
    flag: None,
    field: Field::Time { at: |c| &mut c.reports.ttl, range: s(60)..=s(365 * DAY) },
    doc: "Age at which a report is deleted.",
    edges: "60s: only long enough to be fetched.",
    who: "Those who may not keep the names of types and functions for long.",
};
