//! What the configuration names, read whole: tokens, users, certificates, hosts, headers.

use crate::host::HostRule;
use crate::scope::Scope;
use crate::tls::Tls;
use crate::tokens::Tokens;
use crate::users::Users;
use crate::web_config::WebConfig;
use axum::http::{HeaderName, HeaderValue};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the configuration says of access.
#[derive(Clone, Debug)]
pub struct Named {
    /// Further names that `Host` may have.
    pub hosts: Vec<String>,
    /// Requests a second of each client; 0: no limit.
    pub rate: u32,
    pub tokens_file: Option<PathBuf>,
    pub web_config_file: Option<PathBuf>,
    /// Beside other credentials, the first line of this file is a token of the scope heap.
    pub heap_token_file: Option<PathBuf>,
    /// What users of the web-config file may do.
    pub users_scope: Scope,
    /// What a client with a verified certificate and no other credential may do.
    pub certificate_scope: Scope,
}

impl Default for Named {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            rate: 0,
            tokens_file: None,
            web_config_file: None,
            heap_token_file: None,
            users_scope: Scope::Read,
            certificate_scope: Scope::Read,
        }
    }
}

/// What holds for each request until the files are read again.
#[derive(Debug)]
pub struct Access {
    pub host: HostRule,
    /// What a connection is opened by; None: in clear.
    pub tls: Option<Tls>,
    pub(crate) tokens: Tokens,
    pub(crate) users: Users,
    pub(crate) users_scope: Scope,
    /// What a verified client certificate is good for; None: nothing.
    pub(crate) certificate: Option<Scope>,
    /// Requests a second of each client.
    pub(crate) rate: Option<u32>,
    /// Further headers of every answer.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Everything that was read; a change of one of them asks for reading again.
    files: Vec<PathBuf>,
    /// No other of this process has it: passwords that were right by one are not by the next.
    pub(crate) number: u64,
}

/// Everything that is wrong with the files, one each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Faults(pub Vec<String>);

impl Access {
    /// That of a server without any credential that listens on `listen`.
    #[must_use]
    pub fn open(listen: SocketAddr) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            host: HostRule::new(listen, &[]),
            tls: None,
            tokens: Tokens::default(),
            users: Users::default(),
            users_scope: Scope::Read,
            certificate: None,
            rate: None,
            headers: Vec::new(),
            files: Vec::new(),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Reads all that is named.
    ///
    /// # Errors
    /// Each file that is no good.
    pub fn load(named: &Named, listen: SocketAddr) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let mut access = Self::open(listen);
        access.host = HostRule::new(listen, &named.hosts);
        access.rate = Some(named.rate).filter(|rate| *rate > 0);
        access.users_scope = named.users_scope;
        if let Some(path) = &named.tokens_file {
            access.files.push(path.clone());
            faults.extend(access.tokens.read(path).err());
        }
        if let Some(path) = &named.web_config_file {
            access.files.push(path.clone());
            match WebConfig::read(path) {
                Ok(web) => faults.extend(access.adopt(web, named.certificate_scope).err()),
                Err(what) => faults.push(what),
            }
        }
        if let Some(path) = &named.heap_token_file {
            access.files.push(path.clone());
            // Alone it guards reports only and is read at each request; beside others it is one
            // of them, for who may have reports may read.
            if access.has_auth() {
                faults.extend(access.tokens.read_heap_token(path).err());
            }
        }
        if faults.is_empty() { Ok(access) } else { Err(Faults(faults)) }
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

    /// The files whose change asks for reading again.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// What every answer has beside its own headers.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// How a 401 of `server` says what would be right.
    #[must_use]
    pub fn challenge(&self, server: &str) -> String {
        if self.users.is_empty() {
            "Bearer".into()
        } else {
            format!("Basic realm=\"{server}\", charset=\"UTF-8\"")
        }
    }

    /// In words.
    #[must_use]
    pub fn describe(&self) -> String {
        let transport = if self.tls.is_some() { "TLS" } else { "no TLS" };
        if self.has_auth() {
            format!("{transport}; credentials are asked for")
        } else {
            format!("{transport}; everyone who reaches the port may read")
        }
    }
}
