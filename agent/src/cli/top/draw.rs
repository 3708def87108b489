//! Draws a model on a frame of any size. Pure; all names pass through `text` and are harmless.

use super::Snapshot;
use super::model::{Model, Tab};
use super::rows::{Row, columns, titles};
use crate::cli::text;
use crate::units::Bytes;
use crate::verdict::State;
use crate::view::{SeriesView, SourceState};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph, Sparkline, SparklineBar};

const HELP: [&str; 9] = [
    " ↑ ↓  k j     move          PgUp PgDn g G   further",
    " Enter        details       s               sort by the next column",
    " t  Tab       next table    /               filter by name, pid, state, cause",
    " p  Space     pause         Esc             close details, clear filter",
    " q  Ctrl-C    quit          ?               this help",
    "",
    " USED is RSS of a process, working set of a cgroup. TIME LEFT is the",
    " median forecast until the limit; details show its interval.",
    " Any key closes this.",
];

const DETAILS_LINES: u16 = 9;
const BAR_COLUMNS: usize = 30;

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let details = if model.details && model.selected_row().is_some() { DETAILS_LINES } else { 0 };
    let banner = banner(model);
    let [head, banner_area, table, pane, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(u16::from(banner.is_some())),
        Constraint::Min(2),
        Constraint::Length(details),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(header(model, usize::from(head.width))), head);
    if let Some(banner) = banner {
        frame.render_widget(Paragraph::new(banner), banner_area);
    }
    draw_table(frame, table, model);
    if let Some(row) = model.selected_row().filter(|_| details > 0) {
        draw_details(frame, pane, model, row);
    }
    let keys = " q quit  ↑↓ move  Enter details  s sort  / filter  t table  p pause  ? help";
    let dim = Style::new().add_modifier(Modifier::DIM);
    frame.render_widget(Paragraph::new(Span::styled(keys, dim)), foot);
    if model.help {
        draw_help(frame);
    }
}

/// Three lines on node and agent, for `columns` columns.
pub(super) fn header(model: &Model, columns: usize) -> Vec<Line<'static>> {
    let Some(snapshot) = &model.snapshot else {
        return vec![Line::raw("plimsoll: waiting for the agent …")];
    };
    let line = |text: String| text::fit(&text, columns);
    vec![
        Line::styled(line(about_node(snapshot)), Modifier::BOLD),
        Line::raw(line(about_memory(snapshot))),
        Line::raw(line(about_pressure(model, snapshot))),
    ]
}

fn about_node(snapshot: &Snapshot) -> String {
    let node = &snapshot.node;
    let kernel = node.kernel.as_deref().unwrap_or("kernel unknown");
    format!(
        "{}  {kernel}  {} cpus  {} processes  {} cgroups",
        node.hostname, node.cpus, node.processes, node.cgroups
    )
}

fn about_memory(snapshot: &Snapshot) -> String {
    let node = &snapshot.node;
    let share = node.used_bytes.as_f64() / node.mem_total_bytes.as_f64().max(1.0);
    let share = share.clamp(0.0, 1.0);
    let full = (share * BAR_COLUMNS as f64).round() as usize;
    let bar = "█".repeat(full) + &"░".repeat(BAR_COLUMNS.saturating_sub(full));
    let swap = match (node.swap_total_bytes, node.swap_free_bytes) {
        (Some(Bytes::ZERO), _) => "no swap".to_owned(),
        (Some(total), Some(free)) => format!("swap {} of {total}", total - free),
        _ => "swap unknown".to_owned(),
    };
    let (used, total) = (node.used_bytes, node.mem_total_bytes);
    format!("mem {bar} {used} of {total} ({:.0} %)  {swap}", share * 100.0)
}

fn about_pressure(model: &Model, snapshot: &Snapshot) -> String {
    let node = &snapshot.node;
    let pressure = node.psi.map_or_else(
        || "pressure unknown".to_owned(),
        |psi| {
            let full = psi.full_avg10.map(|full| format!(", full {full:.1} %")).unwrap_or_default();
            format!("pressure some {:.1} %{full} (10 s)", psi.some_avg10)
        },
    );
    let kills = node.vmstat.get("oom_kill").map_or_else(|| "unknown".into(), u64::to_string);
    let mut line = format!("{pressure}  OOM kills {kills}  agent {}", health(snapshot));
    if let Some(cpu) = model.agent_cpu {
        line += &format!(", {:.1} % cpu", cpu * 100.0);
    }
    if let Some(rss) = snapshot.cost.and_then(|cost| cost.rss_bytes) {
        line += &format!(", {}", Bytes(rss.max(0.0) as u64));
    }
    line
}

fn health(snapshot: &Snapshot) -> String {
    let Some(health) = &snapshot.health else { return "health unknown".into() };
    let blind = |state| matches!(state, SourceState::Degraded | SourceState::Unavailable);
    let missing: Vec<&str> =
        health.sources.iter().filter(|s| blind(s.state)).map(|s| s.name.as_str()).collect();
    match (health.ready, health.degraded) {
        (false, _) => "not ready".into(),
        (true, true) => format!("degraded ({})", missing.join(", ")),
        (true, false) => "ok".into(),
    }
}

/// What needs to be known before the table is believed.
fn banner(model: &Model) -> Option<Line<'static>> {
    let mut parts = Vec::new();
    if let Some(trouble) = &model.trouble {
        let stale = if model.snapshot.is_some() { "this is old, " } else { "" };
        parts.push(format!("{stale}trying again: {trouble}"));
    }
    if model.paused {
        parts.push("paused".into());
    }
    if model.typing || !model.filter.is_empty() {
        parts.push(format!("filter: {}{}", model.filter, if model.typing { "▏" } else { "" }));
    }
    let reversed = Style::new().add_modifier(Modifier::REVERSED);
    let line = Line::styled(format!(" {} ", text::clean(&parts.join("  |  "))), reversed);
    (!parts.is_empty()).then_some(line)
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let columns = columns(usize::from(area.width), model.tab);
    let [tabs, head, body] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Fill(1)])
            .areas(area);
    frame.render_widget(Paragraph::new(tab_line(model)), tabs);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let titles = titles(&columns, Some(model.sort));
    frame.render_widget(Paragraph::new(Span::styled(titles, bold)), head);
    let height = usize::from(body.height).max(1);
    let first = model.selected() / height * height;
    let shown = model.rows().iter().enumerate().skip(first).take(height);
    let lines: Vec<Line<'_>> = shown
        .map(|(i, row)| {
            let cells: Vec<String> = columns.iter().map(|column| column.cell(row)).collect();
            let style = colour_of(row.judgement.state, model.colour);
            let selected = i == model.selected();
            let style = if selected { style.add_modifier(Modifier::REVERSED) } else { style };
            Line::styled(cells.join(" "), style)
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), body);
}

fn tab_line(model: &Model) -> Line<'static> {
    let tabs =
        [(Tab::Processes, "processes"), (Tab::Workloads, "workloads"), (Tab::Cgroups, "cgroups")];
    let mut spans = Vec::new();
    for (tab, name) in tabs {
        let chosen = tab == model.tab;
        let text = if chosen { format!("[{name}]") } else { format!(" {name} ") };
        let style = if chosen { Modifier::BOLD } else { Modifier::DIM };
        spans.push(Span::styled(text, style));
    }
    let listed = model.rows().len();
    let total = model.snapshot.as_ref().map_or(0, |snapshot| snapshot.processes.total);
    let of = if model.tab == Tab::Processes { format!(" of {total}") } else { String::new() };
    spans.push(Span::raw(format!("  {listed}{of}")));
    Line::from(spans)
}

/// Colour is never the only sign: the state is also a word.
fn colour_of(state: State, colour: bool) -> Style {
    let colours = match state {
        State::OomImminent => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        State::OomPredicted => Style::new().fg(Color::Red),
        State::LeakSuspected => Style::new().fg(Color::Yellow),
        State::WarmingUp => Style::new().fg(Color::DarkGray),
        State::Ok => Style::new(),
    };
    if colour { colours } else { Style::new() }
}

fn draw_details(frame: &mut Frame<'_>, area: Rect, model: &Model, row: &Row) {
    let verdicts = model.snapshot.iter().flat_map(|snapshot| &snapshot.verdicts);
    let verdict = verdicts.into_iter().find(|verdict| verdict.target.id == row.id);
    let judged = &row.judgement;
    let mut lines = vec![
        format!("── {} ──", text::clean(&row.id)),
        format!(
            "{}: {}  confidence {:.0} %  used {} of {}",
            text::state(judged.state),
            text::cause(judged.cause),
            judged.confidence * 100.0,
            row.used,
            text::limit(row.limit)
        ),
        format!(
            "rate {}  time left {}",
            text::rate(judged.rate_bytes_per_s),
            text::eta_with_interval(judged.eta_s)
        ),
    ];
    let evidence = verdict.into_iter().flat_map(|verdict| &verdict.evidence);
    let evidence: Vec<String> =
        evidence.map(|e| format!("{} {} {}", e.what, e.value, e.unit)).collect();
    let since = verdict.map(|verdict| format!("since {}; ", verdict.since)).unwrap_or_default();
    lines.push(text::clean(&format!("{since}{}", evidence.join("; "))));
    let series = model.series.as_ref().filter(|series| series.target == row.id);
    lines.push(series.map_or_else(|| "no series yet".into(), about_series));
    let [words, line] = Layout::vertical([Constraint::Length(5), Constraint::Fill(1)]).areas(area);
    let lines: Vec<Line<'_>> =
        lines.iter().map(|l| Line::raw(text::fit(l, usize::from(area.width)))).collect();
    frame.render_widget(Paragraph::new(lines), words);
    if let Some(series) = series {
        let bars = bars(series, usize::from(line.width));
        frame.render_widget(Sparkline::default().data(bars), line);
    }
}

fn about_series(series: &SeriesView) -> String {
    let values: Vec<f64> = series.points.iter().filter_map(|point| point.1).collect();
    let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else {
        return "no series yet".into();
    };
    let bytes = |value: f64| Bytes(value.max(0.0) as u64);
    let (min, max) =
        (values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max));
    match (min, max) {
        (Some(min), Some(max)) => {
            let span = text::span(last.0 - first.0);
            format!("last {span}, from {} to {}:", bytes(min), bytes(max))
        }
        _ => "no series yet".into(),
    }
}

/// One bar for each column: the largest value of its share of time, above the least of all, so
/// that slow growth on a large base is seen. Empty where there is a gap.
fn bars(series: &SeriesView, columns: usize) -> Vec<SparklineBar> {
    let points = &series.points;
    let values = || points.iter().filter_map(|point| point.1).filter(|value| value.is_finite());
    let (Some((start, _)), Some((end, _))) = (points.first(), points.last()) else { return vec![] };
    let least = values().fold(f64::INFINITY, f64::min);
    let mut bars: Vec<Option<f64>> = vec![None; columns];
    for (at, value) in points.iter().filter_map(|&(at, value)| Some((at, value?))) {
        let share = (at - start) / (end - start).max(1e-9);
        let column = (share * columns as f64) as usize;
        if let Some(bar) = bars.get_mut(column.min(columns.saturating_sub(1))) {
            *bar = Some(bar.unwrap_or(0.0).max(value - least));
        }
    }
    // One more than the height above the least: a value that is there is no gap.
    bars.into_iter().map(|bar| bar.map(|value| value as u64 + 1).into()).collect()
}

fn draw_help(frame: &mut Frame<'_>) {
    let area = frame.area();
    let wide = HELP.iter().map(|line| text::width(line)).max().unwrap_or(0) + 2;
    let width = area.width.min(u16::try_from(wide).unwrap_or(u16::MAX));
    let height = area.height.min(u16::try_from(HELP.len()).unwrap_or(u16::MAX));
    let centred = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, centred);
    let style = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(HELP.map(Line::raw).to_vec()).style(style), centred);
}
