//! The JSON of frames: version, units, and the line of a subscriber that is one of two. Pure.

use super::{Ack, FromSubscriber, Hello, Label, Signal, VERSION};
use crate::codec::{CodecError, Frame, Sealed};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// More than this is as good as never, and exact in a float. Units: seconds.
const SECONDS_MAX: f64 = 4e9;

#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

/// Fails for versions not known before anything else is looked at.
fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, CodecError> {
    let malformed = |error: serde_json::Error| CodecError::malformed(line, &error);
    let Versioned { v } = serde_json::from_slice(line).map_err(malformed)?;
    if v != VERSION {
        return Err(CodecError::UnknownVersion(v));
    }
    serde_json::from_slice(line).map_err(malformed)
}

fn compose<T: Serialize>(frame: &T, line: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Line<'a, T> {
        v: u64,
        #[serde(flatten)]
        frame: &'a T,
    }
    serde_json::to_writer(&mut *line, &Line { v: VERSION, frame })
        .expect("a frame has text keys only, and memory takes all bytes");
    line.push(b'\n');
}

impl Sealed for Signal {}
impl Frame for Signal {
    fn parse(line: &[u8]) -> Result<Self, CodecError> {
        parse(line)
    }

    fn compose(&self, line: &mut Vec<u8>) {
        compose(self, line);
    }
}

#[derive(Deserialize)]
struct Either {
    hello: Option<Hello>,
    ack: Option<serde::de::IgnoredAny>,
}

#[derive(Serialize)]
struct Greeting<'a> {
    hello: &'a Hello,
}

impl Sealed for FromSubscriber {}
impl Frame for FromSubscriber {
    fn parse(line: &[u8]) -> Result<Self, CodecError> {
        match parse(line)? {
            Either { hello: Some(hello), ack: None } => Ok(Self::Hello(hello)),
            Either { hello: None, ack: Some(_) } => parse::<Ack>(line).map(Self::Ack),
            Either { .. } => {
                let error = serde_json::Error::custom("neither a hello nor an ack");
                Err(CodecError::malformed(line, &error))
            }
        }
    }

    fn compose(&self, line: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => compose(&Greeting { hello }, line),
            Self::Ack(ack) => compose(ack, line),
        }
    }
}

pub(super) fn label<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    String::deserialize(from).map(|text| Label::new(&text).0)
}

pub(super) mod millis {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

pub(super) mod seconds {
    use super::{Deserialize, Deserializer, Duration, SECONDS_MAX, Serializer};
    use serde::de::Error as _;

    pub fn serialize<S: Serializer>(eta: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match eta {
            Some(eta) => to.serialize_some(&(eta.as_millis() as f64 / 1000.0).min(SECONDS_MAX)),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let Some(seconds) = Option::<f64>::deserialize(from)? else { return Ok(None) };
        if !(0.0..=SECONDS_MAX).contains(&seconds) {
            return Err(D::Error::custom("eta_s is no number of seconds ahead"));
        }
        Ok(Some(Duration::from_millis((seconds * 1000.0).round() as u64)))
    }
}
