//! A table of cgroup paths and the owners they tell of.

use super::*;
use proptest::prelude::*;

const ID: &str = "3f1c9a5be7d2408c6fa1b09d4e73c85260ab17fe94d3528c0e6b71fa93d5c428";
const ID2: &str = "b81e04c7a95f3d2680e1c7f4a2d9635b17c08e5fa4b39d62e0f7185ca3b94d60";
const UID: &str = "0f2c3bd2-2c66-4a7a-9e2d-2c5a1f0d9b7e";
const UID2: &str = "7a1e5c90-63bf-4d18-8a07-e4b92f16c3d5";
const STATIC: &str = "8d3f5e0a917c42b6a1e0d94c7b25f863";

/// Puts ids in the place of the tokens that the fixture explains.
fn filled(text: &str) -> String {
    [
        ("{ID}", ID),
        ("{ID2}", ID2),
        ("{id}", &ID[..12]),
        ("{id2}", &ID2[..12]),
        ("{UID}", UID),
        ("{UID2}", UID2),
        ("{U_ID}", &UID.replace('-', "_")),
        ("{U_ID2}", &UID2.replace('-', "_")),
        ("{STATIC}", STATIC),
    ]
    .iter()
    .fold(text.to_owned(), |text, (token, id)| text.replace(token, id))
}

fn table() -> Vec<(String, Owner)> {
    let rows = include_str!("../../fixtures/cgroup/owners.txt").lines();
    rows.filter(|row| row.starts_with('/'))
        .map(|row| {
            let row = filled(row);
            let (path, owner) = row.split_once(" -> ").unwrap();
            let (name, labels) = owner.split_once(' ').unwrap_or((owner, ""));
            let kind = match name.split('/').next().unwrap() {
                "pod" => OwnerKind::Pod,
                "container" => OwnerKind::Container,
                "unit" => OwnerKind::Unit,
                "user" => OwnerKind::Session,
                "host" => OwnerKind::Host,
                other => panic!("{other}"),
            };
            let labels = labels.split_whitespace().map(|label| label.split_once('=').unwrap());
            let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            (path.to_owned(), Owner { kind, name: name.to_owned(), labels })
        })
        .collect()
}

#[test]
fn every_form_of_path_has_its_owner() {
    let table = table();
    assert!(table.len() > 60, "{}", table.len());
    for (path, owner) in table {
        assert_eq!(owner_of(&path), owner, "{path}");
    }
}

#[test]
fn what_stands_around_kubepods_changes_nothing() {
    let around = ["/../..", "/docker/x", "/system.slice/k3s.service", "/lxc/101/ns", "/user.slice"];
    let pods = table().into_iter().filter(|(_, owner)| owner.kind == OwnerKind::Pod);
    for (path, owner) in pods.filter(|(path, _)| path.starts_with("/kube")) {
        for prefix in around.iter().map(|prefix| filled(prefix)) {
            assert_eq!(owner_of(&format!("{prefix}{path}")), owner, "{prefix} {path}");
        }
    }
}

#[test]
fn a_restarted_container_keeps_its_workload_in_a_pod_and_in_a_unit() {
    for path in ["/kubepods/pod{UID}/", "/system.slice/web.service/libpod-payload-"] {
        let path = filled(path);
        let workload = |id| workload_name(&owner_of(&format!("{path}{id}")), "/usr/bin/java");
        assert_eq!(workload(ID), workload(ID2));
    }
}

#[test]
fn ids_that_are_nearly_right_are_none() {
    let upper = UID.to_uppercase();
    let shifted = format!("{}-{}", &UID[..7], &UID[8..]);
    for uid in [&UID[1..], &upper, &shifted, &UID.replace('-', "_"), &format!("{UID}0")] {
        assert_eq!(owner_of(&format!("/kubepods/pod{uid}")).kind, OwnerKind::Host, "{uid}");
    }
    for id in [&ID[1..], &format!("{ID}0"), &format!("x{ID}"), &format!("{}g", &ID[1..])] {
        assert_eq!(owner_of(&format!("/docker/{id}")).kind, OwnerKind::Host, "{id}");
    }
    assert_eq!(owner_of("/user.slice/user-12345678901.slice").name, "unit/user-12345678901.slice");
}

/// Paths made of the pieces that real ones have, and of noise.
fn any_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}".boxed(),
        prop::sample::select(table()).prop_map(|(path, _)| path).boxed(),
        prop::sample::select(vec!["..", ":", "pod", ".slice", ".scope", "-pod", "lxc", "é", ID])
            .prop_map(str::to_owned)
            .boxed(),
        "[a-f0-9]{60,70}".boxed(),
        "(x|é){250,260}\\.service".boxed(),
    ];
    prop::collection::vec((piece, any::<bool>()), 0..8).prop_map(|pieces| {
        pieces
            .iter()
            .map(|(text, slash)| format!("{}{text}", if *slash { "/" } else { "" }))
            .collect()
    })
}

proptest! {
    #[test]
    fn any_path_has_an_owner_of_bounded_size(path in any_path()) {
        let owner = owner_of(&path);
        prop_assert!(owner.name.len() <= 300, "{}", owner.name);
        prop_assert!(owner.labels.len() <= 6);
        for (key, value) in &owner.labels {
            prop_assert!(value.len() <= TEXT_BYTES_MAX, "{key}={value}");
        }
        let prefix = match owner.kind {
            OwnerKind::Pod => "pod/",
            OwnerKind::Container => "container/",
            OwnerKind::Unit => "unit/",
            OwnerKind::Session => "user/",
            OwnerKind::Host => "host",
        };
        prop_assert!(owner.name.starts_with(prefix));
    }

    #[test]
    fn any_prefix_before_kubepods_changes_nothing(prefix in any_path()) {
        let pod = filled("/kubepods/burstable/pod{UID}/{ID}");
        prop_assert_eq!(owner_of(&format!("{prefix}{pod}")), owner_of(&pod));
    }
}
