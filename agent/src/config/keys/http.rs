//! The keys of the HTTP server: where it listens, and who may ask for what.

use super::{Field, Key, is_host};

const SCOPES: &str = "\"metrics\" or \"read\" or \"heap\" or \"admin\"";

pub(super) const LISTEN: Key = Key {
    path: "http.listen",
    flag: Some("listen"),
    field: Field::Address(|c| &mut c.http.listen),
    doc: "Address of the HTTP API, the metrics and the web page.",
    edges: "Port 0 takes any free port. An address that others can reach needs http.tokens_file, \
            http.web_config_file or http.insecure.",
    who: "Whoever scrapes it from another host.",
};

pub(super) const INSECURE: Key = Key {
    path: "http.insecure",
    flag: Some("insecure"),
    field: Field::Switch(|c| &mut c.http.insecure),
    doc: "Allows an address that others can reach, although no credential is set up.",
    edges: "true: everyone who can reach the port sees process names and command lines.",
    who: "Only where a network policy guards the port.",
};

pub(super) const ALLOWED_HOSTS: Key = Key {
    path: "http.allowed_hosts",
    flag: None,
    field: Field::List {
        at: |c| &mut c.http.allowed_hosts,
        good: is_host,
        accepted: "a host name without scheme or port",
    },
    doc: "Names under which browsers may ask; keeps foreign pages out (DNS rebinding).",
    edges: "Empty: only localhost and the address in http.listen.",
    who: "Whoever puts the page behind a name of their own.",
};

pub(super) const TOKENS_FILE: Key = Key {
    path: "http.tokens_file",
    flag: None,
    field: Field::PathOrUnset { at: |c| &mut c.http.tokens_file, example: "/etc/plimsoll/tokens" },
    doc: "File of bearer tokens, a line each: SCOPE NAME TOKEN, the token also as sha256:HEX.",
    edges: "Unset: none, and a loopback address is open for reading. Mode 0600, or 0640 for a \
            group that may read it.",
    who: "Whoever serves beyond the loopback, or shares the node.",
};

pub(super) const WEB_CONFIG_FILE: Key = Key {
    path: "http.web_config_file",
    flag: Some("web.config.file"),
    field: Field::PathOrUnset {
        at: |c| &mut c.http.web_config_file,
        example: "/etc/plimsoll/web.yml",
    },
    doc: "TLS, client certificates and users, in a file as Prometheus's exporters have it.",
    edges: "Unset: no TLS and no users. Its files are read anew when they change.",
    who: "Whoever serves beyond the loopback.",
};

pub(super) const BASIC_AUTH_SCOPE: Key = Key {
    path: "http.basic_auth_scope",
    flag: None,
    field: Field::Text { at: |c| &mut c.http.basic_auth_scope, good: is_scope, accepted: SCOPES },
    doc: "What the users of the web-config file may do.",
    edges: "metrics: scrape only; admin: everything, also silences and reload.",
    who: "Those whose people log in with a password.",
};

pub(super) const CLIENT_CERT_SCOPE: Key = Key {
    path: "http.client_cert_scope",
    flag: None,
    field: Field::Text { at: |c| &mut c.http.client_cert_scope, good: is_scope, accepted: SCOPES },
    doc: "What a client may do that shows a certificate of the client CA and no other credential.",
    edges: "metrics: scrape only; admin: everything, also silences and reload.",
    who: "Those whose clients have certificates.",
};

pub(super) const RATE_LIMIT: Key = Key {
    path: "http.rate_limit",
    flag: None,
    field: Field::Count { at: |c| &mut c.http.rate_limit, range: 0..=100_000 },
    doc: "Requests a second that each client may send, with bursts of twice as many.",
    edges: "0: as many as it likes. A wrong credential counts as ten more.",
    who: "Nodes that many clients ask through one address.",
};

fn is_scope(name: &str) -> bool {
    matches!(name, "metrics" | "read" | "heap" | "admin")
}
