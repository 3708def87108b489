//! What answers mean, and how messages are framed.

use super::answer::{of_grpc, of_http};
use super::*;
use crate::export::proto::answer::{
    Delay, Detail, ExportAnswer, PartialSuccess, RetryInfo, RpcStatus,
};
use axum::http::HeaderMap;
use prost::Message as _;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .collect()
}

fn http(status: u16, pairs: &[(&'static str, &str)]) -> Outcome {
    of_http(&Reply { status, headers: headers(pairs), ..Reply::default() }, 0)
}

fn grpc(trailers: &[(&'static str, &str)]) -> Outcome {
    of_grpc(&Reply { status: 200, trailers: headers(trailers), ..Reply::default() }, 0)
}

#[test]
fn over_http_only_what_may_pass_is_tried_again_and_when_it_is_asked_for() {
    let after = |outcome| match outcome {
        Outcome::Failed { after, .. } => after,
        other => panic!("{other:?}"),
    };
    assert_eq!(after(http(429, &[("retry-after", "7")])), Some(Duration::from_secs(7)));
    for status in [502, 503, 504] {
        assert_eq!(after(http(status, &[])), None);
    }
    for status in [301, 400, 401, 403, 404, 408, 413, 500, 501] {
        assert!(matches!(http(status, &[]), Outcome::Refused { .. }), "{status}");
    }
}

#[test]
fn over_grpc_the_status_decides_and_may_say_when_to_come_back() {
    for code in ["1", "4", "10", "11", "14", "15"] {
        assert!(matches!(grpc(&[("grpc-status", code)]), Outcome::Failed { .. }), "{code}");
    }
    for code in ["2", "3", "5", "7", "8", "9", "12", "13", "16", "99"] {
        assert!(matches!(grpc(&[("grpc-status", code)]), Outcome::Refused { .. }), "{code}");
    }
    // RetryInfo of 1.5 s in a google.rpc.Status, as grpc-status-details-bin has it.
    let info = RetryInfo { retry_delay: Some(Delay { seconds: 1, nanos: 500_000_000 }) };
    let detail = Detail {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
        value: info.encode_to_vec(),
    };
    let status = RpcStatus { code: 8, message: "slow".into(), details: vec![detail] };
    let text = base64(&status.encode_to_vec());
    let outcome = grpc(&[
        ("grpc-status", "8"),
        ("grpc-message", "slow%20down"),
        ("grpc-status-details-bin", &text),
    ]);
    let why = "answered RESOURCE_EXHAUSTED of gRPC: slow down".to_owned();
    assert_eq!(outcome, Outcome::Failed { why, after: Some(Duration::from_millis(1500)) });
    assert!(matches!(grpc(&[]), Outcome::Failed { .. }), "cut off before the trailers");
}

#[test]
fn what_a_collector_did_not_take_of_a_request_is_counted() {
    let partial = PartialSuccess { rejected: 3, error_message: "too old\n".into() };
    let body = ExportAnswer { partial_success: Some(partial) }.encode_to_vec();
    let wanted = Outcome::Delivered { rejected: 3, why: Some("too old?".to_owned()) };
    let plain = Reply { status: 200, body: body.clone(), ..Reply::default() };
    assert_eq!(of_http(&plain, 0), wanted);
    let trailers = headers(&[("grpc-status", "0")]);
    let body = framed(&body, false).to_vec();
    assert_eq!(of_grpc(&Reply { status: 200, body, trailers, ..Reply::default() }, 0), wanted);
    assert_eq!(http(200, &[]), Outcome::Delivered { rejected: 0, why: None });
}

#[test]
fn no_answer_makes_the_reader_panic() {
    for body in [&b"\xff\xff\xff\xff"[..], b"\x0a\xff\xff\xff\xff\x0f", b"<html>"] {
        for status in [200, 400, 503] {
            let reply = Reply { status, body: body.to_vec(), ..Reply::default() };
            let _ = (of_http(&reply, 0), of_grpc(&reply, 0));
        }
    }
    let odd =
        grpc(&[("grpc-status", "8"), ("grpc-status-details-bin", "!!"), ("grpc-message", "%")]);
    assert!(matches!(odd, Outcome::Refused { .. }));
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect();
    let six = |bits: &[u8]| (0..6).fold(0, |n, i| n << 1 | bits.get(i).copied().unwrap_or(0));
    bits.chunks(6).map(|bits| char::from(DIGITS[usize::from(six(bits))])).collect()
}
