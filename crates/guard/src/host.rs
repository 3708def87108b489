//! The `Host` allow-list: a web site whose name is re-bound to this node's address must not be
//! able to read it through a visitor's browser.
//!
//! Such a request carries the site's name. Loopback names and addresses, the address listened on
//! and the configured names pass. When listening on all addresses, any literal address passes,
//! because rebinding needs a name and probes and scrapers come by pod address.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use std::net::{IpAddr, SocketAddr};

/// Which hosts are answered.
#[derive(Debug)]
pub struct HostRule {
    listen: IpAddr,
    /// Lower case, without port and trailing dot.
    names: Vec<String>,
}

impl HostRule {
    #[must_use]
    pub fn new(listen: SocketAddr, allowed_hosts: &[String]) -> Self {
        let names = allowed_hosts.iter().map(|name| {
            let authority = name.parse::<Authority>();
            normal(authority.as_ref().map_or(name, |authority| authority.host()))
        });
        Self { listen: listen.ip().to_canonical(), names: names.collect() }
    }

    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        let host = normal(host);
        let literal = host.parse::<IpAddr>().is_ok_and(|ip| {
            let ip = ip.to_canonical();
            ip.is_loopback() || self.listen.is_unspecified() || ip == self.listen
        });
        literal || host == "localhost" || self.names.contains(&host)
    }

    /// Whether a request for `uri` with these headers is for this server.
    ///
    /// # Errors
    /// Why it is not.
    pub fn judge(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HostFault> {
        let mut given = headers.get_all(header::HOST).iter();
        let header = given.next().ok_or(HostFault::Malformed("a Host header is required"))?;
        if given.next().is_some() {
            return Err(HostFault::Malformed("there is more than one Host header"));
        }
        let header = Authority::try_from(header.as_bytes())
            .ok()
            .filter(|authority| !authority.as_str().contains('@'))
            .ok_or(HostFault::Malformed("the Host header is not a host with a port"))?;
        let target = uri.authority().map(|authority| authority.host());
        for host in target.into_iter().chain([header.host()]) {
            if !self.allows(host) {
                return Err(HostFault::Foreign(host.to_owned()));
            }
        }
        Ok(())
    }

    /// Whether what changes something comes from no web site but our own page. A browser says
    /// where from; other clients say nothing.
    #[must_use]
    pub fn is_same_site(&self, headers: &HeaderMap) -> bool {
        if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
            return false;
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        let authority = origin.to_str().ok().and_then(|text| text.split_once("://"));
        let authority = authority.and_then(|(_, rest)| rest.parse::<Authority>().ok());
        let ours = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_ours =
            |origin: &Authority| self.allows(origin.host()) && ours == Some(origin.as_str());
        origins.next().is_none() && authority.as_ref().is_some_and(is_ours)
    }
}

/// Why a request is not for this server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("'{0}' is not a name of this server")]
    Foreign(String),
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
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        HostRule::new(listen.parse().unwrap(), &names)
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
