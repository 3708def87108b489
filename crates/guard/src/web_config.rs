//! The web-config file of Prometheus's exporters: TLS, users, headers.
//!
//! Source: prometheus/exporter-toolkit, docs/web-configuration.md. Everything is read that can
//! be done here; a key that it does not know or cannot keep is refused, for a setting that is
//! silently left out would be worse than none. TLS below 1.2 is not to be had. Paths are taken
//! from the file's own directory if they are not absolute.

use crate::tls::{ClientAuth, TlsFiles, TlsVersion};
use crate::tokens::bounded_text;
use crate::users::Users;
use axum::http::{HeaderName, HeaderValue};
use saphyr::{LoadableYamlNode as _, Yaml};
use std::path::{Path, PathBuf};

/// What such a file may set in answers. Source: as above.
const HEADERS: [&str; 5] = [
    "content-security-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-xss-protection",
];

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct WebConfig {
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) users: Users,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

type Read<T> = Result<T, String>;

impl WebConfig {
    /// # Errors
    /// What is wrong with it, with the key.
    pub(crate) fn read(path: &Path) -> Read<Self> {
        let text = bounded_text(path)?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        Self::of_text(&text, dir).map_err(|what| format!("{}: {what}", path.display()))
    }

    fn of_text(text: &str, dir: &Path) -> Read<Self> {
        let documents = Yaml::load_from_str(text).map_err(|e| format!("not YAML: {e}"))?;
        let mut config = Self::default();
        let top = match &documents[..] {
            [] => return Ok(config),
            [one] if one.is_null() => return Ok(config),
            [one] => one,
            _ => return Err("it has more than one document".into()),
        };
        for (key, value) in entries(top, "the file")? {
            match key {
                "tls_server_config" => config.tls = tls(value, dir)?,
                "http_server_config" => config.http(value)?,
                "basic_auth_users" => {
                    for (name, hash) in entries(value, key)? {
                        config.users.add(name, text_of(hash, key)?)?;
                    }
                }
                _ => return Err(unknown(key)),
            }
        }
        Ok(config)
    }

    fn http(&mut self, value: &Yaml<'_>) -> Read<()> {
        for (key, value) in entries(value, "http_server_config")? {
            match key {
                // Answers come by HTTP/1.1 only, whatever is allowed.
                "http2" => drop(bool_of(value, key)?),
                "headers" => {
                    for (name, value) in entries(value, key)? {
                        self.headers.push(header(name, text_of(value, name)?)?);
                    }
                }
                _ => return Err(unknown(&format!("http_server_config.{key}"))),
            }
        }
        Ok(())
    }
}

fn header(name: &str, value: &str) -> Read<(HeaderName, HeaderValue)> {
    let lower = name.to_ascii_lowercase();
    let known = HEADERS.iter().find(|known| **known == lower);
    let known = known.ok_or_else(|| format!("the header {name:?} cannot be set here"))?;
    let value =
        HeaderValue::from_str(value).map_err(|_| format!("{name}: is no header's value"))?;
    Ok((HeaderName::from_static(known), value))
}

/// Reads `tls_server_config`; None if it is empty, as the exporters have it.
fn tls(value: &Yaml<'_>, dir: &Path) -> Read<Option<TlsFiles>> {
    if value.is_null() {
        return Ok(None);
    }
    let mut files = TlsFiles::default();
    for (key, value) in entries(value, "tls_server_config")? {
        let path = || Ok::<PathBuf, String>(dir.join(text_of(value, key)?));
        match key {
            "cert_file" => files.cert = path()?,
            "key_file" => files.key = path()?,
            "client_ca_file" => files.client_ca = Some(path()?),
            "client_auth_type" => files.client_auth = client_auth(text_of(value, key)?)?,
            "client_allowed_sans" => files.client_names = texts(value, key)?,
            "min_version" => files.min = version(value, key)?,
            "max_version" => files.max = version(value, key)?,
            "cipher_suites" => files.suites = texts(value, key)?,
            "curve_preferences" => files.curves = texts(value, key)?,
            // Its order never mattered to TLS 1.3, and the exporters ignore it too.
            "prefer_server_cipher_suites" => drop(bool_of(value, key)?),
            "cert" | "key" | "client_ca" => {
                return Err(format!("tls_server_config.{key}: name a file ({key}_file) instead"));
            }
            _ => return Err(unknown(&format!("tls_server_config.{key}"))),
        }
    }
    files.check()?;
    Ok(Some(files))
}

/// By the names of Go's crypto/tls. Certificates that nobody verifies are no authentication.
fn client_auth(name: &str) -> Read<ClientAuth> {
    match name {
        "" | "NoClientCert" => Ok(ClientAuth::None),
        "VerifyClientCertIfGiven" => Ok(ClientAuth::IfGiven),
        "RequireAndVerifyClientCert" => Ok(ClientAuth::Required),
        "RequestClientCert" | "RequireAnyClientCert" => Err(format!(
            "client_auth_type {name} takes certificates without verifying them: use \
             VerifyClientCertIfGiven or RequireAndVerifyClientCert"
        )),
        _ => Err(format!(
            "client_auth_type {name:?} is none of NoClientCert, VerifyClientCertIfGiven and \
             RequireAndVerifyClientCert"
        )),
    }
}

fn version(value: &Yaml<'_>, key: &str) -> Read<TlsVersion> {
    match text_of(value, key)? {
        "TLS12" => Ok(TlsVersion::V12),
        "TLS13" => Ok(TlsVersion::V13),
        other => Err(format!("{key}: {other:?} is neither TLS12 nor TLS13")),
    }
}

fn entries<'a>(value: &'a Yaml<'_>, of: &str) -> Read<Vec<(&'a str, &'a Yaml<'a>)>> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    let map = value.as_mapping().ok_or_else(|| format!("{of}: is no mapping"))?;
    let entry = |(key, value)| text_of(key, of).map(|key| (key, value));
    map.iter().map(entry).collect()
}

fn texts(value: &Yaml<'_>, key: &str) -> Read<Vec<String>> {
    let items = value.as_sequence().ok_or_else(|| format!("{key}: is no list"))?;
    items.iter().map(|item| text_of(item, key).map(str::to_owned)).collect()
}

fn text_of<'a>(value: &'a Yaml<'_>, key: &str) -> Read<&'a str> {
    value.as_str().ok_or_else(|| format!("{key}: is no text"))
}

fn bool_of(value: &Yaml<'_>, key: &str) -> Read<bool> {
    value.as_bool().ok_or_else(|| format!("{key}: is neither true nor false"))
}

fn unknown(key: &str) -> String {
    format!("{key}: is not a key that is known here")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Read<WebConfig> {
        WebConfig::of_text(text, Path::new("/etc/w"))
    }

    #[test]
    fn a_file_of_the_exporters_is_read_whole() {
        let hash = bcrypt::hash("x", 4).unwrap();
        let config = read(&format!(
            "tls_server_config:\n  cert_file: server.crt\n  key_file: /k/server.key\n  \
             client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  \
             client_allowed_sans: [prometheus.example]\n  min_version: TLS12\n  \
             prefer_server_cipher_suites: true\n  cipher_suites:\n    - TLS_AES_128_GCM_SHA256\n  \
             curve_preferences: [X25519]\nhttp_server_config:\n  http2: true\n  headers:\n    \
             Strict-Transport-Security: max-age=60\nbasic_auth_users:\n  ann: {hash}\n"
        ))
        .unwrap();
        let tls = config.tls.unwrap();
        assert_eq!(tls.cert, Path::new("/etc/w/server.crt"));
        assert_eq!(tls.key, Path::new("/k/server.key"));
        assert_eq!((tls.client_auth, tls.min), (ClientAuth::Required, TlsVersion::V12));
        assert!(config.users.is_right("ann", "x"));
        assert_eq!(config.headers[0].1, "max-age=60");
        for empty in ["", "# nothing\n", "tls_server_config:\nbasic_auth_users:\n"] {
            let config = read(empty).unwrap();
            assert!(config.tls.is_none() && config.users.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_and_no_hash_is_shown() {
        let server = "tls_server_config: {cert_file: a, key_file: b, ";
        for (text, told) in [
            ("basic_auth_user: {}".to_owned(), "basic_auth_user: is not a key"),
            ("basic_auth_users: {ann: hunter2}".to_owned(), "no bcrypt hash"),
            ("basic_auth_users: [ann]".to_owned(), "is no mapping"),
            ("tls_server_config: {cert_file: a}".to_owned(), "key_file"),
            (format!("{server} min_version: TLS10}}"), "neither TLS12 nor TLS13"),
            (format!("{server} client_auth_type: RequireAnyClientCert}}"), "without verifying"),
            (format!("{server} client_auth_type: VerifyClientCertIfGiven}}"), "client_ca_file"),
            (format!("{server} client_ca_file: c}}"), "client_auth_type"),
            (format!("{server} min_version: TLS13, max_version: TLS12}}"), "min_version"),
            ("http_server_config: {headers: {Server: x}}".to_owned(), "cannot be set"),
            ("a: [".to_owned(), "not YAML"),
            ("a: 1\n---\nb: 2".to_owned(), "more than one"),
        ] {
            let what = read(&text).unwrap_err();
            assert!(what.contains(told), "{text}: {what}");
            assert!(!what.contains("hunter2"), "{what}");
        }
    }
}
