//! Both formats of `/metrics`, of agent and cache: each is offered to who asks for it, is what
//! independent parsers take it for, and says the same as the other. And the cache's reference in
//! docs/metrics.md, which is written from a running cache.

use plimsoll_tests::{Agent, Answer, Cache, exchange, skipped};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What Prometheus 2.45 and later send.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,\
    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
const OPEN_METRICS: &str =
    "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "content-type: text/plain; version=0.0.4; charset=utf-8";

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
const BEGIN: &str = "<!-- cache: written by a test from what is served -->\n";
const END: &str = "<!-- end of cache -->\n";

fn scraped(address: &str, accept: &str) -> Answer {
    let head = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\n");
    exchange(address, &format!("{head}Connection: close\r\n\r\n")).expect("it answers")
}

/// What `program` says of `text`; None where it is not installed.
fn judged(program: &Path, args: &[&str], text: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        let why = format!("{} is not there: cargo xtask test installs it", program.display());
        assert!(skipped(&why));
        return None;
    };
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    let done = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && said.is_empty(), "{said}\nin\n{text}");
    Some(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Families by name with their types, as the metadata has them.
fn families(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

#[track_caller]
fn check(address: &str) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let open = scraped(address, PROMETHEUS);
    assert!(open.head.to_lowercase().contains(OPEN_METRICS), "{}", open.head);
    assert!(open.body.ends_with("# EOF\n"));
    let script = top.join("tests/dashboards/openmetrics.py");
    let script = script.to_str().expect("the path is text");
    let parsed = judged(&top.join("target/validators/bin/python"), &[script], &open.body);
    for accept in ["text/plain", "*/*", "text/html"] {
        let plain = scraped(address, accept);
        assert!(plain.head.to_lowercase().contains(PLAIN), "{accept}: {}", plain.head);
        assert!(!plain.body.contains("# EOF"));
        if accept == "*/*" {
            judged(Path::new("promtool"), &["check", "metrics"], &plain.body);
            let total = |(name, kind): (&str, &str)| {
                if kind == "counter" { format!("{name}_total") } else { name.to_owned() }
            };
            let of_open: Vec<String> = families(&open.body).into_iter().map(total).collect();
            let of_plain = families(&plain.body);
            assert!(of_open.iter().all(|name| of_plain.contains_key(&**name)), "{of_open:?}");
        }
    }
    if let Some(parsed) = parsed {
        assert_eq!(parsed.lines().count(), families(&open.body).len());
        assert!(parsed.lines().all(|line| !line.ends_with(" 0")), "a family is empty: {parsed}");
    }
}

#[test]
fn the_agent_speaks_both_formats_and_independent_parsers_agree() {
    let scratch = tempfile::tempdir().expect("a directory");
    let config = scratch.path().join("plimsoll.toml");
    // All that may be switched on; nobody takes the exports.
    let text = "export.prometheus.cadvisor_names = true\n[export.otlp]\nenabled = true\n\
                endpoint = \"http://127.0.0.1:1\"\n";
    std::fs::write(&config, text).expect("it can be written");
    let config = config.to_str().expect("the path is text");
    let agent = Agent::start(&["--config", config]);
    let text = agent.get("/metrics").body;
    for name in ["container_memory_working_set_bytes{", "plimsoll_export_failing{"] {
        assert!(text.contains(name), "no {name} in\n{text}");
    }
    check(&agent.address);
}

#[test]
fn the_cache_speaks_both_formats_and_independent_parsers_agree() {
    let cache = Cache::start(&[]);
    check(&cache.admin.expect("an admin side").to_string());
}

/// One row for each family: name as it is queried, type, labels, help.
fn table(exposition: &str) -> String {
    let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in exposition.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let row = labels.entry(name).or_default();
        // No value of a label holds a quote or a comma.
        for label in rest.split(',').filter_map(|pair| Some(pair.split_once("=\"")?.0)) {
            if !row.contains(&label) {
                row.push(label);
            }
        }
    }
    let mut out = String::from("| metric | type | labels | what it is |\n|---|---|---|---|\n");
    let mut help = "";
    for line in exposition.lines() {
        if let Some((_, text)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            help = text;
        }
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        else {
            continue;
        };
        let of = labels.get(name).map_or(String::new(), |of| of.join(", "));
        out += &format!("| `{name}` | {kind} | {of} | {help} |\n");
    }
    out
}

#[test]
fn the_reference_of_the_cache_names_every_metric_with_type_labels_and_meaning() {
    let scratch = tempfile::tempdir().expect("a directory");
    let snapshot = scratch.path().join("snapshot");
    let snapshot = snapshot.to_str().expect("the path is text");
    // With a file for snapshots there is nothing that it could serve and does not.
    let cache = Cache::start(&["-u", "root", "-e", snapshot]);
    let served = cache.get("/metrics").body;
    for conditional in ["plimsoll_cache_snapshots_total", "plimsoll_cache_bound_bytes"] {
        assert!(served.contains(&format!("\n{conditional}")), "no {conditional} in\n{served}");
    }
    let wanted = table(&served);
    let document = std::fs::read_to_string(DOCUMENT).expect("docs/metrics.md is there");
    let (before, rest) = document.split_once(BEGIN).expect("it has the mark");
    let (found, after) = rest.split_once(END).expect("it has the end mark");
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        let new = format!("{before}{BEGIN}{wanted}{END}{after}");
        std::fs::write(DOCUMENT, new).expect("it can be written");
    } else {
        assert!(found == wanted, "set PLIMSOLL_BLESS and run again; wanted:\n{wanted}");
    }
}
