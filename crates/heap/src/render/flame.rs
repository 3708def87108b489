//! A flame graph as SVG: what a process holds in memory, and how that differs from an earlier time.
//!
//! Plain shapes with titles: no script, no style sheet, nothing loaded, so that it shows under any
//! content security policy and in any viewer. The root lies at the bottom; what is too narrow to be
//! seen is left out.

mod tree;

use std::fmt::Write as _;

use super::lines::lines;
use super::words::{bytes, change, fit};
use crate::report::Report;
use tree::{Kind, Tree};

/// Units: pixels.
const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const ROW: f64 = 18.0;
const HEAD: f64 = 44.0;
const CHAR: f64 = 7.0;
/// Narrower boxes are left out.
const NARROW: f64 = 0.4;
/// Rows of a graph.
const DEPTH_MAX: usize = 64;
/// Boxes drawn, whatever the document holds.
const BOXES_MAX: usize = 6_000;

/// What is resident, by part; of the heap what is leaked, in use and free.
#[must_use]
pub fn svg(report: &Report) -> String {
    let tree = whole(report);
    let total = bytes(tree.size());
    let title = format!("{}: {total} resident, {}", name(report), report.taken_at);
    draw(&tree, &title, "leaked is red, in use yellow, free grey, the rest blue", &|node| {
        let share = 100.0 * node.size() as f64 / tree.size().max(1) as f64;
        let title = format!("{}: {}, {share:.1} %", node.name, bytes(node.size()));
        (colour(node.kind, &node.name), title)
    })
}

/// The shape of `now`, coloured by what grew (red) and shrank (blue) since `before`.
#[must_use]
pub fn diff_svg(before: &Report, now: &Report) -> String {
    let mut tree = whole(now);
    tree.compare(&whole(before));
    let most = tree.most_changed().max(1);
    let grown = change(tree.change());
    let title = format!("{}: {grown} since {}", name(now), before.taken_at);
    draw(&tree, &title, "red grew, blue shrank, grey stayed; hover for the amounts", &|node| {
        let change_by = node.change();
        let share = change_by.unsigned_abs() as f64 / most as f64;
        let title = format!(
            "{}: {} → {} ({})",
            node.name,
            bytes(node.before),
            bytes(node.size()),
            change(change_by)
        );
        (heat(change_by, share), title)
    })
}

fn name(report: &Report) -> String {
    let exe = report.identity.exe.as_deref().unwrap_or("process");
    format!("{exe} (pid {})", report.identity.pid)
}

/// The tree of everything resident.
fn whole(report: &Report) -> Tree {
    let mut tree = Tree::new("resident", Kind::Other);
    if let Some(rss) = &report.rss {
        let parts = &rss.parts;
        tree.own = rss.total_bytes;
        let rest = [
            ("other anonymous", parts.anon_other),
            ("stacks", parts.stacks),
            ("files", parts.file),
            ("shared memory", parts.shmem),
            ("jit code", parts.jit),
            ("unattributed", parts.unattributed),
        ];
        for (name, n) in rest {
            tree.add(&[name], n, Kind::Other);
        }
        let heap = parts.heap.saturating_add(parts.arenas).saturating_add(parts.mmap_chunks);
        tree.add(&["heap"], heap, Kind::Heap);
    }
    for line in lines(report) {
        let leaked = line.leaked_bytes > 0;
        let kind = if leaked { Kind::Leaked } else { Kind::InUse };
        let frames: Vec<&str> =
            std::iter::once("heap").chain(line.frames.iter().map(String::as_str)).collect();
        tree.add_below(&frames, line.inuse_bytes, kind);
    }
    if let Some(free) = report.fragmentation.as_ref().and_then(|f| f.free_resident_bytes) {
        tree.add_below(&["heap", "free"], free, Kind::Free);
    }
    tree.settle();
    tree
}

/// Deterministic, so that the same frame has the same colour in two graphs.
fn colour(kind: Kind, name: &str) -> String {
    let hash = name.bytes().fold(7_u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
    let shade = hash % 40;
    let (r, g, b) = match kind {
        Kind::Leaked => (205 + shade, 60 + shade, 50 + shade / 2),
        Kind::InUse => (225 + shade / 2, 165 + shade, 70 + shade / 2),
        Kind::Free => (185 + shade / 2, 185 + shade / 2, 185 + shade / 2),
        Kind::Heap => (215 + shade / 2, 140 + shade / 2, 95),
        Kind::Other => (110 + shade / 2, 155 + shade / 2, 200 + shade),
    };
    format!("rgb({r},{g},{b})")
}

fn heat(change: i64, share: f64) -> String {
    if change == 0 {
        return "rgb(225,225,225)".to_owned();
    }
    let pale = (215.0 - 165.0 * share.clamp(0.0, 1.0)) as u32;
    if change > 0 { format!("rgb(240,{pale},{pale})") } else { format!("rgb({pale},{pale},240)") }
}

/// How one box looks and what it says.
type Look<'a> = &'a dyn Fn(&Tree) -> (String, String);

fn draw(tree: &Tree, title: &str, legend: &str, look: Look<'_>) -> String {
    let size = tree.size().max(1) as f64;
    let scale = (WIDTH - 2.0 * MARGIN) / size;
    let rows = tree.depth(NARROW / scale).min(DEPTH_MAX);
    let height = HEAD + rows as f64 * ROW + MARGIN;
    let mut drawing = Drawing { out: String::new(), scale, height, look, boxes: 0 };
    let _ = write!(
        drawing.out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"rgb(250,250,247)\"/>\n\
         <text x=\"{MARGIN}\" y=\"18\" font-size=\"13\">{}</text>\n\
         <text x=\"{MARGIN}\" y=\"34\" fill=\"rgb(90,90,90)\">{}</text>\n",
        escape(&fit(title, 150)),
        escape(legend),
    );
    drawing.boxed(tree, MARGIN, 0);
    drawing.out.push_str("</svg>\n");
    drawing.out
}

struct Drawing<'a> {
    out: String,
    /// Pixels for each byte.
    scale: f64,
    height: f64,
    look: Look<'a>,
    boxes: usize,
}

impl Drawing<'_> {
    fn boxed(&mut self, node: &Tree, x: f64, row: usize) {
        let width = node.size() as f64 * self.scale;
        if width < NARROW || row >= DEPTH_MAX || self.boxes >= BOXES_MAX {
            return;
        }
        self.boxes += 1;
        let y = self.height - MARGIN - (row as f64 + 1.0) * ROW;
        let (fill, title) = (self.look)(node);
        // Writing to a string cannot fail.
        let _ = write!(
            self.out,
            "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{:.1}\" rx=\"1\" fill=\"{fill}\" stroke=\"rgb(250,250,247)\" \
             stroke-width=\"0.5\"/>",
            escape(&fit(&title, 400)),
            ROW - 1.0,
        );
        let room = ((width - 6.0) / CHAR).max(0.0) as usize;
        if room >= 3 {
            let label = escape(&fit(&node.name, room));
            let _ =
                write!(self.out, "<text x=\"{:.1}\" y=\"{:.1}\">{label}</text>", x + 3.0, y + 12.5);
        }
        self.out.push_str("</g>\n");
        let mut at = x;
        for child in &node.children {
            self.boxed(child, at, row + 1);
            at += child.size() as f64 * self.scale;
        }
    }
}

/// For text and attributes of XML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing;
    use proptest::prelude::*;

    #[test]
    fn a_flame_graph_shows_parts_leaks_and_frames_to_scale() {
        insta::assert_snapshot!(svg(&testing::leaking()));
    }

    #[test]
    fn a_difference_is_red_where_it_grew_and_blue_where_it_shrank() {
        let before = testing::leaking();
        let mut now = before.clone();
        now.leaks.as_mut().unwrap().by_stack[1].bytes += 8 << 20;
        now.leaks.as_mut().unwrap().unreachable_bytes += 8 << 20;
        now.allocator.as_mut().unwrap().in_use_bytes = Some((50 << 20) + (8 << 20));
        let rss = now.rss.as_mut().unwrap();
        rss.parts.heap += 8 << 20;
        rss.parts.file -= 4 << 20;
        rss.total_bytes += 4 << 20;
        let drawn = diff_svg(&before, &now);
        assert!(drawn.contains("(pid 4242): +4.0 MiB since 2026-11-21"), "{drawn}");
        let box_of = |name: &str| drawn.lines().find(|l| l.contains(&format!("<title>{name}:")));
        let files = box_of("files").unwrap();
        assert!(files.contains("10.0 MiB → 6.0 MiB (-4.0 MiB)") && files.contains(",240)"));
        let rows = box_of("rows (leak.cc:9)").unwrap();
        assert!(rows.contains("(+8.0 MiB)") && rows.contains("rgb(240,"), "{rows}");
        assert!(box_of("stacks").unwrap().contains("rgb(225,225,225)"));
    }

    #[test]
    fn no_name_becomes_markup() {
        let mut report = testing::leaking();
        let hostile = "</title><script>alert(1)</script>\u{1b}\"&";
        report.identity.exe = Some(hostile.to_owned());
        report.leaks.as_mut().unwrap().by_stack[1].frames[1] = hostile.to_owned();
        let drawn = svg(&report);
        assert!(!drawn.contains("<script") && !drawn.contains('\u{1b}'));
        assert!(drawn.contains("&lt;script&gt;"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn whatever_stands_in_a_document_the_drawing_is_bounded(
            sizes in prop::collection::vec(any::<u64>(), 0..40),
            frames in prop::collection::vec(any::<String>(), 0..90),
        ) {
            let mut report = testing::leaking();
            let leaks = report.leaks.as_mut().unwrap();
            leaks.by_stack = sizes.iter().map(|&bytes| crate::report::ByStack {
                frames: frames.clone(), bytes, count: bytes,
            }).collect();
            report.rss.as_mut().unwrap().parts.heap = sizes.first().copied().unwrap_or(1) / 4;
            let drawn = svg(&report);
            prop_assert!(drawn.ends_with("</svg>\n"));
            prop_assert!(drawn.len() < 4 << 20);
            prop_assert!(!drawn.contains("NaN") && !drawn.contains("inf"));
            let _ = crate::render::text(&report);
            let _ = crate::render::pprof(&report);
        }
    }
}
