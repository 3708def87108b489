//! What the guard refused, and how reloads of the configuration went.

use super::Sheet;
use crate::api::{Guard, Reload};
use prometheus_client::metrics::MetricType::Counter;
use std::fmt;

/// `plimsoll_http_refused_total` and `plimsoll_config_*`.
pub(super) fn write(
    sheet: &mut Sheet<'_>,
    guard: &Guard,
    reload: Option<&dyn Reload>,
) -> fmt::Result {
    let refused = guard.refusals().by_reason();
    let rows = refused.into_iter().map(|(why, n)| (vec![("reason", why)], n as f64));
    let help = "Requests and connections refused, by reason.";
    sheet.family(Counter, "http_refused", help, rows)?;
    let Some(figures) = reload.map(Reload::figures) else { return Ok(()) };
    let rows = [("good", figures.good), ("bad", figures.bad)];
    let rows = rows.into_iter().map(|(result, n)| (vec![("result", result)], n as f64));
    sheet.family(Counter, "config_reloads", "Reloads of the configuration.", rows)?;
    sheet.gauge(
        "config_reload_success",
        "1 if the last reload of the configuration was good, or there was none.",
        f64::from(u8::from(figures.last_was_good)),
    )?;
    sheet.gauge(
        "config_reload_success_timestamp_seconds",
        "When the configuration that holds was read, in Unix time.",
        figures.good_at_unix_s,
    )?;
    sheet.gauge(
        "config_reload_pending_restart",
        "Keys whose new value waits for a restart.",
        figures.waiting_for_restart as f64,
    )
}
