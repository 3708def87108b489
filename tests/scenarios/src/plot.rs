//! Pictures as SVG, in colours that are read on light ground and on dark.

mod frontier;
mod gallery;

pub use frontier::frontier;
pub use gallery::gallery;

/// The opening of a picture of a size in pixels, with the classes that all use.
fn open(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"{title}\" font-family=\"system-ui, sans-serif\">\n<style>\n\
         text {{ fill: #1f2328; }} .dim {{ fill: #59636e; }}\n\
         .line {{ fill: none; stroke: #0969da; }}\n\
         .axis {{ fill: none; stroke: #818b98; stroke-width: 0.7; }} .grid {{ stroke: #d1d9e0; \
         stroke-width: 0.5; }}\n\
         .part {{ fill: none; stroke: #bc4c00; }} .mark {{ stroke: #cf222e; stroke-width: 0.8; \
         stroke-dasharray: 2 2; }}\n.dot {{ fill: #818b98; }} .own {{ fill: #0969da; }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         text {{ fill: #f0f6fc; }} .dim {{ fill: #9198a1; }} .line {{ stroke: #4493f8; }}\n\
         .grid {{ stroke: #3d444d; }} .part {{ stroke: #f0883e; }} .mark {{ stroke: #f85149; }}\n\
         .own {{ fill: #4493f8; }}\n}}\n</style>\n"
    )
}

/// Text with what XML reserves escaped.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
