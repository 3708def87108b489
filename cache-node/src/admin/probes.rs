//! `/readyz`: whether clients are served as usual. Pressure does not make it unready: a cache that
//! gives memory back still answers, and taking it out of service would help nobody.

use super::Desk;
use crate::control::Level;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use std::fmt::Write as _;

pub(super) async fn readyz(State(desk): State<Desk>, uri: Uri) -> Response {
    let verbose = uri.query().is_some_and(|query| {
        query.split('&').any(|one| matches!(one, "verbose" | "verbose=1" | "verbose=true"))
    });
    let gauges = desk.shared.host.gauges();
    let mut text = String::new();
    if verbose {
        describe(&mut text, &desk);
    }
    let (open, lost) = (gauges.accepting_conns, desk.roster.lost_workers());
    text += match (open, lost) {
        (true, 0) => "ready\n",
        (false, 0) => "not ready: as many are connected as may be (-c)\n",
        _ => "not ready: a worker ended by a fault of its own\n",
    };
    let status = if open && lost == 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text).into_response()
}

fn describe(text: &mut String, desk: &Desk) {
    let figures = desk.control.figures();
    let gauges = desk.shared.host.gauges();
    let mark = |good: bool| if good { '+' } else { '-' };
    let calm = figures.level == Level::None;
    let (level, mib) = (figures.level.name(), |bytes: u64| bytes >> 20);
    let (limit, asked) = (mib(figures.limit_bytes), mib(figures.asked_bytes));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "[{}] pressure: {level}", mark(calm));
    let full = figures.limit_bytes >= figures.asked_bytes;
    let _ = writeln!(text, "[{}] memory: {limit} of {asked} MiB may be used", mark(full));
    let lost = desk.roster.lost_workers();
    let (good, threads) = (mark(lost == 0), desk.settings.threads);
    let _ = writeln!(text, "[{good}] workers: {} of {threads}", threads.saturating_sub(lost));
    let (now, most) = (gauges.curr_connections, desk.settings.connections_max);
    let open = mark(gauges.accepting_conns);
    let _ = writeln!(text, "[{open}] connections: {now} of {most}");
}
