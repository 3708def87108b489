//! Messages of documents, read back.

use super::*;
use crate::export::proto::{Any, Data, Number};
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, Eta, State};
use crate::view::{
    CgroupView, Event, EventKind, Judgement, KubernetesView, ProcessDetail, ProcessView,
};
use std::collections::BTreeMap;

fn model(profile: ExportProfile, temporality: Temporality) -> Model {
    let machine =
        Machine { hostname: "n1".into(), host_id: None, node_name: Some("node-1".into()) };
    let configured = [("k8s.cluster.name".to_owned(), "c".to_owned())];
    let mut model = Model::new(Common::new(&machine, &configured), profile, temporality);
    model.begin(at(60));
    model
}

fn at(seconds: u64) -> Moment {
    Moment { now_ns: seconds * 1_000_000_000, boot_ns: 1, agent_start_ns: 2 }
}

fn suspect() -> Judgement {
    Judgement {
        state: State::OomPredicted,
        cause: Cause::HeapLeak,
        rate_bytes_per_s: BytesPerSec(1024.0),
        eta_s: Some(Eta { p10: 10.0, p50: 20.0, p90: 40.0 }),
        confidence: 0.9,
    }
}

fn process(faults: u64) -> ProcessDetail {
    ProcessDetail {
        view: ProcessView {
            id: "process:7@9".into(),
            pid: 7,
            start_time: "1970-01-01T00:00:03Z".into(),
            comm: "leaky".into(),
            uid: Some(1000),
            rss_bytes: Bytes(4096),
            anon_bytes: Bytes(3000),
            limit_bytes: Limit::At(Bytes(9000)),
            judgement: suspect(),
            ..ProcessView::default()
        },
        virtual_bytes: Some(Bytes(8192)),
        major_faults: Some(faults),
        ..ProcessDetail::default()
    }
}

/// One line for each point: name, unit, kind, attributes, value, start.
fn lines(of: &ResourceMetrics) -> Vec<String> {
    let mut lines = Vec::new();
    for metric in &of.scope_metrics[0].metrics {
        let (kind, points) = match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => ("gauge".to_owned(), &gauge.data_points),
            Data::Sum(sum) => {
                let kind = ["?", "delta", "cumulative"][sum.aggregation_temporality as usize];
                let mono = if sum.is_monotonic { " counter" } else { "" };
                (format!("{kind}{mono}"), &sum.data_points)
            }
        };
        for point in points {
            let value = match point.value.unwrap() {
                Number::Int(n) => n.to_string(),
                Number::Double(x) => format!("{x:?}"),
            };
            let attributes = pairs(&point.attributes);
            let start = point.start_time_unix_nano;
            let (name, unit) = (utf8(&metric.name), utf8(&metric.unit));
            lines.push(format!("{name} [{unit}] {kind} {{{attributes}}} {value} @{start}"));
        }
    }
    lines
}

fn utf8(text: &[u8]) -> String {
    String::from_utf8(text.to_vec()).unwrap()
}

fn pairs(attributes: &[KeyValue]) -> String {
    let show = |one: &KeyValue| {
        let value = match one.value.as_ref().unwrap().value.as_ref().unwrap() {
            Any::Text(text) => text.clone(),
            Any::Int(n) => n.to_string(),
            other => format!("{other:?}"),
        };
        format!("{}={value}", utf8(&one.key))
    };
    attributes.iter().map(show).collect::<Vec<_>>().join(",")
}

fn resource(of: &ResourceMetrics) -> String {
    pairs(&of.resource.as_ref().unwrap().attributes)
}

#[test]
fn a_process_is_a_resource_with_its_memory_and_verdict() {
    let mut model = model(ExportProfile::Standard, Temporality::Cumulative);
    let labels = BTreeMap::from([
        ("container.id".to_owned(), "abc".to_owned()),
        ("k8s.pod.uid".to_owned(), "u".to_owned()),
        ("systemd.slice".to_owned(), "x".to_owned()),
    ]);
    let message = model.process(&process(5), Some(&labels), None);
    assert_eq!(message.schema_url, SCHEMA_URL);
    insta::assert_snapshot!(resource(&message).replace(',', "\n"), @"
    host.name=n1
    k8s.cluster.name=c
    k8s.node.name=node-1
    process.pid=7
    process.creation.time=1970-01-01T00:00:03Z
    process.command=leaky
    process.owner=1000
    container.id=abc
    k8s.pod.uid=u
    ");
    insta::assert_snapshot!(lines(&message).join("\n").replace("cumulative", "cum."), @"
    process.memory.usage [By] cum. {} 4096 @3000000000
    process.memory.virtual [By] cum. {} 8192 @3000000000
    process.paging.faults [{fault}] cum. counter {system.paging.fault.type=major} 5 @3000000000
    plimsoll.memory.limit [By] cum. {} 9000 @3000000000
    plimsoll.memory.part [By] cum. {plimsoll.memory.kind=anon} 3000 @3000000000
    plimsoll.memory.part [By] cum. {plimsoll.memory.kind=file} 0 @3000000000
    plimsoll.leak.state [{state}] gauge {} 3 @0
    plimsoll.leak.growth [By/s] gauge {plimsoll.leak.cause=heap_leak} 1024.0 @0
    plimsoll.leak.confidence [1] gauge {} 0.9 @0
    plimsoll.leak.time_to_limit [s] gauge {plimsoll.quantile=0.1} 10.0 @0
    plimsoll.leak.time_to_limit [s] gauge {plimsoll.quantile=0.5} 20.0 @0
    plimsoll.leak.time_to_limit [s] gauge {plimsoll.quantile=0.9} 40.0 @0
    ");
}

#[test]
fn a_container_without_a_limit_has_no_available_memory() {
    let mut model = model(ExportProfile::Standard, Temporality::Cumulative);
    let labels = BTreeMap::from([("container.id".to_owned(), "abc".to_owned())]);
    let mut cgroup = CgroupView {
        id: "cgroup:/a".into(),
        usage_bytes: Bytes(100),
        working_set_bytes: Bytes(60),
        anon_bytes: Some(Bytes(50)),
        labels,
        ..CgroupView::default()
    };
    let names = |message: &ResourceMetrics| -> Vec<String> {
        message.scope_metrics[0].metrics.iter().map(|metric| utf8(&metric.name)).collect()
    };
    let without = names(&model.cgroup(Entity::Container, &cgroup));
    assert!(!without.iter().any(|name| name.ends_with("available")), "{without:?}");
    cgroup.max_bytes = Limit::At(Bytes(90));
    let with = lines(&model.cgroup(Entity::Container, &cgroup));
    assert!(with.contains(&"container.memory.available [By] cumulative {} 30 @1".to_owned()));
    assert!(!with.iter().any(|line| line.starts_with("k8s.container")), "it is of no pod");
    cgroup.labels.insert("k8s.pod.uid".into(), "u".into());
    cgroup.kubernetes = Some(KubernetesView {
        memory_limit_bytes: Some(Bytes(96)),
        memory_request_bytes: Some(Bytes(64)),
        ..KubernetesView::default()
    });
    let of_pod = lines(&model.cgroup(Entity::Container, &cgroup));
    for (name, bytes) in [("limit.current", 90), ("limit.desired", 96), ("request.desired", 64)] {
        let line = format!("k8s.container.memory.{name} [By] cumulative {{}} {bytes} @1");
        assert!(of_pod.contains(&line), "{of_pod:#?}");
    }
    let pod = model.cgroup(Entity::Pod, &cgroup);
    assert!(names(&pod).iter().any(|name| name == "k8s.pod.memory.working_set"));
    assert!(!resource(&pod).contains("container.id"));
}

#[test]
fn deltas_say_what_was_added_and_nothing_the_first_time() {
    let mut model = model(ExportProfile::Standard, Temporality::Delta);
    let faults = |model: &mut Model, count| -> Vec<String> {
        let message = model.process(&process(count), None, None);
        lines(&message).into_iter().filter(|line| line.contains("faults")).collect()
    };
    assert_eq!(faults(&mut model, 5), Vec::<String>::new());
    model.begin(at(120));
    let added = "process.paging.faults [{fault}] delta counter {system.paging.fault.type=major}";
    assert_eq!(faults(&mut model, 8), [format!("{added} 3 @60000000000")]);
    model.begin(at(180));
    assert_eq!(faults(&mut model, 2), [format!("{added} 2 @120000000000")], "it began anew");
    model.begin(at(240));
    model.begin(at(300));
    assert_eq!(faults(&mut model, 9), Vec::<String>::new(), "it was forgotten");
}

fn node() -> NodeView {
    let fields = [
        ("MemFree", 100),
        ("Buffers", 50),
        ("Cached", 300),
        ("MemAvailable", 400),
        ("SReclaimable", 20),
        ("HugePages_Total", 0),
    ];
    NodeView {
        mem_total_bytes: Bytes(1000),
        mem_available_bytes: Some(Bytes(400)),
        used_bytes: Bytes(600),
        meminfo: fields.map(|(name, n)| (name.to_owned(), n)).into(),
        vmstat: BTreeMap::from([("oom_kill".to_owned(), 2)]),
        ..NodeView::default()
    }
}

fn usage(profile: ExportProfile) -> Vec<String> {
    let mut model = model(profile, Temporality::Cumulative);
    let message = model.node(&node(), &PressureView::default(), &OwnView::default());
    lines(&message).into_iter().filter(|l| l.starts_with("system.memory.usage")).collect()
}

#[test]
fn the_states_of_the_nodes_memory_add_up_to_its_limit() {
    let states = usage(ExportProfile::Standard);
    let value = |line: &String| line.split("} ").nth(1)?.split(' ').next()?.parse::<u64>().ok();
    assert_eq!(states.iter().filter_map(value).sum::<u64>(), 1000, "{states:?}");
    assert!(states[0].contains("{system.memory.state=used} 600"));
}

#[test]
fn a_node_of_kubernetes_has_its_memory_as_the_kubelet_counts_it() {
    let mut model = model(ExportProfile::Standard, Temporality::Cumulative);
    let mut node = node();
    node.meminfo.extend([("Inactive(file)".to_owned(), 200), ("AnonPages".to_owned(), 450)]);
    let message = model.node(&node, &PressureView::default(), &OwnView::default());
    let own: Vec<String> =
        lines(&message).into_iter().filter(|line| line.starts_with("k8s.node")).collect();
    insta::assert_snapshot!(own.join("\n"), @"
    k8s.node.memory.usage [By] cumulative {} 900 @1
    k8s.node.memory.available [By] cumulative {} 300 @1
    k8s.node.memory.rss [By] cumulative {} 450 @1
    k8s.node.memory.working_set [By] cumulative {} 700 @1
    ");
}

#[test]
fn datadog_finds_the_states_that_it_adds_up_under_its_own_names() {
    let states = usage(ExportProfile::Datadog).join("\n");
    for state in ["{state=free} 100", "{state=buffered} 50", "{state=cached} 320"] {
        assert!(states.contains(state), "{states}");
    }
}

#[test]
fn a_host_that_has_no_name_of_its_own_takes_that_of_the_node() {
    let machine = Machine {
        hostname: "localhost".into(),
        node_name: Some("node-1".into()),
        ..Machine::default()
    };
    let common = Common::new(&machine, &[("service.name".into(), "mem".into())]);
    assert!(pairs(&common.of(Entity::Process)).contains("host.name=node-1"));
    assert!(!pairs(&common.of(Entity::Process)).contains("service."));
    assert!(pairs(&common.of(Entity::Agent)).contains("service.name=mem"));
}

#[test]
fn alerts_and_incidents_are_log_records_with_severity_and_the_rest_is_none() {
    let model = model(ExportProfile::Standard, Temporality::Cumulative);
    let alert = crate::view::AlertView {
        name: "OomPredicted".into(),
        severity: crate::view::Severity::Critical,
        firing: true,
        summary: "leaky grows".into(),
        labels: BTreeMap::from([("pid".to_owned(), "7".to_owned())]),
        ..Default::default()
    };
    let resolved = crate::view::AlertView { firing: false, ..alert.clone() };
    let event = |event, data| Event { seq: 1, at: "1970-01-01T00:00:05Z".into(), event, data };
    let json = |alert| serde_json::to_value(alert).unwrap();
    let incident = crate::view::IncidentSummary { summary: "killed".into(), ..Default::default() };
    let events = [
        event(EventKind::Alert, json(&alert)),
        event(EventKind::Alert, json(&resolved)),
        event(EventKind::Incident, serde_json::to_value(&incident).unwrap()),
        event(EventKind::Verdict, serde_json::Value::Null),
        event(EventKind::Alert, serde_json::Value::Null),
    ];
    let logs = model.logs(&events, 9).unwrap();
    let records = &logs.scope_logs[0].log_records;
    let shown: Vec<_> = records
        .iter()
        .map(|r| (r.event_name.as_str(), r.severity_text.as_str(), r.time_unix_nano))
        .collect();
    assert_eq!(
        shown,
        [
            ("plimsoll.alert", "ERROR", 5_000_000_000),
            ("plimsoll.alert", "INFO", 5_000_000_000),
            ("plimsoll.incident", "FATAL", 5_000_000_000)
        ]
    );
    assert!(pairs(&records[0].attributes).contains("process.pid=7"));
    assert!(model.logs(&events[3..], 9).is_none());
}

#[test]
fn each_report_and_delivery_is_a_span() {
    let model = model(ExportProfile::Standard, Temporality::Cumulative);
    let delivery = crate::view::DeliveryView {
        destination: "am".into(),
        began_ms: 1,
        ended_ms: 3,
        failed: Some("no answer".into()),
        ..Default::default()
    };
    let report = crate::view::ReportSummary {
        state: crate::view::ReportState::Ready,
        at: "1970-01-01T00:00:01Z".into(),
        ..Default::default()
    };
    let data = serde_json::to_value(&report).unwrap();
    let event = Event { seq: 1, at: "1970-01-01T00:00:02Z".into(), event: EventKind::Report, data };
    let spans = model.spans(&[event], &[delivery], || ([7; 16], [8; 8])).unwrap();
    let spans = &spans.scope_spans[0].spans;
    let took = |span: &crate::export::proto::Span| {
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000_000
    };
    assert_eq!((took(&spans[0]), took(&spans[1])), (1000, 2));
    let codes: Vec<_> = spans.iter().map(|s| s.status.as_ref().unwrap().code).collect();
    assert_eq!(codes, [1, 2]);
    assert!(spans.iter().all(|span| span.trace_id.len() == 16 && span.span_id.len() == 8));
    assert!(model.spans(&[], &[], || ([0; 16], [0; 8])).is_none());
}
