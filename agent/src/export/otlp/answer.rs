//! What an answer means. Pure. Source: OTLP specification 1.9, "Failures" of gRPC and of HTTP.

use super::Outcome;
use super::connect::Reply;
use crate::export::model::unescaped;
use crate::export::proto::answer::{ExportAnswer, RpcStatus};
use crate::route::backoff::retry_after;
use axum::http::HeaderMap;
use prost::Message as _;
use std::time::Duration;

/// Of what the other side says this much is told. Units: characters.
const TOLD_CHARS_MAX: usize = 200;

/// Codes of gRPC after which a request may be sent again.
const RETRYABLE: [i32; 6] = [1, 4, 10, 11, 14, 15];
/// Only if the other side says when.
const RESOURCE_EXHAUSTED: i32 = 8;

pub(super) fn of_http(reply: &Reply, now_unix_s: i64) -> Outcome {
    if (200..300).contains(&reply.status) {
        return taken(&reply.body);
    }
    let status = RpcStatus::decode(reply.body.as_slice()).unwrap_or_default();
    let why = told(&format!("answered {}", reply.status), &status.message);
    match reply.status {
        429 | 502..=504 => Outcome::Failed { why, after: asked(&reply.headers, now_unix_s) },
        300..400 => Outcome::Refused { why: format!("{why}: redirects are not followed") },
        _ => Outcome::Refused { why },
    }
}

pub(super) fn of_grpc(reply: &Reply, now_unix_s: i64) -> Outcome {
    let text = |name: &str| {
        // An answer without a body has its status among the headers.
        let value = reply.trailers.get(name).or_else(|| reply.headers.get(name));
        value.and_then(|value| value.to_str().ok())
    };
    let Some(code) = text("grpc-status").and_then(|code| code.parse::<i32>().ok()) else {
        let why = format!("answered {} without a status of gRPC", reply.status);
        return match reply.status {
            200 | 429 | 502..=504 => {
                Outcome::Failed { why, after: asked(&reply.headers, now_unix_s) }
            }
            _ => Outcome::Refused { why },
        };
    };
    if code == 0 {
        return taken(reply.body.get(5..).unwrap_or_default());
    }
    let details = text("grpc-status-details-bin").and_then(unbase64);
    let details = details.and_then(|bytes| RpcStatus::decode(bytes.as_slice()).ok());
    let after = details.and_then(|status| status.retry_delay());
    let message = text("grpc-message").map(unescaped).unwrap_or_default();
    let why = told(&format!("answered {} of gRPC", name_of(code)), &message);
    if RETRYABLE.contains(&code) || (code == RESOURCE_EXHAUSTED && after.is_some()) {
        return Outcome::Failed { why, after };
    }
    Outcome::Refused { why }
}

fn taken(body: &[u8]) -> Outcome {
    let partial = ExportAnswer::decode(body).ok().and_then(|answer| answer.partial_success);
    let partial = partial.unwrap_or_default();
    let message = told("", &partial.error_message);
    Outcome::Delivered {
        rejected: u64::try_from(partial.rejected).unwrap_or(0),
        why: (!message.is_empty()).then_some(message),
    }
}

fn asked(headers: &HeaderMap, now_unix_s: i64) -> Option<Duration> {
    retry_after(headers.get("retry-after")?.to_str().ok()?, now_unix_s)
}

/// Plain text of bounded length: what the other side says is shown to people.
fn told(what: &str, said: &str) -> String {
    let said = crate::alert::plain(&said.chars().take(TOLD_CHARS_MAX).collect::<String>());
    match (what.is_empty(), said.is_empty()) {
        (_, true) => what.to_owned(),
        (true, _) => said,
        _ => format!("{what}: {said}"),
    }
}

fn name_of(code: i32) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| format!("code {code}"), |name| (*name).to_owned())
}

/// Decodes base64, padded or not, as gRPC sends binary trailers. Source: RFC 4648, section 4.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            // The low eight bits of what is complete.
            out.push(((held >> bits) & 0xff) as u8);
        }
    }
    Some(out)
}
