//! Names of Kubernetes: by a kubelet's answers, and by a real container runtime.

mod kubelet;
mod runtime;
