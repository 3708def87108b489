//! The pressure signal in numbers.

use super::Sheet;
use crate::view::pressure::{PressureView, ScopeView};
use prometheus_client::metrics::MetricType::Gauge;
use std::cmp::Reverse;
use std::fmt;

/// Scopes that get rows, the worst first.
const SCOPES_MAX: usize = 50;
const LEVELS: [&str; 4] = ["none", "low", "medium", "critical"];

/// `plimsoll_pressure_*`; nothing at all where it is switched off.
pub(super) fn write(sheet: &mut Sheet<'_>, pressure: &PressureView) -> fmt::Result {
    if !pressure.enabled {
        return Ok(());
    }
    let up = f64::from(u8::from(pressure.listening));
    sheet.gauge("pressure_listening", "1 if applications can subscribe.", up)?;
    let dry_run = f64::from(u8::from(pressure.dry_run));
    sheet.gauge("pressure_dry_run", "1 if nobody is asked for anything.", dry_run)?;
    let subscribers = pressure.subscribers.len() as f64;
    sheet.gauge("pressure_subscribers", "Applications that subscribe.", subscribers)?;
    let able: u64 =
        pressure.subscribers.iter().map(|s| s.can_free_bytes.0).fold(0, u64::saturating_add);
    sheet.gauge("pressure_can_free_bytes", "What they say they could free.", able as f64)?;
    write_scopes(sheet, pressure)?;
    let totals = &pressure.totals;
    for (name, help, value) in [
        ("pressure_asks", "Times that a subscriber was asked for memory.", totals.asks),
        ("pressure_asked_bytes", "Memory asked for.", totals.asked_bytes),
        ("pressure_freed_bytes", "Memory freed, as subscribers say.", totals.freed_bytes),
        ("pressure_seen_bytes", "Of that, what the headroom showed.", totals.seen_bytes),
        ("pressure_late", "Asks not answered by their deadline.", totals.late),
        ("pressure_connections", "Connections taken.", totals.connections),
        ("pressure_refused", "Connections turned away.", totals.refused),
        ("pressure_closed", "Connections closed for what they did or did not.", totals.closed),
    ] {
        sheet.counter(name, help, value as f64)?;
    }
    Ok(())
}

fn write_scopes(sheet: &mut Sheet<'_>, pressure: &PressureView) -> fmt::Result {
    let mut scopes: Vec<&ScopeView> = pressure.scopes.iter().collect();
    scopes.sort_by_key(|scope| Reverse(level_of(scope)));
    scopes.truncate(SCOPES_MAX);
    type Column = (&'static str, &'static str, fn(&ScopeView) -> f64);
    let columns: [Column; 3] = [
        ("pressure_level", "How short memory is: 0 none, 1 low, 2 medium, 3 critical.", |s| {
            level_of(s) as f64
        }),
        ("pressure_headroom_bytes", "Limit - what reclaim cannot free.", |s| {
            s.headroom_bytes.as_f64()
        }),
        ("pressure_want_bytes", "Wanted back, what is under way included.", |s| {
            s.want_bytes.as_f64()
        }),
    ];
    for (name, help, value) in columns {
        let rows = scopes.iter().map(|s| (vec![("scope", s.scope.as_str())], value(s)));
        sheet.family(Gauge, name, help, rows)?;
    }
    Ok(())
}

fn level_of(scope: &ScopeView) -> usize {
    LEVELS.iter().position(|level| *level == scope.level).unwrap_or_default()
}
