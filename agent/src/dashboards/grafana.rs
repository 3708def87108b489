//! Writes a [`Board`] as Grafana's dashboard JSON.

use crate::dashboards::{Board, Kind, Panel};
use serde_json::{Value, json};

/// Of Grafana 11; later ones migrate it.
const SCHEMA_VERSION: u32 = 41;
/// Units: columns of Grafana's grid.
const WIDTH: usize = 24;

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
        choice("job", &format!("label_values({scope}, job)")),
        choice("instance", &format!("label_values({scope}{{job=~\"$job\"}}, instance)")),
    ];
    all.extend(board.choices.iter().map(|(metric, label)| {
        let of = "{job=~\"$job\",instance=~\"$instance\"}";
        choice(label, &format!("label_values({metric}{of}, {label})"))
    }));
    all
}

fn choice(name: &str, query: &str) -> Value {
    json!({
        "name": name, "label": name, "type": "query", "datasource": source(), "hide": 0,
        "query": {"query": query, "refId": name}, "definition": query,
        "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    })
}

fn panel(panel: &Panel, id: usize, [x, y, w, h]: [usize; 4]) -> Value {
    let (kind, options) = match panel.kind {
        Kind::Lines => (
            "timeseries",
            json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true,
                           "calcs": []},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
        ),
        Kind::Stat => (
            "stat",
            json!({
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
                "colorMode": "value", "graphMode": "area", "textMode": "auto",
                "justifyMode": "auto", "orientation": "auto",
            }),
        ),
        Kind::Table => ("table", json!({"showHeader": true, "cellHeight": "sm"})),
    };
    let mut made = json!({
        "id": id,
        "type": kind,
        "title": panel.title,
        "description": panel.what,
        "datasource": source(),
        "gridPos": {"x": x, "y": y, "w": w, "h": h},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": options,
        "targets": targets(panel),
    });
    if panel.kind == Kind::Table {
        let hidden = json!({"Time": true, "__name__": true});
        let organize = json!({"excludeByName": hidden, "indexByName": {}, "renameByName": {}});
        made["transformations"] = json!([{"id": "organize", "options": organize}]);
    }
    made
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
