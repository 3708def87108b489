//! Which scope a request needs. Pure.

use super::Scope;
use axum::http::{HeaderMap, Method, Uri};
use plimsoll_guard::is_safe;

/// What `method` on `path` needs; None if everyone may. A path that nobody serves needs a scope
/// like any other, so that its absence is not told to strangers.
pub(in crate::api) fn needed(method: &Method, path: &str) -> Option<Scope> {
    let reads = is_safe(method);
    match path {
        "/healthz" | "/readyz" if reads => None,
        "/metrics" if reads => Some(Scope::Metrics),
        "/api/v1/reports" if method == Method::POST => Some(Scope::Heap),
        _ if !reads => Some(Scope::Admin),
        _ if path.starts_with("/api/v1/reports/") => Some(Scope::Heap),
        _ => Some(Scope::Read),
    }
}

/// As [`needed`]; the probe with its sources names paths, so it is no longer everyone's.
pub(super) fn needed_by(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Scope> {
    let plain =
        uri.query().is_none() && !super::super::probes::accepts(headers, "application/json");
    match needed(method, uri.path()) {
        None if uri.path() == "/readyz" && !plain => Some(Scope::Metrics),
        scope => scope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_anything_needs_admin_and_what_holds_a_heap_needs_heap() {
        let needs = |method: &str, path: &str| needed(&method.parse().unwrap(), path);
        assert_eq!(needs("GET", "/healthz"), None);
        assert_eq!(needs("POST", "/healthz"), Some(Scope::Admin));
        assert_eq!(needs("GET", "/metrics"), Some(Scope::Metrics));
        assert_eq!(needs("GET", "/api/v1/processes"), Some(Scope::Read));
        assert_eq!(needs("GET", "/api/v1/reports"), Some(Scope::Read));
        assert_eq!(needs("POST", "/api/v1/reports"), Some(Scope::Heap));
        assert_eq!(needs("HEAD", "/api/v1/reports/x.svg"), Some(Scope::Heap));
        assert_eq!(needs("DELETE", "/api/v1/silences/1"), Some(Scope::Admin));
        assert_eq!(needs("BREW", "/api/v1/reports"), Some(Scope::Admin));
        assert_eq!(needs("GET", "/no/such/path"), Some(Scope::Read));
    }

    #[test]
    fn the_bare_probe_is_open_and_the_one_with_sources_is_not() {
        let by = |uri: &str, accept: &str| {
            let headers = [(axum::http::header::ACCEPT, accept.parse().unwrap())];
            needed_by(&Method::GET, &uri.parse().unwrap(), &headers.into_iter().collect())
        };
        assert_eq!(by("/readyz", "*/*"), None);
        assert_eq!(by("/readyz?verbose", "*/*"), Some(Scope::Metrics));
        assert_eq!(by("/readyz", "application/json"), Some(Scope::Metrics));
    }
}
