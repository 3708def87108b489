//! One set of rules: what the configuration says of access, and what the files it names hold.

use super::Scope;
use crate::api::HeapPermission;
use crate::config::Config;
pub use plimsoll_guard::Faults as RuleFaults;
use plimsoll_guard::{Access, Named};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What holds for each request until the next reload.
#[derive(Debug)]
pub struct Rules {
    pub(super) access: Arc<Access>,
    pub(in crate::api) heap: HeapPermission,
    /// Whether silences may be made where no credential is set up.
    pub(in crate::api) silences: bool,
}

impl Rules {
    /// Those of an agent without any credential that listens on `listen`.
    #[must_use]
    pub fn open(listen: SocketAddr) -> Self {
        let is_loopback = listen.ip().to_canonical().is_loopback();
        Self {
            access: Arc::new(Access::open(listen)),
            heap: HeapPermission { open: is_loopback, ..HeapPermission::default() },
            silences: is_loopback,
        }
    }

    /// Reads all that `config` names.
    ///
    /// # Errors
    /// Each file that is no good.
    pub fn load(config: &Config, listen: SocketAddr) -> Result<Self, RuleFaults> {
        let (http, reports) = (&config.http, &config.reports);
        let mut rules = Self::open(listen);
        rules.silences |= config.alerts.remote_silences;
        rules.heap = HeapPermission {
            level_max: reports.http_level_max,
            token_file: reports.token_file.clone(),
            max_pause: reports.max_pause,
            window: reports.window,
            ..rules.heap
        };
        let named = Named {
            hosts: http.allowed_hosts.clone(),
            rate: u32::try_from(http.rate_limit).unwrap_or(u32::MAX),
            tokens_file: http.tokens_file.clone(),
            web_config_file: http.web_config_file.clone(),
            heap_token_file: reports.token_file.clone(),
            users_scope: scope(&http.basic_auth_scope),
            certificate_scope: scope(&http.client_cert_scope),
        };
        rules.access = Arc::new(Access::load(&named, listen)?);
        Ok(rules)
    }

    /// Whether anything keeps strangers out.
    #[must_use]
    pub fn has_auth(&self) -> bool {
        self.access.has_auth()
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.access.tls.is_some()
    }

    /// The files whose change asks for a reload.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        self.access.files()
    }

    /// In words, for `/readyz?verbose`.
    #[must_use]
    pub fn describe(&self) -> String {
        self.access.describe()
    }
}

/// The configuration has accepted the name.
fn scope(name: &str) -> Scope {
    Scope::of_name(name).unwrap_or(Scope::Metrics)
}
