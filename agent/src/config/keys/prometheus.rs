//! The key of what `/metrics` serves.

use super::{Field, Key};

pub(super) const CADVISOR_NAMES: Key = Key {
    path: "export.prometheus.cadvisor_names",
    flag: None,
    field: Field::Switch(|c| &mut c.prometheus.cadvisor_names),
    doc: "Serves cgroups under cAdvisor's names too: container_memory_* with pod, namespace, \
          container.",
    edges: "true: where a kubelet serves the same names, sums over both count twice.",
    who: "Those with dashboards of cAdvisor's and no cAdvisor.",
};
