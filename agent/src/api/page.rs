//! The web page: files built into the binary, so that it works without a network.

use super::Shared;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

struct Asset {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($path:literal, $content_type:expr, $file:literal) => {
        Asset {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../web/", $file)),
        }
    };
}

const INDEX: Asset = asset!("/", HTML, "index.html");
const ASSETS: &[Asset] = &[
    asset!("/app.css", CSS, "app.css"),
    asset!("/app.js", SCRIPT, "app.js"),
    asset!("/app/api.js", SCRIPT, "app/api.js"),
    asset!("/app/badge.js", SCRIPT, "app/badge.js"),
    asset!("/app/chart.js", SCRIPT, "app/chart.js"),
    asset!("/app/dom.js", SCRIPT, "app/dom.js"),
    asset!("/app/facts.js", SCRIPT, "app/facts.js"),
    asset!("/app/format.js", SCRIPT, "app/format.js"),
    asset!("/app/hull.js", SCRIPT, "app/hull.js"),
    asset!("/app/incident.js", SCRIPT, "app/incident.js"),
    asset!("/app/log.js", SCRIPT, "app/log.js"),
    asset!("/app/pressure.js", SCRIPT, "app/pressure.js"),
    asset!("/app/report-diff.js", SCRIPT, "app/report-diff.js"),
    asset!("/app/report-parts.js", SCRIPT, "app/report-parts.js"),
    asset!("/app/report.js", SCRIPT, "app/report.js"),
    asset!("/app/rows.js", SCRIPT, "app/rows.js"),
    asset!("/app/spark.js", SCRIPT, "app/spark.js"),
    asset!("/app/table.js", SCRIPT, "app/table.js"),
    asset!("/app/target.js", SCRIPT, "app/target.js"),
    asset!("/app/theme.js", SCRIPT, "app/theme.js"),
    asset!("/app/words.js", SCRIPT, "app/words.js"),
    asset!("/vendor/uPlot.iife.min.js", SCRIPT, "vendor/uPlot.iife.min.js"),
    asset!("/vendor/uPlot.min.css", CSS, "vendor/uPlot.min.css"),
    asset!("/favicon.svg", SVG, "favicon.svg"),
];

/// The web page. Its query belongs to its scripts.
#[utoipa::path(get, path = "/", tag = "agent",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub(super) async fn index(headers: HeaderMap) -> Response {
    answer(&INDEX, &headers)
}

/// Everything the page loads. Not part of the documented API.
pub(super) fn assets() -> Router<Shared> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(async |headers: HeaderMap| answer(asset, &headers)))
    })
}

/// Browsers keep the file but ask each time whether it is still the one, so that a new agent
/// never meets an old page. Cost: one CRC over the file, below 100 µs.
fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let etag = format!("\"{:08x}-{:x}\"", crc32fast::hash(asset.bytes), asset.bytes.len());
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let is_known = known
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == etag);
    let caching = [(header::ETAG, etag), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, asset.content_type)], asset.bytes).into_response()
}

#[cfg(test)]
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    ASSETS.iter().map(|asset| asset.path)
}
