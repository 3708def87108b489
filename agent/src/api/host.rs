//! The `Host` allow-list: a web site whose name is re-bound to this node's address must not be
//! able to read it through a visitor's browser.
//!
//! Such a request carries the site's name. Loopback names and addresses, the address listened on
//! and the configured names pass. When listening on all addresses, any literal address passes,
//! because rebinding needs a name and probes and scrapers come by pod address.

use super::ApiSettings;
use super::problem::Problem;
use axum::extract::{Request, State};
use axum::http::header;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;

/// Which hosts are answered.
#[derive(Debug)]
pub(super) struct HostRule {
    listen: IpAddr,
    /// Lower case, without port and trailing dot.
    names: Vec<String>,
}

impl HostRule {
    pub(super) fn of(settings: &ApiSettings) -> Self {
        let names = settings.allowed_hosts.iter().map(|name| {
            let authority = name.parse::<Authority>();
            normal(authority.as_ref().map_or(name, |authority| authority.host()))
        });
        Self { listen: settings.listen.ip().to_canonical(), names: names.collect() }
    }

    fn allows(&self, host: &str) -> bool {
        let host = normal(host);
        let literal = host.parse::<IpAddr>().is_ok_and(|ip| {
            let ip = ip.to_canonical();
            ip.is_loopback() || self.listen.is_unspecified() || ip == self.listen
        });
        literal || host == "localhost" || self.names.contains(&host)
    }

    fn judge(&self, request: &Request) -> Result<(), Problem> {
        let mut given = request.headers().get_all(header::HOST).iter();
        let header = given.next().ok_or_else(|| Problem::bad_host("a Host header is required"))?;
        if given.next().is_some() {
            return Err(Problem::bad_host("there is more than one Host header"));
        }
        let header = Authority::try_from(header.as_bytes())
            .ok()
            .filter(|authority| !authority.as_str().contains('@'))
            .ok_or_else(|| Problem::bad_host("the Host header is not a host with a port"))?;
        let target = request.uri().authority().map(|authority| authority.host());
        for host in target.into_iter().chain([header.host()]) {
            if !self.allows(host) {
                return Err(Problem::misdirected(format!(
                    "'{host}' is not a name of this agent; add it to http.allowed_hosts if it is"
                )));
            }
        }
        Ok(())
    }
}

/// Layer: refuses requests for hosts that the rule does not allow.
pub(super) async fn check(
    State(rule): State<Arc<HostRule>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    rule.judge(&request)?;
    Ok(next.run(request).await)
}

/// Lower case, without the brackets of an IPv6 literal and the dot of a full name.
fn normal(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(listen: &str, names: &[&str]) -> HostRule {
        HostRule::of(&ApiSettings {
            allowed_hosts: names.iter().map(ToString::to_string).collect(),
            listen: listen.parse().unwrap(),
            silences: false,
            heap: crate::api::HeapPermission::default(),
            metrics: crate::api::MetricsSettings::default(),
        })
    }

    #[test]
    fn the_loopback_the_listen_address_and_configured_names_are_allowed() {
        let rule = rule("192.0.2.7:9977", &["Node-1.example.com", "other:9977"]);
        for host in [
            "localhost",
            "LOCALHOST.",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "192.0.2.7",
            "[::ffff:192.0.2.7]",
            "node-1.EXAMPLE.com",
            "other",
        ] {
            assert!(rule.allows(host), "{host}");
        }
        for host in ["evil.example", "192.0.2.8", "localhost.evil.example", "127.1", "0.0.0.0", ""]
        {
            assert!(!rule.allows(host), "{host}");
        }
    }

    #[test]
    fn listening_everywhere_allows_literal_addresses_but_no_foreign_name() {
        let rule = rule("0.0.0.0:9977", &[]);
        assert!(rule.allows("10.1.2.3"));
        assert!(rule.allows("[2001:db8::1]"));
        assert!(!rule.allows("evil.example"));
    }
}
