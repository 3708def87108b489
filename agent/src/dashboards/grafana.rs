//! Writes a [`Board`] as Grafana's dashboard JSON.

use crate::dashboards::{Board, Kind, Panel};
use serde_json::{Value, json};

/// Of the oldest Grafana that is promised, 11.6; later ones migrate it.
const SCHEMA_VERSION: u32 = 41;
/// Units: columns of Grafana's grid.
const WIDTH: usize = 24;
/// Labels in tables, and the dashboard where each can be chosen.
const LEADS: [(&str, &str); 4] = [
    ("instance", "plimsoll-node"),
    ("workload", "plimsoll-workload"),
    ("target", "plimsoll-process"),
    ("incident", "plimsoll-incident"),
];

pub(super) fn board(board: &Board) -> Value {
    let mut panels = Vec::new();
    let mut y = 0;
    for (title, row) in board.rows {
        panels.push(json!({
            "id": panels.len() + 1, "type": "row", "title": title, "collapsed": false,
            "panels": [], "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
        }));
        y += 1;
        let mut x = 0;
        let mut lowest = 0;
        for one in *row {
            let (w, h) = size(one.kind);
            if x + w > WIDTH {
                (x, y, lowest) = (0, y + lowest, 0);
            }
            panels.push(panel(one, panels.len() + 1, [x, y, w, h]));
            x += w;
            lowest = lowest.max(h);
        }
        y += lowest;
    }
    json!({
        "id": null,
        "uid": board.uid,
        "title": board.title,
        "description": board.what,
        "tags": ["plimsoll"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {},
        "annotations": {"list": []},
        "links": [{
            "type": "dashboards", "title": "Plimsoll", "tags": ["plimsoll"], "asDropdown": true,
            "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link",
            "tooltip": "", "url": "",
        }],
        "templating": {"list": variables(board)},
        "panels": panels,
    })
}

const fn size(kind: Kind) -> (usize, usize) {
    match kind {
        Kind::Stat => (4, 4),
        Kind::Lines => (12, 8),
        Kind::Table => (24, 9),
    }
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn variables(board: &Board) -> Vec<Value> {
    let scope = board.scope;
    let mut all = vec![
        json!({
            "name": "datasource", "label": "Data source", "type": "datasource",
            "query": "prometheus", "hide": 0,
        }),
        choice("job", &format!("label_values({scope}, job)"), ".+"),
        choice("instance", &format!("label_values({scope}{{job=~\"$job\"}}, instance)"), ".+"),
    ];
    all.extend(board.choices.iter().map(|(metric, label)| {
        let of = "{job=~\"$job\",instance=~\"$instance\"}";
        // What has no such label is shown as long as nothing is chosen.
        choice(label, &format!("label_values({metric}{of}, {label})"), ".*")
    }));
    all
}

fn choice(name: &str, query: &str, all: &str) -> Value {
    json!({
        "name": name, "label": name, "type": "query", "datasource": source(), "hide": 0,
        "query": {"query": query, "refId": name},
        "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": all,
        "current": {"text": "All", "value": "$__all"},
    })
}

fn panel(panel: &Panel, id: usize, [x, y, w, h]: [usize; 4]) -> Value {
    let mut made = json!({
        "id": id,
        "type": match panel.kind {
            Kind::Lines => "timeseries",
            Kind::Stat => "stat",
            Kind::Table => "table",
        },
        "title": panel.title,
        "description": panel.what,
        "datasource": source(),
        "gridPos": {"x": x, "y": y, "w": w, "h": h},
        "fieldConfig": {"defaults": defaults(panel), "overrides": overrides(panel)},
        "options": options(panel.kind),
        "targets": targets(panel),
    });
    if panel.kind == Kind::Table {
        let hidden = json!({"Time": true, "__name__": true, "job": true});
        let renamed = json!({"Value": panel.title});
        let organize = json!({"excludeByName": hidden, "indexByName": {}, "renameByName": renamed});
        made["transformations"] = json!([{"id": "organize", "options": organize}]);
    }
    made
}

fn options(kind: Kind) -> Value {
    match kind {
        Kind::Lines => json!({
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true,
                       "calcs": ["lastNotNull"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        Kind::Stat => json!({
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            "colorMode": "value", "graphMode": "area", "textMode": "auto",
            "justifyMode": "auto", "orientation": "auto", "wideLayout": true,
            "showPercentChange": false, "percentChangeColorMode": "standard",
        }),
        Kind::Table => json!({"showHeader": true, "cellHeight": "sm", "frameIndex": 0}),
    }
}

/// Without steps of its own Grafana would colour whatever is above 80.
fn defaults(panel: &Panel) -> Value {
    let marked = panel.warn.is_some() || panel.bad.is_some();
    let mut steps = vec![json!({"color": if marked { "green" } else { "text" }, "value": null})];
    let from = |color, value: Option<f64>| value.map(|v| json!({"color": color, "value": v}));
    steps.extend(from("orange", panel.warn));
    steps.extend(from("red", panel.bad));
    let mut made = json!({
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": if panel.kind == Kind::Lines { "palette-classic" } else { "thresholds" }},
    });
    if !panel.words.is_empty() {
        let words =
            panel.words.iter().enumerate().map(|(at, (value, word))| {
                ((*value).to_owned(), json!({"text": word, "index": at}))
            });
        let words: serde_json::Map<String, Value> = words.collect();
        made["mappings"] = json!([{"type": "value", "options": words}]);
    }
    if panel.kind == Kind::Lines {
        let style = if marked { "dashed" } else { "off" };
        made["custom"] = json!({
            "lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": false,
            "thresholdsStyle": {"mode": style},
        });
        if !panel.signed {
            made["min"] = json!(0);
        }
    }
    made
}

/// In tables, a name leads to the dashboard of what it names.
fn overrides(panel: &Panel) -> Vec<Value> {
    if panel.kind != Kind::Table {
        return Vec::new();
    }
    LEADS
        .iter()
        .map(|(label, board)| {
            let chosen =
                if *label == "instance" { "" } else { "&var-instance=${__data.fields.instance}" };
            let url = format!(
                "/d/{board}?var-{label}=${{__value.text}}{chosen}\
                 &${{datasource:queryparam}}&${{__url_time_range}}"
            );
            let link = json!({"title": format!("Open this {label}"), "url": url});
            json!({
                "matcher": {"id": "byName", "options": label},
                "properties": [{"id": "links", "value": [link]}],
            })
        })
        .collect()
}

fn targets(panel: &Panel) -> Vec<Value> {
    let refs = ["A", "B", "C", "D", "E", "F"];
    let each = panel.queries.iter().zip(refs);
    each.map(|((expr, legend), id)| {
        let table = panel.kind == Kind::Table;
        json!({
            "refId": id,
            "datasource": source(),
            "expr": expr.replace('@', r#"job=~"$job",instance=~"$instance""#),
            "legendFormat": legend,
            "editorMode": "code",
            "range": !table,
            "instant": table,
            "format": if table { "table" } else { "time_series" },
        })
    })
    .collect()
}
