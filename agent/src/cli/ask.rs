//! Asks a running agent over HTTP, and says in words why it did not answer.
//!
//! Knows the paths of API v1 and nothing of what is done with the answers. Every call is bounded
//! in time and in the size of its answer. A token comes from a file, never from the command line,
//! where others could see it.

use crate::config::Secret;
use crate::target::TargetKind;
use crate::verdict::Verdict;
use crate::view::{
    CgroupView, HealthView, Incident, IncidentSummary, NodeView, ProcessList, SeriesView,
};
use crate::workload::names;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Which agent to ask.
#[derive(Clone, Debug, clap::Args)]
pub struct AgentArgs {
    /// The agent to ask
    #[arg(long, env = "PLIMSOLL_URL", default_value = "http://127.0.0.1:9977")]
    pub url: String,
    /// File whose first line is the token to show, or the last word of it (SCOPE NAME TOKEN)
    #[arg(long, env = "PLIMSOLL_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificates, in PEM, of whom the agent's own is signed by; default: the well-known ones
    #[arg(long, env = "PLIMSOLL_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl AgentArgs {
    /// Without any credential.
    pub(crate) const fn bare(url: String) -> Self {
        Self { url, token_file: None, ca_file: None }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("'{0}' is not the address of an agent: use http://ADDRESS:PORT or https://NAME:PORT")]
    Url(String),
    #[error("{}: {what}", path.display())]
    File { path: PathBuf, what: String },
    #[error(
        "no agent answers at {url} ({why}); start one with `plimsoll run`, or name another \
         with --url"
    )]
    NoAgent { url: String, why: String },
    /// The agent said what it did not like.
    #[error("the agent at {url} answered {status}: {what}")]
    Problem { url: String, status: u16, what: String },
    #[error("{url}{path} does not answer like an agent of this version: {why}")]
    Garbled { url: String, path: String, why: String },
}

/// A running agent.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    url: String,
    http: ureq::Agent,
    /// What Authorization says.
    token: Option<Secret>,
}

/// What the agent costs, as far as its metrics say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub(crate) struct Cost {
    pub(crate) cpu_seconds_total: Option<f64>,
    pub(crate) uptime_s: Option<f64>,
    pub(crate) rss_bytes: Option<f64>,
}

impl Agent {
    pub(crate) fn at(args: &AgentArgs) -> Result<Self, AskError> {
        let url = args.url.trim_end_matches('/').to_owned();
        let authority = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let authority = authority.unwrap_or_default();
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if authority.is_empty() || authority.contains(odd) {
            return Err(AskError::Url(url.escape_debug().to_string()));
        }
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(ANSWER_TIMEOUT))
            .http_status_as_error(false)
            .proxy(None)
            .tls_config(tls(args.ca_file.as_deref())?)
            .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
            .build();
        let token = args.token_file.as_deref().map(token).transpose()?;
        Ok(Self { url, http: config.into(), token })
    }

    pub(crate) fn node(&self) -> Result<NodeView, AskError> {
        self.get("/api/v1/node")
    }

    /// The first `limit` processes in the API's order of that name.
    pub(crate) fn processes(&self, order: &str, limit: usize) -> Result<ProcessList, AskError> {
        self.get(&format!("/api/v1/processes?sort={order}&limit={limit}"))
    }

    pub(crate) fn cgroups(&self) -> Result<Vec<CgroupView>, AskError> {
        self.get("/api/v1/cgroups")
    }

    pub(crate) fn verdicts(&self) -> Result<Vec<Verdict>, AskError> {
        self.get("/api/v1/verdicts")
    }

    /// Those of the node, of workloads and of cgroups, and of processes the suspects: what a screen
    /// can use. A node with ten thousand processes has as many verdicts more.
    pub(crate) fn verdicts_of_note(&self) -> Result<Vec<Verdict>, AskError> {
        const WANTED: [&str; 6] = [
            "kind=node",
            "kind=workload",
            "kind=cgroup",
            "kind=process&state=leak_suspected",
            "kind=process&state=oom_predicted",
            "kind=process&state=oom_imminent",
        ];
        let mut all = Vec::new();
        for wanted in WANTED {
            all.append(&mut self.get(&format!("/api/v1/verdicts?{wanted}"))?);
        }
        Ok(all)
    }

    /// The series of a target's memory, of the agent's default span.
    pub(crate) fn series(&self, target: &str) -> Result<SeriesView, AskError> {
        self.get(&format!("/api/v1/series?target={}", percent_encoded(target)))
    }

    /// Newest first.
    pub(crate) fn incidents(&self) -> Result<Vec<IncidentSummary>, AskError> {
        self.get("/api/v1/incidents")
    }

    pub(crate) fn incident(&self, id: &str) -> Result<Incident, AskError> {
        self.get(&format!("/api/v1/incidents/{}", percent_encoded(id)))
    }

    /// Answers also while the agent is not yet ready.
    pub(crate) fn health(&self) -> Result<HealthView, AskError> {
        let path = "/readyz?verbose";
        let (status, body) = self.fetch(path)?;
        if status != 200 && status != 503 {
            return Err(self.problem(status, &body));
        }
        self.decode(path, &body)
    }

    pub(crate) fn cost(&self) -> Result<Cost, AskError> {
        let (status, body) = self.fetch("/metrics")?;
        if status == 200 { Ok(cost_of(&body)) } else { Err(self.problem(status, &body)) }
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
        let (status, body) = self.fetch(path)?;
        if status == 200 { self.decode(path, &body) } else { Err(self.problem(status, &body)) }
    }

    fn fetch(&self, path: &str) -> Result<(u16, String), AskError> {
        let no_agent = |why: ureq::Error| {
            let why = match why {
                ureq::Error::Io(e) => e.to_string(),
                other => other.to_string(),
            };
            AskError::NoAgent { url: self.url.clone(), why }
        };
        let accepted = if path == "/metrics" { "text/plain" } else { "application/json" };
        let request = self.http.get(format!("{}{path}", self.url)).header("Accept", accepted);
        let request = match &self.token {
            Some(token) => request.header("Authorization", token.expose()),
            None => request,
        };
        let mut response = request.call().map_err(no_agent)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        Ok((status, String::from_utf8_lossy(&body.map_err(no_agent)?).into_owned()))
    }

    fn decode<T: DeserializeOwned>(&self, path: &str, body: &str) -> Result<T, AskError> {
        serde_json::from_str(body).map_err(|why| AskError::Garbled {
            url: self.url.clone(),
            path: path.into(),
            why: why.to_string(),
        })
    }

    fn problem(&self, status: u16, body: &str) -> AskError {
        AskError::Problem { url: self.url.clone(), status, what: problem_in_words(body) }
    }
}

/// Whom to believe that an agent is who it says.
fn tls(ca_file: Option<&Path>) -> Result<TlsConfig, AskError> {
    let Some(path) = ca_file else { return Ok(TlsConfig::default()) };
    let no_good = |what: String| AskError::File { path: path.to_owned(), what };
    let bytes = std::fs::read(path).map_err(|e| no_good(e.to_string()))?;
    let items = parse_pem(&bytes).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(e) => Some(Err(no_good(e.to_string()))),
    });
    let roots = items.collect::<Result<Vec<_>, _>>()?;
    let roots = RootCerts::new_with_certs(&roots);
    Ok(TlsConfig::builder().root_certs(roots).build())
}

/// The value of Authorization for the token of a file.
fn token(path: &Path) -> Result<Secret, AskError> {
    let no_good = |what: String| AskError::File { path: path.to_owned(), what };
    let text = std::fs::read_to_string(path).map_err(|e| no_good(e.to_string()))?;
    let line = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let token = line.and_then(|line| line.split_whitespace().last());
    let token = token.ok_or_else(|| no_good("there is no token in it".into()))?;
    Ok(Secret::new(format!("Bearer {token}")))
}

/// A problem document (RFC 9457) as one line; of anything else, the beginning.
fn problem_in_words(body: &str) -> String {
    #[derive(Deserialize)]
    struct Document {
        title: Option<String>,
        detail: Option<String>,
        #[serde(default)]
        errors: Vec<Wrong>,
    }
    #[derive(Deserialize)]
    struct Wrong {
        parameter: String,
        detail: String,
    }
    let Ok(document) = serde_json::from_str::<Document>(body) else {
        return super::text::clean(&body.chars().take(200).collect::<String>());
    };
    let wrong = document.errors.iter().map(|w| format!("{} {}", w.parameter, w.detail));
    let parts: Vec<String> =
        document.title.into_iter().chain(document.detail).chain(wrong).collect();
    super::text::clean(&parts.join("; "))
}

/// Reads the agent's own cost out of its metrics. Source: Prometheus text format 0.0.4.
fn cost_of(metrics: &str) -> Cost {
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line?.split_whitespace().next()?.parse().ok()
    };
    Cost {
        cpu_seconds_total: value("plimsoll_agent_cpu_seconds_total"),
        uptime_s: value("plimsoll_agent_uptime_seconds"),
        rss_bytes: value("plimsoll_agent_rss_bytes"),
    }
}

/// Escapes what has a meaning in a query. Source: RFC 3986, section 2.3.
fn percent_encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:@".contains(&b);
    let escaped = |b: u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(escaped).collect()
}

/// What a target is called, for people: its `comm` or name, and the workload it belongs to.
pub(crate) fn name_of(verdict: &Verdict) -> String {
    let target = &verdict.target;
    let label = |name: &str| target.labels.get(name).filter(|value| !value.is_empty());
    let plain = target.id.split_once(':').map_or(target.id.as_str(), |(_, name)| name);
    match (target.kind, target.pid, label("comm")) {
        (TargetKind::Process, Some(pid), Some(comm)) => {
            match names::place(&target.labels).or_else(|| label("workload").cloned()) {
                Some(place) => format!("{comm}[{pid}] in {place}"),
                None => format!("{comm}[{pid}]"),
            }
        }
        (TargetKind::Process, Some(pid), None) => format!("pid {pid}"),
        (TargetKind::Node, ..) => "the node".into(),
        (TargetKind::Workload, ..) => names::shown_workload(plain, &target.labels),
        (TargetKind::Cgroup, ..) => {
            names::place(&target.labels).unwrap_or_else(|| plain.to_owned())
        }
        _ => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body: String) {
            let told = problem_in_words(&body);
            prop_assert!(!told.contains(char::is_control));
            let _ = cost_of(&body);
            let _ = cost_of(&format!("plimsoll_agent_uptime_seconds {body}"));
        }
    }

    fn agent(url: &str) -> Result<Agent, AskError> {
        Agent::at(&AgentArgs::bare(url.into()))
    }

    #[test]
    fn where_nobody_listens_the_message_says_what_to_do() {
        // Port 1 (tcpmux) of the loopback is closed wherever tests run.
        let told = agent("http://127.0.0.1:1/").unwrap().node().unwrap_err().to_string();
        assert!(told.starts_with("no agent answers at http://127.0.0.1:1 ("), "{told}");
        assert!(told.contains("`plimsoll run`"), "{told}");
        for wrong in ["", "ftp://x:1", "127.0.0.1:9977", "http://", "http://a b"] {
            assert!(matches!(agent(wrong), Err(AskError::Url(_))), "{wrong}");
        }
    }

    #[test]
    fn a_problem_document_is_told_in_words_without_its_control_characters() {
        let body = r#"{"type":"x","title":"Invalid parameter","status":400,"detail":"1 is wrong",
            "errors":[{"parameter":"limit","detail":"is not a \u001b[31mnumber"}]}"#;
        let told = problem_in_words(body);
        assert_eq!(told, "Invalid parameter; 1 is wrong; limit is not a \u{fffd}[31mnumber");
        assert_eq!(problem_in_words("<html>\n"), "<html>\u{fffd}");
    }

    #[test]
    fn the_agents_cost_is_read_from_its_metrics() {
        let metrics = "# HELP plimsoll_agent_cpu_seconds CPU\n\
            plimsoll_agent_cpu_seconds_total 1.5\nplimsoll_agent_rss_bytes_x 3\n\
            plimsoll_agent_rss_bytes 2048 1700000000\n";
        let cost = cost_of(metrics);
        assert_eq!((cost.cpu_seconds_total, cost.rss_bytes), (Some(1.5), Some(2048.0)));
        assert_eq!(cost.uptime_s, None);
    }

    #[test]
    fn a_target_survives_the_query() {
        assert_eq!(percent_encoded("cgroup:/a b&c=é"), "cgroup:/a%20b%26c%3D%C3%A9");
    }
}
