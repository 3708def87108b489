//! Holds the reference of the metrics in docs/metrics.md to what is served.
//!
//! With `PLIMSOLL_BLESS` set it writes the reference instead, between the two marks.

use super::tests::SETTINGS;
use super::*;
use crate::api::desk::Desk;
use crate::view::reload::{ReloadFigures, ReloadView};
use crate::view::{ExportView, LaneView};
use prometheus_client::encoding::text;
use std::collections::BTreeMap;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
const BEGIN: &str = "<!-- agent: written by a test from what is served -->\n";
const END: &str = "<!-- end of agent -->\n";

/// One row for each family: name as it is queried, type, labels, help.
fn table(exposition: &str) -> String {
    let mut labels: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in exposition.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let row = labels.entry(name).or_default();
        // Names of labels follow `{` or `,` and stand before `="`.
        for part in rest.split("=\"").map(|part| part.rsplit([',', '{']).next().unwrap_or("")) {
            let is_name = !part.is_empty() && part.chars().all(|c| matches!(c, 'a'..='z' | '_'));
            if is_name && !row.iter().any(|known| known == part) {
                row.push(part.to_owned());
            }
        }
    }
    let mut helps: BTreeMap<&str, &str> = BTreeMap::new();
    let mut out = String::from("| metric | type | labels | what it is |\n|---|---|---|---|\n");
    for line in exposition.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            helps.insert(name, help);
        }
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        else {
            continue;
        };
        let full = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let of = labels.get(full.as_str()).map_or(String::new(), |of| of.join(", "));
        out += &format!("| `{full}` | {kind} | {of} | {} |\n", helps[name]);
    }
    out
}

#[derive(Debug)]
struct Reloads;

impl Reload for Reloads {
    fn reload(&self, _: &str) -> Result<ReloadView, Vec<String>> {
        Ok(ReloadView::default())
    }

    fn figures(&self) -> ReloadFigures {
        ReloadFigures::default()
    }
}

/// What an agent serves that has everything switched on.
fn everything() -> String {
    let mut desk = Desk::new();
    let lane = |signal: &str| LaneView { signal: signal.into(), ..LaneView::default() };
    desk.export = ExportView {
        enabled: true,
        lanes: ["metrics", "logs", "traces"].map(lane).into(),
        omitted: [("process".into(), 0)].into(),
        ..ExportView::default()
    };
    let api = ApiSettings {
        metrics: MetricsSettings { cadvisor_names: true, ..SETTINGS },
        reload: Some(Arc::new(Reloads)),
        ..ApiSettings::open(([127, 0, 0, 1], 9977).into())
    };
    let mut exposition = String::new();
    text::encode(&mut exposition, &registry(desk.shared(), &api)).unwrap();
    exposition
}

#[test]
fn the_reference_names_every_metric_with_type_labels_and_meaning() {
    let wanted = table(&everything());
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("docs/metrics.md has the mark");
    let (found, after) = rest.split_once(END).expect("docs/metrics.md has the end mark");
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(DOCUMENT, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
    } else {
        assert!(found == wanted, "set PLIMSOLL_BLESS and run again; wanted:\n{wanted}");
    }
}
