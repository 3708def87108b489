//! One attempt to deliver a notice over HTTP, and what its answer means.
//!
//! Secrets are read for each attempt, from the configuration or the file it names, so that one that
//! was replaced is used at once. They go into the request and nowhere else: what is said of a
//! failed attempt holds neither a URL nor anything that was sent. Redirects are not followed: they
//! would take the token elsewhere. The proxy of the environment is used, but for loopback
//! addresses.

use super::backoff::retry_after;
use super::notice::{Notice, hex};
use super::payload::{Setting, render};
use crate::config::{DestinationConfig, DestinationKind, Secret};
use crate::sources::read_bounded;
use ring::hmac;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// A file with a secret that is longer holds something else. Units: bytes.
const SECRET_BYTES_MAX: usize = 4096;
const CA_BYTES_MAX: usize = 4 << 20;
/// Of the answer this much is read. Units: bytes.
const ANSWER_BYTES_MAX: u64 = 2048;
/// Of the answer this much is told. Units: characters.
const TOLD_CHARS_MAX: usize = 200;
const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// How an attempt came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered(u16),
    /// It may go well later.
    Failed {
        why: String,
        after: Option<Duration>,
    },
    /// It never will.
    Refused {
        why: String,
    },
}

impl Outcome {
    /// What was wrong, if it was not delivered.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Delivered(_) => None,
            Self::Failed { why, .. } | Self::Refused { why } => Some(why),
        }
    }
}

/// Who sends to one destination, or to one instance of it.
#[derive(Debug)]
pub struct Sender {
    config: DestinationConfig,
    /// Which of the `urls`.
    instance: usize,
}

struct Request {
    url: String,
    token: Option<Secret>,
    signing_key: Option<Secret>,
    routing_key: Option<Secret>,
}

impl Sender {
    #[must_use]
    pub const fn new(config: DestinationConfig, instance: usize) -> Self {
        Self { config, instance }
    }

    #[must_use]
    pub const fn config(&self) -> &DestinationConfig {
        &self.config
    }

    /// The host and port that it talks to; neither is secret.
    ///
    /// # Errors
    /// When a secret or the certificates cannot be had, or the URL makes no sense.
    pub fn authority(&self) -> Result<String, String> {
        self.tls()?;
        let uri = self.request()?.url.parse::<axum::http::Uri>().map_err(|_| BAD_URL)?;
        let port = match (uri.port_u16(), uri.scheme_str()) {
            (Some(port), _) => port,
            (None, Some("http")) => 80,
            (None, _) => 443,
        };
        uri.host().map(|host| format!("{host}:{port}")).ok_or_else(|| BAD_URL.to_owned())
    }

    /// Sends once. Cost: at most the configured timeout.
    pub fn send(&self, notice: &Notice, now_ms: i64) -> Outcome {
        let failed = |why| Outcome::Failed { why, after: None };
        let request = match self.request() {
            Ok(request) => request,
            Err(why) => return failed(why),
        };
        let tls = match self.tls() {
            Ok(tls) => tls,
            Err(why) => return failed(why),
        };
        let setting = Setting {
            now_ms,
            resend: self.config.resend_interval,
            routing_key: request.routing_key.as_ref().map_or("", Secret::expose),
        };
        let body = render(self.config.kind, notice, setting);
        match self.post(&request, tls, notice, &body, now_ms) {
            Ok((status, after, said)) => {
                let said = request.scrubbed(&said);
                judge(self.config.kind, status, after, now_ms, &said)
            }
            Err(error) => failed(request.scrubbed(&in_words(&error))),
        }
    }

    fn post(
        &self,
        request: &Request,
        tls: Option<TlsConfig>,
        notice: &Notice,
        body: &[u8],
        now_ms: i64,
    ) -> Result<(u16, Option<String>, String), ureq::Error> {
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(self.config.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&request.url) {
            config = config.proxy(None);
        }
        if let Some(tls) = tls {
            config = config.tls_config(tls);
        }
        let agent: ureq::Agent = config.build().into();
        let mut post = agent
            .post(&request.url)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json");
        if let Some(token) = &request.token {
            post = post.header("Authorization", format!("Bearer {}", token.expose()));
        }
        if self.config.kind == DestinationKind::Webhook {
            post = post.header("Plimsoll-Notice-Id", &notice.id);
        }
        if let Some(key) = &request.signing_key {
            let at = now_ms / 1000;
            post = post
                .header("Plimsoll-Timestamp", at.to_string())
                .header("Plimsoll-Signature", signature(key, at, body));
        }
        let mut response = post.send(body)?;
        let status = response.status().as_u16();
        let after = response.headers().get("Retry-After").and_then(|v| v.to_str().ok());
        let after = after.map(str::to_owned);
        let mut said = Vec::new();
        // What it says is a courtesy: an answer that breaks off has a status all the same.
        let _ = response.body_mut().as_reader().take(ANSWER_BYTES_MAX).read_to_end(&mut said);
        Ok((status, after, String::from_utf8_lossy(&said).into_owned()))
    }

    fn request(&self) -> Result<Request, String> {
        let own = &self.config;
        let url = match own.kind {
            DestinationKind::Alertmanager => {
                let base = own.urls.get(self.instance).ok_or("it has no url")?;
                format!("{}/api/v2/alerts", base.trim_end_matches('/'))
            }
            kind => match secret(own.url.as_ref(), own.url_file.as_deref())? {
                Some(url) => url.expose().to_owned(),
                None if kind == DestinationKind::Pagerduty => PAGERDUTY_URL.to_owned(),
                None => return Err("it has no url".into()),
            },
        };
        Ok(Request {
            url,
            token: secret(own.token.as_ref(), own.token_file.as_deref())?,
            signing_key: secret(own.signing_key.as_ref(), own.signing_key_file.as_deref())?,
            routing_key: secret(own.routing_key.as_ref(), own.routing_key_file.as_deref())?,
        })
    }

    /// None: Mozilla's certificates, which are in the program.
    fn tls(&self) -> Result<Option<TlsConfig>, String> {
        let Some(path) = &self.config.ca_file else { return Ok(None) };
        let pem = read_bounded(path, CA_BYTES_MAX).map_err(|e| e.to_string())?;
        let certificate = |item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        };
        let all: Vec<_> = parse_pem(&pem).filter_map(certificate).collect();
        if all.is_empty() {
            return Err(format!("{} holds no certificate in PEM", path.display()));
        }
        let roots = RootCerts::Specific(Arc::new(all));
        Ok(Some(TlsConfig::builder().root_certs(roots).build()))
    }
}

const BAD_URL: &str = "the url makes no sense";

impl Request {
    /// `text` without what is secret, should the other side have sent it back.
    fn scrubbed(&self, text: &str) -> String {
        let path = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let path = path.find('/').map_or("", |at| &path[at..]);
        let secrets = [&self.token, &self.signing_key, &self.routing_key];
        let secrets = secrets.into_iter().flatten().map(Secret::expose);
        let mut shown = text.to_owned();
        for secret in secrets.chain([self.url.as_str(), path]).filter(|s| s.len() > 1) {
            shown = shown.replace(secret, "(not shown)");
        }
        crate::alert::plain(&shown.chars().take(TOLD_CHARS_MAX).collect::<String>())
    }
}

/// Reads a secret from where it stands; a file's last line break is not part of it.
fn secret(inline: Option<&Secret>, file: Option<&Path>) -> Result<Option<Secret>, String> {
    let Some(path) = file else { return Ok(inline.cloned()) };
    let bytes = read_bounded(path, SECRET_BYTES_MAX).map_err(|e| e.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not text", path.display()))?;
    let text = text.trim();
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(format!("{} does not hold one secret alone", path.display()));
    }
    Ok(Some(Secret::new(text.to_owned())))
}

/// `sha256=` and the HMAC of `TIMESTAMP.BODY` in hex. Source: RFC 2104.
fn signature(key: &Secret, at: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(at.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    format!("sha256={}", hex(context.sign().as_ref()))
}

fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<axum::http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What an answer means: 2xx is delivered; 408, 429 and 5xx may pass; all else was refused.
fn judge(
    kind: DestinationKind,
    status: u16,
    after: Option<String>,
    now_ms: i64,
    said: &str,
) -> Outcome {
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let why = format!("answered {status}{said}");
    match status {
        200..300 => Outcome::Delivered(status),
        300..400 => {
            Outcome::Refused { why: format!("answered {status}: redirects are not followed") }
        }
        408 | 429 | 500.. => {
            let after = after.and_then(|text| retry_after(&text, now_ms / 1000));
            Outcome::Failed { why, after }
        }
        // Slack says so when an administrator has switched the channel's webhook off for now.
        403 if kind == DestinationKind::Slack && said.contains("action_prohibited") => {
            Outcome::Failed { why, after: None }
        }
        _ => Outcome::Refused { why },
    }
}

/// Without the URL, which some of them repeat.
fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => BAD_URL.to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "the host's name is not known".to_owned(),
        other => other.to_string(),
    }
}
