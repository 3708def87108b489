//! A kubelet's list as it is, with everything that may be missing in it, and what is none.

use super::*;
use crate::units::Bytes;
use crate::workload::names::{Directory, place};
use proptest::prelude::*;

const PODS: &[u8] = include_bytes!("../../../fixtures/kubernetes/pods.json");

fn shown(pod: &Pod) -> String {
    let owners = pod.owners.iter().map(|(key, name)| format!("{key}={name}"));
    let containers = pod.containers.iter().map(|own| {
        let ids: Vec<&str> = own.ids.iter().map(|id| &id[..2]).collect();
        let [limit, request] = [own.memory.limit, own.memory.request].map(|b| b.map(|b| b.0 >> 20));
        format!("{} {ids:?} {limit:?}/{request:?}", own.name)
    });
    let lines: Vec<String> = owners.chain(containers).collect();
    format!("{}/{} {:?}\n  {}", pod.namespace, pod.name, pod.uids, lines.join("\n  "))
}

#[test]
fn pods_of_every_kind_are_read_with_what_is_missing_left_out() {
    let pods = parse(PODS).unwrap();
    let shown: Vec<String> = pods.iter().map(shown).collect();
    assert_eq!(
        shown.join("\n"),
        r#"shop/web-5d4f7c9b8d-x2x4z ["0f2c3bd2-2c66-4a7a-9e2d-2c5a1f0d9b7e"]
  k8s.replicaset.name=web-5d4f7c9b8d
  k8s.deployment.name=web
  app ["b1", "c2"] Some(256)/Some(128)
  sidecar [] None/None
  migrate ["a0"] Some(64)/None
  debugger-7x ["d3"] None/None
kube-system/etcd-node-1 ["8d3f5e0a917c42b6a1e0d94c7b25f863"]
  etcd [] None/Some(100)
kube-system/proxy-node-1 ["7a1e5c90-63bf-4d18-8a07-e4b92f16c3d5", "1c3f5e0a917c42b6a1e0d94c7b25f863"]
  "#
    );
    assert_eq!(pods[0].containers[0].memory.limit, Some(Bytes::mib(256)));
}

#[test]
fn the_cgroup_of_a_static_pod_is_found_by_its_hash() {
    let directory = Directory::new(parse(PODS).unwrap());
    let owner = crate::workload::owner_of("/kubepods/pod1c3f5e0a917c42b6a1e0d94c7b25f863");
    let named = directory.named(&owner).unwrap();
    assert_eq!(place(&named.labels).unwrap(), "kube-system/proxy-node-1");
    assert_eq!(named.labels["k8s.pod.uid"], "1c3f5e0a917c42b6a1e0d94c7b25f863");
}

#[test]
fn no_pods_are_an_answer_and_anything_else_is_none() {
    for empty in [r#"{"kind":"PodList","items":null}"#, r#"{"kind":"PodList"}"#] {
        assert_eq!(parse(empty.as_bytes()), Ok(Vec::new()));
    }
    for wrong in
        ["", "[]", "{}", "<html>", r#"{"kind":"Status"}"#, r#"{"kind":"PodList","items":7}"#]
    {
        let why = parse(wrong.as_bytes()).unwrap_err();
        assert!(why.starts_with("the answer is no list of pods"), "{wrong}: {why}");
    }
    let deep = "[".repeat(100_000);
    assert!(parse(deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_no_name_is_more_than_a_name(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        at in 0..PODS.len(),
        byte: u8,
    ) {
        let _ = parse(&bytes);
        let mut changed = PODS.to_vec();
        changed[at] = byte;
        for pod in parse(&changed).unwrap_or_default() {
            prop_assert!(is_name(&pod.name) && is_name(&pod.namespace));
        }
    }
}
