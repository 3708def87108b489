//! Answers of a runtime, good and bad; a real one answers in the end-to-end tests.

use super::proto::{ContainerMetadata, ContainerStatus, ImageSpec, PodSandbox, SandboxMetadata};
use super::*;
use axum::http::HeaderMap;
use proptest::prelude::*;

fn sandbox(id: &str, name: &str, labels: &[(&str, &str)]) -> PodSandbox {
    PodSandbox {
        id: id.into(),
        metadata: Some(SandboxMetadata {
            name: name.into(),
            uid: format!("uid-of-{name}"),
            namespace: "shop".into(),
        }),
        labels: labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
        ..PodSandbox::default()
    }
}

fn container(id: &str, sandbox: &str, name: &str) -> proto::Container {
    proto::Container {
        id: id.into(),
        pod_sandbox_id: sandbox.into(),
        metadata: Some(ContainerMetadata { name: name.into() }),
        image: Some(ImageSpec { image: "sha256:12".into(), ..ImageSpec::default() }),
    }
}

#[test]
fn containers_are_joined_to_the_pods_of_their_sandboxes() {
    let hash = [("pod-template-hash", "5d4f7c9b8d")];
    let sandboxes = PodSandboxes {
        items: vec![
            sandbox("s1", "web-5d4f7c9b8d-x2x4z", &hash),
            sandbox("s2", "web-5d4f7c9b8d-x2x4z", &hash),
            sandbox("s3", "bad name", &[]),
            PodSandbox { id: "s4".into(), ..PodSandbox::default() },
        ],
    };
    let containers = Containers {
        containers: vec![
            container("c1", "s1", "app"),
            container("c2", "s2", "app"),
            container("c3", "s3", "app"),
            container("c4", "elsewhere", "app"),
            container("c5", "s1", "a\nb"),
        ],
    };
    let looked = Looked { limit: Some(Bytes::mib(64)), image: Some("shop/web:1".into()) };
    let known = FxHashMap::from_iter([("c2".to_owned(), looked)]);
    let pods = joined(sandboxes, containers, &known);
    assert_eq!(pods.len(), 1);
    let owners: Vec<&str> = pods[0].owners.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(owners, ["web-5d4f7c9b8d", "web"]);
    let own: Vec<_> = pods[0].containers.iter().map(|c| (&*c.ids[0], c.image.as_deref())).collect();
    assert_eq!(own, [("c1", Some("sha256:12")), ("c2", Some("shop/web:1"))]);
    assert_eq!(pods[0].containers[1].memory.limit, Some(Bytes::mib(64)));
}

#[test]
fn the_limit_is_in_the_status_or_in_the_runtimes_own_words() {
    let resources = proto::ContainerResources {
        linux: Some(proto::LinuxResources { memory_limit_in_bytes: 1 << 20 }),
    };
    let status = |resources| Some(ContainerStatus { resources, image: Some(ImageSpec::default()) });
    let words = |json: &str| BTreeMap::from([("info".to_owned(), json.to_owned())]);
    for (status, info, wanted) in [
        (status(Some(resources)), BTreeMap::new(), Some(1 << 20)),
        (
            status(None),
            words(r#"{"config":{"linux":{"resources":{"memory_limit_in_bytes":7}}}}"#),
            Some(7),
        ),
        (
            status(None),
            words(r#"{"runtimeSpec":{"linux":{"resources":{"memory":{"limit":9}}}}}"#),
            Some(9),
        ),
        (status(None), words("no json"), None),
        (None, words(r#"{"config":{"linux":{"resources":{"memory_limit_in_bytes":-1}}}}"#), None),
    ] {
        assert_eq!(looked(&StatusAnswer { status, info }).limit.map(|b| b.0), wanted);
    }
}

fn reply(body: Vec<u8>, trailers: &[(&'static str, &str)]) -> Reply {
    let trailers = trailers
        .iter()
        .map(|(key, value)| (axum::http::HeaderName::from_static(key), value.parse().unwrap()));
    let trailers: HeaderMap = trailers.collect();
    Reply { status: 200, body, trailers, is_whole: true, ..Reply::default() }
}

fn said(reply: &Reply) -> String {
    message_of::<PodSandboxes>(reply).unwrap_err()
}

#[test]
fn what_is_no_answer_is_told_in_words() {
    let good = message_of::<PodSandboxes>(&reply(vec![0; 5], &[("grpc-status", "0")]));
    assert_eq!(good, Ok(PodSandboxes::default()));
    assert!(said(&reply(vec![0; 4], &[("grpc-status", "0")])).contains("no message"));
    assert!(said(&reply(vec![0, 0, 0, 0, 9], &[("grpc-status", "0")])).contains("no message"));
    assert!(said(&reply(vec![], &[("grpc-status", "12")])).contains("runtime.v1"));
    let refused = reply(vec![], &[("grpc-status", "7"), ("grpc-message", "nope")]);
    assert!(said(&reply(vec![], &[])).contains("without a status"));
    assert_eq!(said(&refused), "answered 7 of gRPC: nope");
    let cut = Reply { is_whole: false, ..reply(vec![], &[("grpc-status", "0")]) };
    assert!(said(&cut).contains("longer than 16 MiB"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut framed = vec![0];
        framed.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        framed.extend_from_slice(&body);
        let reply = reply(framed, &[("grpc-status", "0")]);
        if let (Ok(sandboxes), Ok(containers)) =
            (message_of::<PodSandboxes>(&reply), message_of::<Containers>(&reply))
        {
            let _ = joined(sandboxes, containers, &FxHashMap::default());
        }
        let _ = message_of::<StatusAnswer>(&reply).map(|answer| looked(&answer));
    }
}
