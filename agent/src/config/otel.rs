//! The variables that every OpenTelemetry exporter knows, as values of our own keys.
//!
//! They beat the file and are beaten by `PLIMSOLL_…` and flags. Source: OpenTelemetry
//! specification, "Environment Variables" and "OTLP Exporter Configuration". A variable that is
//! empty or makes no sense counts as unset, as it says there; the latter is told. Pure: the
//! environment is handed in.

use super::Env;

/// Path of our key, what is written for it, and the variable it comes from.
pub(super) type Setting = (&'static str, String, &'static str);

/// Variables whose value our key takes as it is.
const PLAIN: [(&str, &str); 19] = [
    ("OTEL_EXPORTER_OTLP_HEADERS", "export.otlp.headers"),
    ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "export.otlp.metrics_headers"),
    ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "export.otlp.logs_headers"),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "export.otlp.traces_headers"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "export.otlp.protocol"),
    ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "export.otlp.metrics_protocol"),
    ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "export.otlp.logs_protocol"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "export.otlp.traces_protocol"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "export.otlp.compression"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "export.otlp.ca_file"),
    ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "export.otlp.client_cert_file"),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "export.otlp.client_key_file"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "export.otlp.endpoint"),
    ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "export.otlp.metrics_endpoint"),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "export.otlp.logs_endpoint"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "export.otlp.traces_endpoint"),
    ("OTEL_RESOURCE_ATTRIBUTES", "export.otlp.resource_attributes"),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "export.otlp.temporality"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "export.otlp.timeout"),
];
const ENDPOINTS: [&str; 4] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];
const CHOICES: [(&str, &str); 3] = [
    ("OTEL_METRICS_EXPORTER", "metrics"),
    ("OTEL_LOGS_EXPORTER", "logs"),
    ("OTEL_TRACES_EXPORTER", "traces"),
];

/// Of one signal's own variables endpoint, protocol and headers are read; these are not.
const SIGNALS: [&str; 3] = ["METRICS", "LOGS", "TRACES"];
const NOT_OF_ONE_SIGNAL: [&str; 6] =
    ["COMPRESSION", "TIMEOUT", "INSECURE", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];
/// Exporters that the specification names; who chose one of the others wants no OTLP.
const EXPORTERS: [&str; 5] = ["otlp", "none", "console", "prometheus", "zipkin"];
const SWITCHES: [&str; 2] = ["OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_INSECURE"];

/// What the variables say, and which of them say what cannot be: those count as unset.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) settings: Vec<Setting>,
    /// A variable, and what is wrong with it.
    pub(super) ignored: Vec<(String, String)>,
}

/// What the environment says of the export.
///
/// A variable that names an endpoint, or `otlp` as a signal's exporter, turns the export on: who
/// sets one wants it. `OTEL_SDK_DISABLED=true` turns it off whatever else is said.
pub(super) fn settings(env: &Env) -> Said {
    let get = |name: &str| env.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let mut said = Said { ignored: ignored(env), ..Said::default() };
    let all = &mut said.settings;
    for (variable, path) in PLAIN {
        if let Some(text) = get(variable) {
            all.push((path, adapted(variable, text, env), variable));
        }
    }
    if let Some(text) = get("OTEL_METRIC_EXPORT_INTERVAL") {
        all.push(("export.otlp.interval", millis(text), "OTEL_METRIC_EXPORT_INTERVAL"));
    }
    if let Some(name) = get("OTEL_SERVICE_NAME") {
        // One bad pair makes all of them count as unset, but not the name.
        let pairs = get("OTEL_RESOURCE_ATTRIBUTES")
            .filter(|pairs| pairs.split(',').all(|pair| pair.contains('=')));
        let given = pairs.map_or(String::new(), |own| format!("{own},"));
        let text = format!("{given}service.name={name}");
        all.push(("export.otlp.resource_attributes", text, "OTEL_SERVICE_NAME"));
    }
    let chosen = CHOICES.iter().find(|(variable, _)| get(variable).is_some());
    if let Some((first, _)) = chosen {
        let on = CHOICES.iter().filter(|(variable, _)| get(variable).is_none_or(wants_otlp));
        let signals: Vec<&str> = on.map(|(_, signal)| *signal).collect();
        all.push(("export.otlp.signals", signals.join(","), first));
    }
    let named = CHOICES.iter().find(|(variable, _)| get(variable).is_some_and(names_otlp));
    let endpoint = ENDPOINTS.into_iter().find(|variable| get(variable).is_some());
    if let Some(variable) = endpoint.or(named.map(|(variable, _)| *variable)) {
        all.push(("export.otlp.enabled", "true".to_owned(), variable));
    }
    if get("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        all.push(("export.otlp.enabled", "false".to_owned(), "OTEL_SDK_DISABLED"));
    }
    said
}

fn exporters(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(|word| word.trim().to_ascii_lowercase())
}

fn names_otlp(text: &str) -> bool {
    exporters(text).any(|word| word == "otlp")
}

/// Nobody knows what an unknown word was to mean: it counts as unset, and unset is OTLP.
fn wants_otlp(text: &str) -> bool {
    names_otlp(text) || !exporters(text).all(|word| EXPORTERS.contains(&word.as_str()))
}

/// Variables that have no meaning here, whatever our keys would take.
fn ignored(env: &Env) -> Vec<(String, String)> {
    let get = |name: &str| env.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let mut all = Vec::new();
    for (variable, _) in CHOICES {
        let unknown = |text: &str| exporters(text).any(|word| !EXPORTERS.contains(&word.as_str()));
        if get(variable).is_some_and(unknown) {
            all.push((variable.to_owned(), "names an exporter that there is not".to_owned()));
        }
    }
    for variable in SWITCHES {
        let odd = |text: &str| !["true", "false"].contains(&text.to_ascii_lowercase().as_str());
        if get(variable).is_some_and(odd) {
            all.push((variable.to_owned(), "is neither true nor false: false holds".to_owned()));
        }
    }
    for signal in SIGNALS {
        for what in NOT_OF_ONE_SIGNAL {
            let variable = format!("OTEL_EXPORTER_OTLP_{signal}_{what}");
            let common = get(&format!("OTEL_EXPORTER_OTLP_{what}"));
            if get(&variable).is_some_and(|text| Some(text) != common) {
                let what = format!("is not read: set OTEL_EXPORTER_OTLP_{what}, for all signals");
                all.push((variable, what));
            }
        }
    }
    all
}

/// The value as our key has it.
fn adapted(variable: &str, text: &str, env: &Env) -> String {
    match variable {
        "OTEL_EXPORTER_OTLP_TIMEOUT" => millis(text),
        // Words of a list are the same in capitals.
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE" | "OTEL_EXPORTER_OTLP_COMPRESSION" => {
            text.to_ascii_lowercase()
        }
        name if name.ends_with("_PROTOCOL") => text.to_ascii_lowercase(),
        // gRPC's may come without a scheme; then another variable says whether it is encrypted.
        name if name.ends_with("_ENDPOINT") && !text.contains("://") => {
            let insecure = env.get("OTEL_EXPORTER_OTLP_INSECURE");
            let plain = insecure.is_some_and(|text| text.eq_ignore_ascii_case("true"));
            format!("{}://{text}", if plain { "http" } else { "https" })
        }
        _ => text.to_owned(),
    }
}

/// Their durations are milliseconds without a unit.
fn millis(text: &str) -> String {
    format!("{text}ms")
}

#[cfg(test)]
mod tests {
    use crate::config::{ExportProtocol, Request, Secret, Temporality, load};
    use std::time::Duration;

    fn loaded(env: &[(&str, &str)]) -> crate::config::ExportConfig {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        load(&Request { env, ..Request::default() }).unwrap().config.export
    }

    #[test]
    fn the_standard_variables_set_our_keys_and_turn_the_export_on() {
        let own = loaded(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.example:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "dd-api-key=abc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "DELTA"),
            ("OTEL_RESOURCE_ATTRIBUTES", "k8s.cluster.name=a,deployment.environment.name=test"),
            ("OTEL_SERVICE_NAME", "memory"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "gRPC"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ]);
        assert_eq!((own.logs_protocol, own.metrics_protocol), (Some(ExportProtocol::Grpc), None));
        assert!(own.enabled && own.protocol == ExportProtocol::Http);
        assert_eq!(own.headers.as_ref().map(Secret::expose), Some("dd-api-key=abc"));
        assert_eq!(own.timeout, Duration::from_millis(2500));
        assert_eq!((own.interval, own.temporality), (Duration::from_secs(5), Temporality::Delta));
        assert_eq!(own.signals, ["metrics", "logs"]);
        assert_eq!(own.resource_attributes.len(), 3);
    }

    #[test]
    fn nothing_is_exported_unless_somebody_says_where_to_and_our_own_variable_has_the_last_word() {
        assert!(!loaded(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "100")]).enabled);
        assert!(loaded(&[("OTEL_METRICS_EXPORTER", "otlp")]).enabled);
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317");
        assert!(!loaded(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).enabled);
        assert!(!loaded(&[endpoint, ("PLIMSOLL_EXPORT_OTLP_ENABLED", "false")]).enabled);
    }

    #[test]
    fn what_makes_no_sense_is_told_and_counts_as_unset() {
        let told = |env: &[(&str, &str)]| {
            let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let effective = load(&Request { env, ..Request::default() }).unwrap();
            let warnings: Vec<String> =
                effective.warnings.iter().map(ToString::to_string).collect();
            (effective.config.export, warnings)
        };
        let (own, warnings) = told(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "-1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "half of a secret"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b,c"),
            ("OTEL_SERVICE_NAME", "memory"),
            ("OTEL_LOGS_EXPORTER", "carrier-pigeon"),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "yes"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"),
        ]);
        let defaults = crate::config::ExportConfig::default();
        assert!(own.enabled && own.gzip && own.headers.is_none());
        assert_eq!((own.protocol, own.timeout), (defaults.protocol, defaults.timeout));
        assert_eq!((own.interval, own.client_key_file), (defaults.interval, None));
        assert_eq!(own.resource_attributes, ["service.name=memory"]);
        assert_eq!(own.signals, ["metrics", "logs"]);
        assert_eq!(warnings.len(), 9, "{warnings:#?}");
        assert!(!warnings.iter().any(|warning| warning.contains("secret")), "{warnings:#?}");
        let (own, warnings) = told(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a b/")]);
        assert_eq!((own.enabled, own.endpoint.as_str(), warnings.len()), (false, "", 1));
    }

    #[test]
    fn our_own_variables_are_refused_as_ever() {
        for (name, value) in [("TIMEOUT", "soon"), ("PROTOCOL", "http/json")] {
            let env = [(format!("PLIMSOLL_EXPORT_OTLP_{name}"), value.to_owned())].into();
            assert!(load(&Request { env, ..Request::default() }).is_err(), "{name}");
        }
    }

    #[test]
    fn an_endpoint_without_a_scheme_is_encrypted_unless_told_otherwise() {
        let bare = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
        assert_eq!(loaded(&[bare]).endpoint, "https://collector:4317");
        let plain = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
        assert_eq!(loaded(&[bare, plain]).endpoint, "http://collector:4317");
    }
}
