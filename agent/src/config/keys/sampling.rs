//! Whether BPF is used where the kernel allows it.

use super::{Field, Key};

pub(super) const BPF: Key = Key {
    path: "sampling.bpf",
    flag: None,
    field: Field::Choice {
        names: &["auto", "off"],
        get: |c| if c.sampling.bpf { "auto" } else { "off" },
        set: |c, name| c.sampling.bpf = name == "auto",
    },
    doc: "Uses BPF where kernel and capabilities allow it: OOM victims, cheaper sweeps.",
    edges: "off: nothing is loaded; the kernel log, counters and /proc tell instead.",
    who: "Nodes where no BPF program may be loaded, or each has to be accounted for.",
};
