//! What is said: the agent's signal, the subscriber's hello and acks, and the words in them. Pure.
//!
//! Every text in a frame is bounded when it is made, so that composing a line cannot fail and no
//! line exceeds what the other side accepts.

mod wire;

use crate::units::{Bytes, Epoch, Seq};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The one version of the protocol there is.
pub const VERSION: u64 = 1;

/// The longest cgroup path in a scope. A systemd path of Kubernetes has about 250 bytes.
pub const PATH_BYTES_MAX: usize = 1024;

/// The longest name or cause; what is longer is cut.
pub const LABEL_BYTES_MAX: usize = 128;

/// How short memory is: the kernel's own words. Each step includes what the ones before it ask.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Room enough.
    #[default]
    None,
    /// Do not grow; drop what costs nothing to drop.
    Low,
    /// Give back what was asked for, within the deadline.
    Medium,
    /// Give back what was asked for at once, take nothing in: the kernel is about to kill.
    Critical,
}

impl Level {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::Critical => "critical",
        }
    }

    /// One step worse.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::None => Self::Low,
            Self::Low => Self::Medium,
            Self::Medium | Self::Critical => Self::Critical,
        }
    }

    /// One step better.
    #[must_use]
    pub const fn lowered(self) -> Self {
        match self {
            Self::Critical => Self::Medium,
            Self::Medium => Self::Low,
            Self::Low | Self::None => Self::None,
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Whose memory is short. On the wire `node` or `cgroup:/path`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Scope {
    #[default]
    Node,
    Cgroup(CgroupPath),
}

/// A cgroup's path as the agent names it: absolute, of at most [`PATH_BYTES_MAX`] bytes, without
/// control characters and without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CgroupPath(String);

/// A path or scope that cannot be said in a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: neither 'node' nor 'cgroup:/path' of {PATH_BYTES_MAX} plain bytes at most")]
pub struct NoScope;

impl CgroupPath {
    /// # Errors
    /// The path is relative, too long, or has control characters.
    pub fn new(path: &str) -> Result<Self, NoScope> {
        let is_plain = path.starts_with('/') && !path.contains(char::is_control);
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() { "/" } else { path };
        (is_plain && path.len() <= PATH_BYTES_MAX).then(|| Self(path.to_owned())).ok_or(NoScope)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is this cgroup or lies below it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let below = other.0.strip_prefix(self.0.trim_end_matches('/'));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Scope {
    /// # Errors
    /// As [`CgroupPath::new`].
    pub fn cgroup(path: &str) -> Result<Self, NoScope> {
        CgroupPath::new(path).map(Self::Cgroup)
    }

    /// Whether it is the business of a process in `cgroup`; None: where it is, is not known.
    #[must_use]
    pub fn concerns(&self, cgroup: Option<&CgroupPath>) -> bool {
        match self {
            Self::Node => true,
            Self::Cgroup(scope) => cgroup.is_some_and(|cgroup| scope.contains(cgroup)),
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Cgroup(path) => write!(f, "cgroup:{}", path.as_str()),
        }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl TryFrom<String> for Scope {
    type Error = NoScope;
    fn try_from(text: String) -> Result<Self, NoScope> {
        match text.strip_prefix("cgroup:") {
            Some(path) => Self::cgroup(path),
            None if text == "node" => Ok(Self::Node),
            None => Err(NoScope),
        }
    }
}

/// A short text that is safe to show: cut at [`LABEL_BYTES_MAX`], a control character is a blank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(#[serde(deserialize_with = "wire::label")] String);

impl Label {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let cut = text.floor_char_boundary(LABEL_BYTES_MAX);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        Self(text[..cut].chars().map(plain).collect())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// What the agent has to say about one scope: a signal without its number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    pub scope: Scope,
    pub level: Level,
    /// Wanted back from this subscriber, counted from the moment at which it first hears it.
    pub reclaim_bytes: Bytes,
    /// Time in which it is wanted. Milliseconds on the wire.
    #[serde(rename = "deadline_ms", with = "wire::millis")]
    pub deadline: Duration,
    /// What is left below the nearest limit of the scope.
    pub headroom_bytes: Bytes,
    /// When the kernel would kill if nothing changed. Seconds on the wire, exact to a millisecond.
    #[serde(rename = "eta_s", with = "wire::seconds", default)]
    pub eta: Option<Duration>,
    /// One word of the agent's verdicts, such as `heap_leak`.
    pub cause: Label,
}

/// Agent → subscriber, on change and, the same again, as a heartbeat each second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    pub seq: Seq,
    pub epoch: Epoch,
    #[serde(flatten)]
    pub word: Word,
}

/// Subscriber → agent, once, first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub name: Label,
    /// As the subscriber sees itself; the agent believes the kernel.
    pub pid: u32,
    /// What it could give back if it had to.
    pub can_free_bytes: Bytes,
}

/// Subscriber → agent: what became of one signal. A later ack of the same signal replaces it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    #[serde(rename = "ack")]
    pub seq: Seq,
    #[serde(flatten)]
    pub answer: Answer,
}

/// What an application did about a signal and how it stands now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Returned to the kernel because of this signal, in all.
    pub freed_bytes: Bytes,
    /// Held now, of what could be given back and what could not.
    pub used_bytes: Bytes,
    /// What could still be given back.
    pub can_free_bytes: Bytes,
}

/// A line of a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromSubscriber {
    Hello(Hello),
    Ack(Ack),
}

#[cfg(test)]
pub(crate) mod tests;
