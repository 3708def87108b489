//! One set of rules: what the configuration says of access, and what the files it names hold.

use super::tls::Tls;
use super::tokens::Tokens;
use super::users::Users;
use super::web_config::WebConfig;
use super::{Refusals, Scope};
use crate::api::HeapPermission;
use crate::api::host::HostRule;
use crate::config::Config;
use axum::http::{HeaderName, HeaderValue};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// What holds for each request until the next reload.
#[derive(Debug)]
pub struct Rules {
    pub(in crate::api) host: HostRule,
    pub(super) tokens: Tokens,
    pub(super) users: Users,
    pub(super) users_scope: Scope,
    /// What a verified client certificate is good for; None: nothing.
    pub(super) certificate: Option<Scope>,
    /// Requests a second of each client.
    pub(super) rate: Option<u32>,
    /// Further headers of every answer.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(in crate::api) tls: Option<Tls>,
    pub(in crate::api) heap: HeapPermission,
    /// Whether silences may be made where no credential is set up.
    pub(in crate::api) silences: bool,
    /// Everything that was read; a change of one of them asks for a reload.
    files: Vec<PathBuf>,
}

/// Everything that is wrong with the files, one each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct RuleFaults(pub Vec<String>);

impl Rules {
    /// Those of an agent without any credential that listens on `listen`.
    #[must_use]
    pub fn open(listen: SocketAddr) -> Self {
        let is_loopback = listen.ip().to_canonical().is_loopback();
        Self {
            host: HostRule::new(listen, &[]),
            tokens: Tokens::default(),
            users: Users::default(),
            users_scope: Scope::Read,
            certificate: None,
            rate: None,
            headers: Vec::new(),
            tls: None,
            heap: HeapPermission { open: is_loopback, ..HeapPermission::default() },
            silences: is_loopback,
            files: Vec::new(),
        }
    }

    /// Reads all that `config` names.
    ///
    /// # Errors
    /// Each file that is no good.
    pub fn load(config: &Config, listen: SocketAddr) -> Result<Self, RuleFaults> {
        let (http, reports) = (&config.http, &config.reports);
        let mut faults = Vec::new();
        let mut rules = Self::open(listen);
        rules.host = HostRule::new(listen, &http.allowed_hosts);
        rules.silences |= config.alerts.remote_silences;
        rules.rate = u32::try_from(http.rate_limit).ok().filter(|rate| *rate > 0);
        rules.heap = HeapPermission {
            level_max: reports.http_level_max,
            token_file: reports.token_file.clone(),
            max_pause: reports.max_pause,
            window: reports.window,
            ..rules.heap
        };
        rules.users_scope = scope(&http.basic_auth_scope);
        if let Some(path) = &http.tokens_file {
            rules.files.push(path.clone());
            faults.extend(rules.tokens.read(path).err());
        }
        if let Some(path) = &http.web_config_file {
            rules.files.push(path.clone());
            match WebConfig::read(path) {
                Ok(web) => faults.extend(rules.adopt(web, scope(&http.client_cert_scope)).err()),
                Err(what) => faults.push(what),
            }
        }
        if let Some(path) = &reports.token_file {
            rules.files.push(path.clone());
            // Alone it guards reports only and is read at each request; beside others it is one
            // of them, for who may have reports may read.
            if rules.has_auth() {
                faults.extend(rules.tokens.read_heap_token(path).err());
            }
        }
        if faults.is_empty() { Ok(rules) } else { Err(RuleFaults(faults)) }
    }

    fn adopt(&mut self, web: WebConfig, certificate: Scope) -> Result<(), String> {
        (self.users, self.headers) = (web.users, web.headers);
        let Some(files) = web.tls else { return Ok(()) };
        self.files.extend(files.paths());
        self.tls = Some(files.load()?);
        self.certificate = files.client_ca.is_some().then_some(certificate);
        Ok(())
    }

    /// Whether anything keeps strangers out.
    #[must_use]
    pub fn has_auth(&self) -> bool {
        let certificates = self.tls.as_ref().is_some_and(|tls| tls.required);
        !self.tokens.is_empty() || !self.users.is_empty() || certificates
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub const fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The files whose change asks for a reload.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// How a 401 says what would be right.
    pub(in crate::api) fn challenge(&self) -> &'static str {
        if self.users.is_empty() { "Bearer" } else { "Basic realm=\"plimsoll\", charset=\"UTF-8\"" }
    }

    /// In words, for `/readyz?verbose`.
    #[must_use]
    pub fn describe(&self) -> String {
        let transport = if self.has_tls() { "TLS" } else { "no TLS" };
        if self.has_auth() {
            format!("{transport}; credentials are asked for")
        } else {
            format!("{transport}; everyone who reaches the port may read")
        }
    }
}

impl Refusals {
    /// By reason, for the metrics.
    #[must_use]
    pub fn by_reason(&self) -> [(&'static str, u64); 4] {
        [
            ("unauthorized", self.unauthorized.load(Ordering::Relaxed)),
            ("forbidden", self.forbidden.load(Ordering::Relaxed)),
            ("rate_limited", self.limited.load(Ordering::Relaxed)),
            ("tls_handshake", self.handshakes.load(Ordering::Relaxed)),
        ]
    }
}

/// The configuration has accepted the name.
fn scope(name: &str) -> Scope {
    Scope::of_name(name).unwrap_or(Scope::Metrics)
}
