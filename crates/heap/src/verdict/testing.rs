//! The emptiest report there is, for tests.

use crate::report::{Allocator, Identity, Method, Report, SCHEMA};
use std::collections::BTreeMap;

pub fn report() -> Report {
    let identity = Identity {
        pid: 1,
        start_time: 2,
        exe: None,
        cmdline: None,
        cgroup: None,
        limit_bytes: None,
        headroom_bytes: None,
        runtime: None,
    };
    let allocator = Allocator {
        name: "glibc".to_owned(),
        version: None,
        detected_by: String::new(),
        confidence: 1.0,
        in_use_bytes: None,
        in_use_count: None,
        free_bytes: None,
        top_bytes: None,
        tcache_bytes: None,
        mmapped_bytes: None,
        mmapped_count: None,
        arenas: Vec::new(),
        size_classes: Vec::new(),
    };
    Report {
        schema: SCHEMA.to_owned(),
        id: None,
        taken_at: "2026-01-01T00:00:00Z".to_owned(),
        identity,
        method: Method { freeze: "none".to_owned(), ..Method::default() },
        rss: None,
        allocator: Some(allocator),
        fragmentation: None,
        leaks: None,
        roots: None,
        runtime_stats: BTreeMap::new(),
        growth: None,
        verdict: None,
    }
}
