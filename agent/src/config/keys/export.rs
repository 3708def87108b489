//! The keys of the export by OTLP.

use super::super::{ExportProfile, ExportProtocol, Temporality};
use super::{Bytes, Field, HOUR, Key, ms, s};

const HEADERS_ARE: &str = "name=value, several with commas between them";
const ENDPOINT_IS: &str = "an address of http or https without user or password, or empty";

pub(super) const ENABLED: Key = Key {
    path: "export.otlp.enabled",
    flag: None,
    field: Field::Switch(|c| &mut c.export.enabled),
    doc: "Sends metrics, alerts and incidents by OTLP.",
    edges: "false: nothing leaves. The endpoint variables of OpenTelemetry turn it on too.",
    who: "Whoever has a collector.",
};

pub(super) const ENDPOINT: Key = Key {
    path: "export.otlp.endpoint",
    flag: None,
    field: Field::Text { at: |c| &mut c.export.endpoint, good: is_endpoint, accepted: ENDPOINT_IS },
    doc: "Where to; http or https says whether it is encrypted.",
    edges: "Empty: localhost, port 4317 for gRPC, 4318 for HTTP, in clear. HTTP adds /v1/SIGNAL.",
    who: "Everyone but those with a collector on each node.",
};

pub(super) const PROTOCOL: Key = Key {
    path: "export.otlp.protocol",
    flag: None,
    field: Field::Choice {
        names: &["grpc", "http/protobuf"],
        get: |c| match c.export.protocol {
            ExportProtocol::Grpc => "grpc",
            ExportProtocol::Http => "http/protobuf",
        },
        set: |c, name| {
            let grpc = name == "grpc";
            c.export.protocol = if grpc { ExportProtocol::Grpc } else { ExportProtocol::Http };
        },
    },
    doc: "How requests are sent.",
    edges: "Both carry the same messages.",
    who: "Where only one is let through.",
};

pub(super) const SIGNALS: Key = Key {
    path: "export.otlp.signals",
    flag: None,
    field: Field::List {
        at: |c| &mut c.export.signals,
        good: is_signal,
        accepted: "metrics, logs or traces",
    },
    doc: "What is sent: metrics; logs are alerts and incidents; traces are the agent's own work.",
    edges: "An empty list sends nothing.",
    who: "Backends that take only some of them.",
};

pub(super) const METRICS_ENDPOINT: Key = Key {
    path: "export.otlp.metrics_endpoint",
    flag: None,
    field: Field::Text {
        at: |c| &mut c.export.metrics_endpoint,
        good: is_endpoint,
        accepted: ENDPOINT_IS,
    },
    doc: "Where metrics go, if elsewhere.",
    edges: "Empty: the common endpoint. HTTP uses its path as it is.",
    who: "Backends with an address for each signal.",
};

pub(super) const LOGS_ENDPOINT: Key = Key {
    path: "export.otlp.logs_endpoint",
    flag: None,
    field: Field::Text {
        at: |c| &mut c.export.logs_endpoint,
        good: is_endpoint,
        accepted: ENDPOINT_IS,
    },
    doc: "Where logs go, if elsewhere.",
    edges: "Empty: the common endpoint. HTTP uses its path as it is.",
    who: "Backends with an address for each signal.",
};

pub(super) const TRACES_ENDPOINT: Key = Key {
    path: "export.otlp.traces_endpoint",
    flag: None,
    field: Field::Text {
        at: |c| &mut c.export.traces_endpoint,
        good: is_endpoint,
        accepted: ENDPOINT_IS,
    },
    doc: "Where traces go, if elsewhere.",
    edges: "Empty: the common endpoint. HTTP uses its path as it is.",
    who: "Backends with an address for each signal.",
};

pub(super) const METRICS_PROTOCOL: Key = Key {
    path: "export.otlp.metrics_protocol",
    flag: None,
    field: Field::Choice {
        names: &PROTOCOLS,
        get: |c| protocol_name(c.export.metrics_protocol),
        set: |c, name| c.export.metrics_protocol = protocol(name),
    },
    doc: "How requests of metrics are sent, if otherwise.",
    edges: "common: as export.otlp.protocol says.",
    who: "Backends that take each signal in its own way.",
};

pub(super) const LOGS_PROTOCOL: Key = Key {
    path: "export.otlp.logs_protocol",
    flag: None,
    field: Field::Choice {
        names: &PROTOCOLS,
        get: |c| protocol_name(c.export.logs_protocol),
        set: |c, name| c.export.logs_protocol = protocol(name),
    },
    doc: "How requests of logs are sent, if otherwise.",
    edges: "common: as export.otlp.protocol says.",
    who: "Backends that take each signal in its own way.",
};

pub(super) const TRACES_PROTOCOL: Key = Key {
    path: "export.otlp.traces_protocol",
    flag: None,
    field: Field::Choice {
        names: &PROTOCOLS,
        get: |c| protocol_name(c.export.traces_protocol),
        set: |c, name| c.export.traces_protocol = protocol(name),
    },
    doc: "How requests of traces are sent, if otherwise.",
    edges: "common: as export.otlp.protocol says.",
    who: "Backends that take each signal in its own way.",
};

pub(super) const HEADERS: Key = Key {
    path: "export.otlp.headers",
    flag: None,
    field: Field::Secret { at: |c| &mut c.export.headers, good: is_headers, accepted: HEADERS_ARE },
    doc: "Sent with each request, such as keys of the service.",
    edges: "Shown nowhere again. Values may be percent-encoded.",
    who: "Small set-ups; otherwise keep them in a file of their own.",
};

pub(super) const HEADERS_FILE: Key = Key {
    path: "export.otlp.headers_file",
    flag: None,
    field: Field::PathOrUnset {
        at: |c| &mut c.export.headers_file,
        example: "/etc/plimsoll/otlp-headers",
    },
    doc: "File with more headers, a name=value on each line; read for each request.",
    edges: "One that is replaced is used at once.",
    who: "Everyone who sends to a service.",
};

pub(super) const METRICS_HEADERS: Key = Key {
    path: "export.otlp.metrics_headers",
    flag: None,
    field: Field::Secret {
        at: |c| &mut c.export.metrics_headers,
        good: is_headers,
        accepted: HEADERS_ARE,
    },
    doc: "The same for metrics alone, beside the common ones.",
    edges: "Of one name in both, this one is sent.",
    who: "Backends with a key for each signal.",
};

pub(super) const LOGS_HEADERS: Key = Key {
    path: "export.otlp.logs_headers",
    flag: None,
    field: Field::Secret {
        at: |c| &mut c.export.logs_headers,
        good: is_headers,
        accepted: HEADERS_ARE,
    },
    doc: "The same for logs alone, beside the common ones.",
    edges: "Of one name in both, this one is sent.",
    who: "Backends with a key for each signal.",
};

pub(super) const TRACES_HEADERS: Key = Key {
    path: "export.otlp.traces_headers",
    flag: None,
    field: Field::Secret {
        at: |c| &mut c.export.traces_headers,
        good: is_headers,
        accepted: HEADERS_ARE,
    },
    doc: "The same for traces alone, beside the common ones.",
    edges: "Of one name in both, this one is sent.",
    who: "Backends with a key for each signal.",
};

pub(super) const CA_FILE: Key = Key {
    path: "export.otlp.ca_file",
    flag: None,
    field: Field::PathOrUnset { at: |c| &mut c.export.ca_file, example: "/etc/plimsoll/ca.pem" },
    doc: "Certificates in PEM that the endpoint's must come from.",
    edges: "Unset: Mozilla's, which are in the program.",
    who: "Collectors with certificates of your own.",
};

pub(super) const CLIENT_CERT_FILE: Key = Key {
    path: "export.otlp.client_cert_file",
    flag: None,
    field: Field::PathOrUnset {
        at: |c| &mut c.export.client_cert_file,
        example: "/etc/plimsoll/client.pem",
    },
    doc: "Certificate in PEM that the agent shows.",
    edges: "Needs client_key_file. Read for each request.",
    who: "Collectors that ask for one.",
};

pub(super) const CLIENT_KEY_FILE: Key = Key {
    path: "export.otlp.client_key_file",
    flag: None,
    field: Field::PathOrUnset {
        at: |c| &mut c.export.client_key_file,
        example: "/etc/plimsoll/client.key",
    },
    doc: "Its private key in PEM.",
    edges: "Needs client_cert_file.",
    who: "Collectors that ask for one.",
};

pub(super) const COMPRESSION: Key = Key {
    path: "export.otlp.compression",
    flag: None,
    field: Field::Choice {
        names: &["gzip", "none"],
        get: |c| if c.export.gzip { "gzip" } else { "none" },
        set: |c, name| c.export.gzip = name == "gzip",
    },
    doc: "Whether requests are compressed.",
    edges: "none sends many times the bytes and spends less CPU.",
    who: "Nodes with a collector of their own and little CPU.",
};

pub(super) const TIMEOUT: Key = Key {
    path: "export.otlp.timeout",
    flag: None,
    field: Field::Time { at: |c| &mut c.export.timeout, range: ms(100)..=s(300) },
    doc: "How long one request may take.",
    edges: "A short one counts slow answers as failures and sends again.",
    who: "Slow links.",
};

pub(super) const INTERVAL: Key = Key {
    path: "export.otlp.interval",
    flag: None,
    field: Field::Time { at: |c| &mut c.export.interval, range: s(1)..=s(HOUR) },
    doc: "How often metrics are taken and sent.",
    edges: "What a kill of the agent can lose is one interval. Alerts go within 5 s.",
    who: "Whoever pays by the data point.",
};

pub(super) const TEMPORALITY: Key = Key {
    path: "export.otlp.temporality",
    flag: None,
    field: Field::Choice {
        names: &["cumulative", "delta", "lowmemory"],
        get: |c| match c.export.temporality {
            Temporality::Cumulative => "cumulative",
            Temporality::Delta => "delta",
        },
        set: |c, name| {
            let cumulative = name == "cumulative";
            c.export.temporality =
                if cumulative { Temporality::Cumulative } else { Temporality::Delta };
        },
    },
    doc: "Whether counters say their total or what was added since the last export.",
    edges: "lowmemory is delta here. Datadog takes delta only, Prometheus cumulative only.",
    who: "Backends that want delta; the profile datadog implies it.",
};

pub(super) const PROFILE: Key = Key {
    path: "export.otlp.profile",
    flag: None,
    field: Field::Choice {
        names: &["standard", "datadog"],
        get: |c| match c.export.profile {
            ExportProfile::Standard => "standard",
            ExportProfile::Datadog => "datadog",
        },
        set: |c, name| {
            let datadog = name == "datadog";
            c.export.profile =
                if datadog { ExportProfile::Datadog } else { ExportProfile::Standard };
        },
    },
    doc: "Whose names are used where the conventions and a product differ.",
    edges: "datadog: delta, and system.memory.usage by the attribute state.",
    who: "Who sends to Datadog.",
};

pub(super) const RESOURCE_ATTRIBUTES: Key = Key {
    path: "export.otlp.resource_attributes",
    flag: None,
    field: Field::List {
        at: |c| &mut c.export.resource_attributes,
        good: is_attribute,
        accepted: "name=value",
    },
    doc: "Attributes on every resource, such as k8s.cluster.name or deployment.environment.name.",
    edges: "They beat what the agent finds itself, host.name too; service.name names the agent.",
    who: "Everyone with more than one cluster.",
};

pub(super) const PROCESSES_MAX: Key = Key {
    path: "export.otlp.processes_max",
    flag: None,
    field: Field::Count { at: |c| &mut c.export.processes_max, range: 0..=32_768 },
    doc: "Processes exported: suspects always, then the largest.",
    edges: "0: suspects only. Each is about 12 series; a metric counts those left out.",
    who: "Whoever pays by the series.",
};

pub(super) const CONTAINERS_MAX: Key = Key {
    path: "export.otlp.containers_max",
    flag: None,
    field: Field::Count { at: |c| &mut c.export.containers_max, range: 0..=4096 },
    doc: "Containers exported, and as many pods: suspects always, then the largest.",
    edges: "0: suspects only. Each is about 12 series.",
    who: "Whoever pays by the series.",
};

pub(super) const QUEUE_SIZE_MAX: Key = Key {
    path: "export.otlp.queue_size_max",
    flag: None,
    field: Field::Size {
        at: |c| &mut c.export.queue_size_max,
        range: Bytes::kib(256)..=Bytes::mib(4096),
    },
    doc: "Disk for what waits, of each signal; the oldest goes first. Without a disk 4 MiB of RAM.",
    edges: "32MiB holds hours of 500 processes and 500 containers.",
    who: "Nodes that are cut off for long.",
};

pub(super) const QUEUE_AGE_MAX: Key = Key {
    path: "export.otlp.queue_age_max",
    flag: None,
    field: Field::Time { at: |c| &mut c.export.queue_age_max, range: s(60)..=s(30 * 24 * HOUR) },
    doc: "What waited longer is dropped.",
    edges: "Many backends refuse points that are older than an hour or a day.",
    who: "Backends that take older points, or no old ones.",
};

/// Of one signal.
const PROTOCOLS: [&str; 3] = ["common", "grpc", "http/protobuf"];

const fn protocol_name(own: Option<ExportProtocol>) -> &'static str {
    match own {
        None => PROTOCOLS[0],
        Some(ExportProtocol::Grpc) => PROTOCOLS[1],
        Some(ExportProtocol::Http) => PROTOCOLS[2],
    }
}

fn protocol(name: &str) -> Option<ExportProtocol> {
    let all = [None, Some(ExportProtocol::Grpc), Some(ExportProtocol::Http)];
    all.into_iter().find(|one| protocol_name(*one) == name).flatten()
}

fn is_signal(text: &str) -> bool {
    matches!(text, "metrics" | "logs" | "traces")
}

fn is_endpoint(text: &str) -> bool {
    text.is_empty() || super::is_url(text)
}

fn is_attribute(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| !name.trim().is_empty()) && text.len() <= 1024
}

/// Whether every part is a name that HTTP knows and a value that it can carry.
fn is_headers(text: &str) -> bool {
    let good = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            axum::http::HeaderName::from_bytes(name.trim().as_bytes()).is_ok()
                && axum::http::HeaderValue::from_str(value.trim()).is_ok()
        })
    };
    text.split(',').filter(|part| !part.trim().is_empty()).all(good)
}
