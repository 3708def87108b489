//! TLS for HTTP, by rustls: what the web-config file asks for, made into a server's settings.
//!
//! Certificate, key and client CA are read when the rules are made, and the rules are made anew
//! when one of the files changes; open connections keep what they began with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    NamedGroup, RootCertStore, ServerConfig, SupportedProtocolVersion, version,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    #[default]
    None,
    /// A certificate need not be sent; one that is has to be good.
    IfGiven,
    Required,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TlsVersion {
    V12,
    V13,
}

/// What a web-config file says of TLS.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) client_auth: ClientAuth,
    /// A client's certificate has to be for one of them; empty: for any.
    pub(crate) client_names: Vec<String>,
    pub(crate) min: TlsVersion,
    pub(crate) max: TlsVersion,
    /// By their IANA names; empty: those of rustls.
    pub(crate) suites: Vec<String>,
    /// By Go's names; empty: those of rustls.
    pub(crate) curves: Vec<String>,
}

impl Default for TlsFiles {
    fn default() -> Self {
        Self {
            cert: PathBuf::new(),
            key: PathBuf::new(),
            client_ca: None,
            client_auth: ClientAuth::None,
            client_names: Vec::new(),
            min: TlsVersion::V12,
            max: TlsVersion::V13,
            suites: Vec::new(),
            curves: Vec::new(),
        }
    }
}

impl TlsFiles {
    /// # Errors
    /// What is missing or contradicts itself.
    pub(crate) fn check(&self) -> Result<(), String> {
        let empty = |path: &Path| path.as_os_str().is_empty();
        if empty(&self.cert) || empty(&self.key) {
            return Err("tls_server_config needs cert_file and key_file".into());
        }
        if self.min > self.max {
            return Err("tls_server_config: min_version is above max_version".into());
        }
        match (&self.client_ca, self.client_auth) {
            (None, ClientAuth::IfGiven | ClientAuth::Required) => {
                Err("client_auth_type needs client_ca_file".into())
            }
            (Some(_), ClientAuth::None) => {
                Err("client_ca_file does nothing without client_auth_type".into())
            }
            _ if !self.client_names.is_empty() && self.client_auth == ClientAuth::None => {
                Err("client_allowed_sans does nothing without client_auth_type".into())
            }
            _ => Ok(()),
        }
    }

    /// The files that a change of has to be noticed.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        [self.cert.clone(), self.key.clone()].into_iter().chain(self.client_ca.clone())
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let all = [(TlsVersion::V12, &version::TLS12), (TlsVersion::V13, &version::TLS13)];
        let wanted = all.into_iter().filter(|(v, _)| (self.min..=self.max).contains(v));
        wanted.map(|(_, version)| version).collect()
    }

    fn provider(&self) -> Result<CryptoProvider, String> {
        let mut provider = ring::default_provider();
        for name in &self.suites {
            let known = provider.cipher_suites.iter().any(|suite| named(suite, name));
            if !known {
                return Err(format!("cipher_suites: {name:?} is not offered"));
            }
        }
        if !self.suites.is_empty() {
            let wanted = |suite: &_| self.suites.iter().any(|name| named(suite, name));
            provider.cipher_suites.retain(wanted);
        }
        if !self.curves.is_empty() {
            let group = |name: &String| {
                group(name).ok_or_else(|| format!("curve_preferences: {name:?} is not offered"))
            };
            let groups = self.curves.iter().map(group).collect::<Result<Vec<_>, _>>()?;
            provider.kx_groups.retain(|offered| groups.contains(&offered.name()));
        }
        Ok(provider)
    }

    /// Reads the files.
    ///
    /// # Errors
    /// Which of them is no good, and why.
    pub(crate) fn load(&self) -> Result<Tls, String> {
        let provider = Arc::new(self.provider()?);
        let chain = certificates(&self.cert)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|e| format!("{}: no private key: {e}", self.key.display()))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions())
            .map_err(|e| format!("tls_server_config: {e}"))?;
        let builder = match &self.client_ca {
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(ca)? {
                    roots.add(certificate).map_err(|e| format!("{}: {e}", ca.display()))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match self.client_auth {
                    ClientAuth::Required => verifier,
                    _ => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().map_err(|e| format!("{}: {e}", ca.display()))?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|e| format!("{}: {e}", self.cert.display()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = |name: &String| {
            let parsed = ServerName::try_from(name.clone());
            parsed.map_err(|_| format!("client_allowed_sans: {name:?} is neither name nor address"))
        };
        let client_names = self.client_names.iter().map(name).collect::<Result<_, _>>()?;
        let required = self.client_auth == ClientAuth::Required;
        Ok(Tls { config: Arc::new(config), client_names, required })
    }
}

/// What a connection is opened by.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    client_names: Vec<ServerName<'static>>,
    /// Nobody gets in without a certificate.
    pub(crate) required: bool,
}

impl Tls {
    /// Whether a client with these verified certificates may come in: Ok(true) with a
    /// certificate, Ok(false) without.
    pub(crate) fn admits(
        &self,
        chain: Option<&[CertificateDer<'_>]>,
    ) -> Result<bool, &'static str> {
        let Some(own) = chain.and_then(|chain| chain.first()) else { return Ok(false) };
        if self.client_names.is_empty() {
            return Ok(true);
        }
        let parsed = ParsedCertificate::try_from(own).map_err(|_| "a malformed certificate")?;
        let fits = |name: &ServerName<'_>| verify_server_name(&parsed, name).is_ok();
        if self.client_names.iter().any(fits) {
            Ok(true)
        } else {
            Err("a certificate for none of client_allowed_sans")
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(format!("{}: no certificate in it", path.display())),
        Ok(all) => Ok(all),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}

/// Whether a suite has this name of IANA; rustls calls those of TLS 1.3 by another prefix.
fn named(suite: &tokio_rustls::rustls::SupportedCipherSuite, name: &str) -> bool {
    let own = format!("{:?}", suite.suite());
    own == name || own.strip_prefix("TLS13_").is_some_and(|own| name == format!("TLS_{own}"))
}

fn group(name: &str) -> Option<NamedGroup> {
    match name {
        "CurveP256" => Some(NamedGroup::secp256r1),
        "CurveP384" => Some(NamedGroup::secp384r1),
        "X25519" => Some(NamedGroup::X25519),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_and_curves_go_by_the_names_of_the_exporters() {
        let files = TlsFiles {
            suites: vec!["TLS_AES_128_GCM_SHA256".into()],
            curves: vec!["X25519".into()],
            ..TlsFiles::default()
        };
        let provider = files.provider().unwrap();
        assert_eq!((provider.cipher_suites.len(), provider.kx_groups.len()), (1, 1));
        let weak = TlsFiles { suites: vec!["TLS_RSA_WITH_RC4_128_SHA".into()], ..files };
        assert!(weak.provider().unwrap_err().contains("RC4"));
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let files = TlsFiles {
            cert: "/nowhere/a.crt".into(),
            key: "/nowhere/a.key".into(),
            ..TlsFiles::default()
        };
        assert!(files.load().unwrap_err().contains("/nowhere/a.crt"));
    }
}
