//! What the terminal shows of a made-up node, as snapshots.

use super::model::Model;
use super::*;
use crate::target::TargetKind;
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, Eta, Evidence, State, TargetLabel};
use crate::view::{
    CgroupView, Judgement, KubernetesView, ProcessView, PsiView, SeriesView, SourceState,
    SourceView,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

fn process(pid: u32, comm: &str, mib: u64, judgement: Judgement) -> ProcessView {
    ProcessView {
        id: format!("process:{pid}@9"),
        pid,
        comm: comm.into(),
        workload: format!("unit/{}", pid / 100),
        rss_bytes: Bytes::mib(mib),
        anon_bytes: Bytes::mib(mib / 2),
        limit_bytes: if mib > 100 { Limit::At(Bytes::mib(512)) } else { Limit::Max },
        judgement,
        ..ProcessView::default()
    }
}

fn judged(state: State, cause: Cause, rate: f64, p50: Option<f64>) -> Judgement {
    Judgement {
        state,
        cause,
        rate_bytes_per_s: BytesPerSec(rate),
        eta_s: p50.map(|p50| Eta { p10: p50 * 0.8, p50, p90: p50 * 1.5 }),
        confidence: 0.87,
    }
}

fn verdict(kind: TargetKind, id: &str, judgement: &Judgement) -> Verdict {
    Verdict {
        target: TargetLabel {
            kind,
            id: id.into(),
            pid: None,
            start_time: None,
            cgroup: None,
            labels: [("comm".to_owned(), "hidden".to_owned())].into(),
        },
        state: judgement.state,
        cause: judgement.cause,
        used_bytes: Bytes::mib(300),
        limit_bytes: Limit::At(Bytes::mib(512)),
        rate_bytes_per_s: judgement.rate_bytes_per_s,
        eta_s: judgement.eta_s,
        confidence: 0.87,
        since: "2026-11-21T10:00:00.000Z".into(),
        evidence: vec![Evidence {
            what: "anon\u{1b}[2J growth".into(),
            value: 3.5,
            unit: "By/s".into(),
        }],
    }
}

fn snapshot() -> Snapshot {
    let leak = judged(State::OomPredicted, Cause::HeapLeak, 120_000.0, Some(1900.0));
    let slow = judged(State::LeakSuspected, Cause::Fds, 300.0, None);
    let quiet = judged(State::Ok, Cause::Unknown, 0.0, None);
    Snapshot {
        node: NodeView {
            hostname: "node-7".into(),
            kernel: Some("6.18.44".into()),
            cpus: 2,
            mem_total_bytes: Bytes::mib(8192),
            used_bytes: Bytes::mib(5324),
            swap_total_bytes: Some(Bytes::ZERO),
            vmstat: [("oom_kill".to_owned(), 3)].into(),
            psi: Some(PsiView { some_avg10: 1.25, full_avg10: Some(0.5), ..PsiView::default() }),
            processes: 412,
            cgroups: 1,
            ..NodeView::default()
        },
        processes: ProcessList {
            total: 412,
            processes: vec![
                process(100, "sshd", 12, quiet.clone()),
                process(4242, "leaky-server", 300, leak.clone()),
                process(101, "evil\u{1b}[2J\n\u{202e}name", 90, slow.clone()),
                process(300, "日本語のとても長い名前のサーバー", 500, quiet.clone()),
            ],
        },
        cgroups: vec![CgroupView {
            id: "cgroup:/app".into(),
            path: "/app".into(),
            working_set_bytes: Bytes::mib(310),
            limit_bytes: Limit::At(Bytes::mib(512)),
            judgement: leak.clone(),
            ..CgroupView::default()
        }],
        verdicts: vec![
            verdict(TargetKind::Process, "process:4242@9", &leak),
            verdict(TargetKind::Process, "process:77@9", &slow),
            verdict(TargetKind::Workload, "workload:unit/42", &leak),
        ],
        health: Some(HealthView {
            ready: true,
            degraded: true,
            sources: vec![SourceView {
                name: "oom_log".into(),
                state: SourceState::Unavailable,
                ..SourceView::default()
            }],
        }),
        cost: Some(Cost {
            cpu_seconds_total: Some(2.0),
            uptime_s: Some(100.0),
            rss_bytes: Some(14_000_000.0),
        }),
    }
}

fn model() -> Model {
    let mut model = Model::new(Sort::Urgency, true);
    let mut before = snapshot();
    before.cost =
        Some(Cost { cpu_seconds_total: Some(1.99), uptime_s: Some(98.0), rss_bytes: None });
    model.news(Ok(before));
    model.news(Ok(snapshot()));
    model
}

fn press(model: &mut Model, codes: &[KeyCode]) {
    for &code in codes {
        assert!(model.key(KeyEvent::new(code, KeyModifiers::NONE)).is_continue(), "{code:?}");
    }
}

fn typed(text: &str) -> Vec<KeyCode> {
    text.chars().map(KeyCode::Char).collect()
}

fn terminal(model: &Model, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(frame, model)).unwrap();
    terminal
}

fn drawn(model: &Model, width: u16, height: u16) -> String {
    terminal(model, width, height).backend().to_string()
}

fn names(model: &Model) -> Vec<&str> {
    model.rows().iter().map(|row| row.name.split(char::is_control).next().unwrap()).collect()
}

fn series() -> SeriesView {
    let point = |i: u32| (f64::from(i), (i % 40 < 36).then(|| 3e8 + f64::from(i) * 1e4));
    SeriesView {
        target: "process:4242@9".into(),
        points: (0..3600).map(point).collect(),
        ..SeriesView::default()
    }
}

#[test]
fn the_processes_are_shown_by_urgency_with_harmless_names() {
    insta::assert_snapshot!(drawn(&model(), 110, 14));
}

#[test]
fn a_narrow_terminal_keeps_what_tells_most() {
    insta::assert_snapshot!(drawn(&model(), 44, 12));
}

#[test]
fn details_show_the_verdict_and_the_line_of_the_series() {
    let mut model = model();
    press(&mut model, &[KeyCode::Enter]);
    assert_eq!(model.wanted_series(), Some("process:4242@9"));
    model.news_of_series(SeriesView {
        points: (0..9).map(|i| (f64::from(i), Some(3e8))).collect(),
        ..series()
    });
    model.news_of_series(series());
    insta::assert_snapshot!(drawn(&model, 90, 24));
    press(&mut model, &[KeyCode::Esc]);
    assert_eq!(model.wanted_series(), None);
}

#[test]
fn help_lies_over_the_table_until_any_key() {
    let mut model = model();
    press(&mut model, &[KeyCode::Char('?')]);
    insta::assert_snapshot!(drawn(&model, 90, 20));
    press(&mut model, &[KeyCode::Char('j')]);
    assert!(!model.help && model.selected() == 0);
}

#[test]
fn where_the_agent_has_gone_the_old_picture_stays_under_a_banner() {
    let mut model = model();
    let gone = || AskError::NoAgent { url: "http://127.0.0.1:9977".into(), why: "refused".into() };
    model.news(Err(gone()));
    let shown = drawn(&model, 170, 12);
    assert!(shown.contains("this is old, trying again: no agent answers at http://127.0.0.1:9977"));
    assert!(shown.contains("leaky-server"));
    model.news(Ok(snapshot()));
    assert!(!drawn(&model, 170, 12).contains("this is old"));
    let mut first = Model::new(Sort::Urgency, false);
    first.news(Err(gone()));
    let shown = drawn(&first, 100, 12);
    assert!(
        shown.contains("no agent answers") && shown.contains("waiting for the agent"),
        "{shown}"
    );
}

#[test]
fn keys_sort_filter_switch_tables_and_quit() {
    let mut model = model();
    let japanese = "日本語のとても長い名前のサーバー";
    assert_eq!(names(&model), ["leaky-server", "hidden", "evil", japanese, "sshd"]);
    press(&mut model, &[KeyCode::Char('s')]);
    assert_eq!(names(&model)[0], japanese);
    press(&mut model, &typed("/SSHx"));
    assert_eq!(names(&model), [""; 0]);
    press(&mut model, &[KeyCode::Backspace, KeyCode::Enter]);
    assert_eq!((names(&model), model.typing), (vec!["sshd"], false));
    press(&mut model, &[KeyCode::Esc, KeyCode::Tab]);
    assert_eq!(names(&model), ["unit/3", "unit/42", "unit/1"]);
    press(&mut model, &[KeyCode::Tab]);
    assert_eq!(names(&model), ["/app"]);
    let quit = |code, modifiers| Model::default().key(KeyEvent::new(code, modifiers)).is_break();
    assert!(quit(KeyCode::Char('q'), KeyModifiers::NONE));
    assert!(quit(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(!quit(KeyCode::Char('c'), KeyModifiers::NONE));
}

#[test]
fn the_cursor_stays_on_its_target_when_the_order_changes() {
    let mut model = model();
    press(&mut model, &[KeyCode::Char('j'), KeyCode::Down, KeyCode::Char('k')]);
    assert_eq!(model.selected_row().unwrap().id, "process:77@9");
    press(&mut model, &[KeyCode::Char('s'), KeyCode::Char('s')]);
    assert_eq!(model.selected_row().unwrap().id, "process:77@9");
    let mut without = snapshot();
    without.processes.processes.clear();
    without.verdicts.clear();
    model.news(Ok(without));
    assert_eq!((model.selected(), model.selected_row()), (0, None));
}

#[test]
fn a_paused_picture_does_not_move() {
    let mut model = model();
    press(&mut model, &[KeyCode::Char('p')]);
    model.news(Ok(Snapshot::default()));
    assert_eq!(names(&model).len(), 5);
    assert!(drawn(&model, 80, 12).contains(" paused "));
    press(&mut model, &[KeyCode::Char('p')]);
    model.news(Ok(Snapshot::default()));
    assert_eq!(names(&model).len(), 0);
}

#[test]
fn without_colour_nothing_is_coloured_and_with_it_the_urgent_are() {
    let coloured = |model: &Model| {
        let terminal = terminal(model, 100, 14);
        terminal.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset)
    };
    let mut model = model();
    assert!(coloured(&model));
    model.colour = false;
    assert!(!coloured(&model));
}

#[test]
fn printed_once_it_is_plain_text() {
    let text = once(snapshot(), Sort::Used);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    insta::assert_snapshot!(text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_size_key_or_name_makes_drawing_panic(
        width in 1_u16..120,
        height in 1_u16..40,
        keys in proptest::collection::vec("[a-zGq/?\t ]", 0..12),
        name: String,
    ) {
        let mut model = model();
        let mut hostile = snapshot();
        hostile.processes.processes[0].comm.clone_from(&name);
        hostile.node.hostname = name;
        hostile.node.mem_total_bytes = Bytes::ZERO;
        model.news(Ok(hostile));
        press(&mut model, &[KeyCode::Enter]);
        model.news_of_series(series());
        for key in keys.iter().filter_map(|key| key.chars().next()) {
            let _ = model.key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
            drawn(&model, width, height);
        }
        drawn(&model, width, height);
    }
}

#[test]
fn what_runs_in_a_pod_has_its_names_and_is_found_by_them() {
    let names =
        [("k8s.namespace.name", "shop"), ("k8s.pod.name", "web-1"), ("k8s.container.name", "app")];
    let kubernetes = || {
        Some(KubernetesView {
            namespace: "shop".into(),
            pod: "web-1".into(),
            container: Some("app".into()),
            ..KubernetesView::default()
        })
    };
    let mut judged = verdict(TargetKind::Workload, "workload:pod/77/java", &Judgement::default());
    let names = names.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    judged.target.labels = names.collect();
    let cgroup = |path: &str, kubernetes| CgroupView {
        id: format!("cgroup:{path}"),
        path: path.into(),
        kubernetes,
        ..CgroupView::default()
    };
    let process = ProcessView {
        kubernetes: kubernetes(),
        workload: "pod/77/java".into(),
        ..process(7, "java", 10, Judgement::default())
    };
    let snapshot = Snapshot {
        processes: crate::view::ProcessList { total: 1, processes: vec![process] },
        cgroups: vec![cgroup("/pod77/1", kubernetes()), cgroup("/a", None)],
        verdicts: vec![judged],
        ..snapshot()
    };
    let shown = |tab, filter: &str| -> Vec<String> {
        let rows = rows::rows(&snapshot, tab, Sort::Name, filter);
        rows.into_iter().map(|row| row.name).collect()
    };
    assert_eq!(shown(model::Tab::Workloads, ""), ["shop/web-1/app/java"]);
    assert_eq!(shown(model::Tab::Processes, "web-1"), ["java in shop/web-1/app"]);
    assert_eq!(shown(model::Tab::Cgroups, ""), ["/a", "shop/web-1/app"]);
}
