//! What kubelets and container runtimes answer, and the names that are taken from it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::kubernetes::{pods_of_kubelet, pods_of_runtime};
use plimsoll::workload::names::Directory;

fuzz_target!(|bytes: &[u8]| {
    let (sandboxes, containers) = bytes.split_at(bytes.len() / 2);
    let answers = [pods_of_kubelet(bytes), pods_of_runtime(sandboxes, containers)];
    for pods in answers.into_iter().flatten() {
        let is_name = |name: &str| !name.is_empty() && name.len() <= 253 && name.is_ascii();
        assert!(pods.iter().all(|pod| is_name(&pod.name) && is_name(&pod.namespace)));
        let containers = pods.iter().flat_map(|pod| &pod.containers);
        assert!(containers.flat_map(|own| &own.ids).all(|id| is_name(id)));
        let _ = Directory::new(pods);
    }
});
