//! The kinds of values a key can have: how each is read, checked, described and written.

use super::Config;
use super::secret::Secret;
use super::values::{duration, ratio, show_duration, show_size, size};
use crate::units::Bytes;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The place of a value within `C`: the configuration, or one entry of a list in it.
pub type At<T, C = Config> = fn(&mut C) -> &mut T;

/// A kind of value, with its bounds and its place.
#[derive(Clone, Debug)]
pub enum Field<C = Config> {
    Switch(At<bool, C>),
    Count {
        at: At<usize, C>,
        range: RangeInclusive<usize>,
    },
    Ratio {
        at: At<f64, C>,
        range: RangeInclusive<f64>,
    },
    Size {
        at: At<Bytes, C>,
        range: RangeInclusive<Bytes>,
    },
    Time {
        at: At<Duration, C>,
        range: RangeInclusive<Duration>,
    },
    TimeOrUnset {
        at: At<Option<Duration>, C>,
        range: RangeInclusive<Duration>,
        example: Duration,
    },
    Address(At<SocketAddr, C>),
    Path(At<PathBuf, C>),
    PathOrUnset {
        at: At<Option<PathBuf>, C>,
        example: &'static str,
    },
    Choice {
        names: &'static [&'static str],
        get: Read<&'static str, C>,
        set: fn(&mut C, &str),
    },
    Text {
        at: At<String, C>,
        good: fn(&str) -> bool,
        accepted: &'static str,
    },
    List {
        at: At<Vec<String>, C>,
        good: fn(&str) -> bool,
        accepted: &'static str,
    },
    /// Unset by default. It is read, and never shown again.
    Secret {
        at: At<Option<Secret>, C>,
        good: fn(&str) -> bool,
        accepted: &'static str,
    },
}

/// Reads a value out of the configuration.
pub type Read<T, C = Config> = fn(&C) -> T;

/// A value as it was written, before it is known whether it fits.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    Text(String),
    Integer(i128),
    Float(f64),
    Bool(bool),
    List(Vec<Raw>),
    Other(&'static str),
}

impl Raw {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Bool(_) => "a boolean",
            Self::List(_) => "an array",
            Self::Other(kind) => kind,
        }
    }
}

impl<C: Clone> Field<C> {
    /// Checks `raw` and puts it into `config`.
    ///
    /// # Errors
    /// What is wrong with it; [`Field::accepted`] says what would be right.
    pub fn set(&self, config: &mut C, raw: &Raw) -> Result<(), String> {
        match self {
            Self::Switch(at) => *at(config) = switch(raw)?,
            Self::Count { at, range } => {
                *at(config) = within(count(raw)?, range, usize::to_string)?
            }
            Self::Ratio { at, range } => {
                *at(config) = within(ratio_of(raw)?, range, f64::to_string)?;
            }
            Self::Size { at, range } => {
                *at(config) = within(text(raw, "a size", size)?, range, |&b| show_size(b))?;
            }
            Self::Time { at, range } => *at(config) = time(raw, range)?,
            Self::TimeOrUnset { at, range, .. } => *at(config) = Some(time(raw, range)?),
            Self::Address(at) => *at(config) = text(raw, "an address", |s| s.parse().ok())?,
            Self::Path(at) => *at(config) = text(raw, "an absolute path", absolute)?,
            Self::PathOrUnset { at, .. } => {
                *at(config) = Some(text(raw, "an absolute path", absolute)?);
            }
            Self::Choice { names, set, .. } => {
                let known = |s: &str| names.contains(&s).then(|| s.to_owned());
                set(config, &text(raw, "one of the choices", known)?);
            }
            Self::Text { at, good, accepted } => {
                *at(config) = text(raw, accepted, |s| good(s).then(|| s.to_owned()))?;
            }
            Self::List { at, good, accepted } => *at(config) = list(raw, *good, accepted)?,
            Self::Secret { at, good, accepted } => {
                *at(config) = Some(secret(raw, *good, accepted)?)
            }
        }
        Ok(())
    }

    /// What may be written for this kind, for people.
    #[must_use]
    pub fn accepted(&self) -> String {
        let times = |range: &RangeInclusive<Duration>| {
            let (min, max) = (show_duration(*range.start()), show_duration(*range.end()));
            format!("a duration such as \"10s\", from {min} to {max}")
        };
        match self {
            Self::Switch(_) => "true or false".into(),
            Self::Count { range, .. } => {
                format!("a whole number from {} to {}", range.start(), range.end())
            }
            Self::Ratio { range, .. } => {
                format!("a share such as \"2%\" or 0.02, from {} to {}", range.start(), range.end())
            }
            Self::Size { range, .. } => {
                let (min, max) = (show_size(*range.start()), show_size(*range.end()));
                format!("a size such as \"16MiB\", from {min} to {max}")
            }
            Self::Time { range, .. } | Self::TimeOrUnset { range, .. } => times(range),
            Self::Address(_) => "ADDRESS:PORT, such as \"127.0.0.1:9977\" or \"[::1]:9977\"".into(),
            Self::Path(_) | Self::PathOrUnset { .. } => "an absolute path".into(),
            Self::Choice { names, .. } => {
                names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(" or ")
            }
            Self::Text { accepted, .. } | Self::Secret { accepted, .. } => (*accepted).into(),
            Self::List { accepted, .. } => format!("an array of strings, each {accepted}"),
        }
    }

    /// The value in `config` as TOML; None if it is unset, or secret.
    #[must_use]
    pub fn toml(&self, config: &C) -> Option<String> {
        let config = &mut config.clone();
        Some(match self {
            Self::Switch(at) => at(config).to_string(),
            Self::Count { at, .. } => at(config).to_string(),
            Self::Ratio { at, .. } => format!("{:?}", at(config)),
            Self::Size { at, .. } => quoted(&show_size(*at(config))),
            Self::Time { at, .. } => quoted(&show_duration(*at(config))),
            Self::TimeOrUnset { at, .. } => quoted(&show_duration((*at(config))?)),
            Self::Address(at) => quoted(&at(config).to_string()),
            Self::Path(at) => quoted(&at(config).to_string_lossy()),
            Self::PathOrUnset { at, .. } => quoted(&at(config).as_ref()?.to_string_lossy()),
            Self::Choice { get, .. } => quoted(get(config)),
            Self::Text { at, .. } => quoted(at(config)),
            Self::List { at, .. } => {
                let items: Vec<String> = at(config).iter().map(|s| quoted(s)).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Secret { .. } => return None,
        })
    }

    /// A value to show for a key that is unset by default, as TOML.
    #[must_use]
    pub fn example(&self) -> Option<String> {
        match self {
            Self::TimeOrUnset { example, .. } => Some(quoted(&show_duration(*example))),
            Self::PathOrUnset { example, .. } => Some(quoted(example)),
            _ => None,
        }
    }

    /// Whether a secret is set, which [`Field::toml`] does not show.
    #[must_use]
    pub fn hides(&self, config: &C) -> bool {
        match self {
            Self::Secret { at, .. } => at(&mut config.clone()).is_some(),
            _ => false,
        }
    }

    /// Whether two configurations have different values here, secret ones too.
    #[must_use]
    pub fn differs(&self, a: &C, b: &C) -> bool {
        match self {
            Self::Secret { at, .. } => at(&mut a.clone()) != at(&mut b.clone()),
            _ => self.toml(a) != self.toml(b),
        }
    }

    /// Takes text of the environment or the command line for what a file would hold: lists are
    /// split at commas, switches also know 1 and 0.
    #[must_use]
    pub fn raw_of_text(&self, text: &str) -> Raw {
        let plain = || Raw::Text(text.to_owned());
        match self {
            Self::Switch(_) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Raw::Bool(true),
                "false" | "0" | "no" | "off" => Raw::Bool(false),
                _ => plain(),
            },
            Self::Count { .. } => text.trim().parse().map_or_else(|_| plain(), Raw::Integer),
            Self::List { .. } => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Raw::List(items.map(|item| Raw::Text(item.to_owned())).collect())
            }
            _ => plain(),
        }
    }
}

fn switch(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Bool(value) => Ok(*value),
        other => Err(wrong_kind(other, "a boolean")),
    }
}

fn count(raw: &Raw) -> Result<usize, String> {
    match raw {
        Raw::Integer(value) => {
            usize::try_from(*value).map_err(|_| format!("{value} is out of range"))
        }
        other => Err(wrong_kind(other, "a whole number")),
    }
}

fn ratio_of(raw: &Raw) -> Result<f64, String> {
    match raw {
        Raw::Float(value) if value.is_finite() => Ok(*value),
        Raw::Float(value) => Err(format!("{value} is not a share")),
        Raw::Integer(value) => Ok(*value as f64),
        other => text(other, "a share", ratio),
    }
}

fn time(raw: &Raw, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    within(text(raw, "a duration", duration)?, range, |&d| show_duration(d))
}

fn absolute(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text);
    (path.is_absolute() && !text.contains('\0')).then_some(path)
}

fn list(raw: &Raw, good: fn(&str) -> bool, accepted: &str) -> Result<Vec<String>, String> {
    let Raw::List(items) = raw else { return Err(wrong_kind(raw, "an array of strings")) };
    items.iter().map(|item| text(item, accepted, |s| good(s).then(|| s.to_owned()))).collect()
}

/// Reads a secret; the message of a failure does not quote it.
fn secret(raw: &Raw, good: fn(&str) -> bool, accepted: &str) -> Result<Secret, String> {
    match raw {
        Raw::Text(text) if good(text) => Ok(Secret::new(text.clone())),
        Raw::Text(_) => Err(format!("what is written (not shown here) is not {accepted}")),
        other => Err(wrong_kind(other, accepted)),
    }
}

/// Reads a string by `parse`; the message of a failure quotes it, shortened and escaped.
fn text<T>(raw: &Raw, wanted: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    match raw {
        Raw::Text(text) => parse(text).ok_or_else(|| {
            let shown: String = text.chars().take(60).collect();
            format!("{shown:?} is not {wanted}")
        }),
        other => Err(wrong_kind(other, wanted)),
    }
}

fn wrong_kind(raw: &Raw, wanted: &str) -> String {
    format!("is {}, not {wanted}", raw.kind())
}

fn within<T: PartialOrd>(
    value: T,
    range: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    if value < *range.start() {
        return Err(format!("{} is below the minimum {}", show(&value), show(range.start())));
    }
    if value > *range.end() {
        return Err(format!("{} is above the maximum {}", show(&value), show(range.end())));
    }
    Ok(value)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
