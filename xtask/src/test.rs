//! `cargo xtask test`: installs what is needed, then format, lints, every test, the page,
//! and what needs another kernel, in emulated machines.

use crate::run::{command, exists, run, top};
use crate::{Outcome, bpf, deploy, package, schemathesis, tools, vm};

/// Programs and tests in one call: programs alone are built with fewer features of what they share
/// with tests, so the agent and most of what it stands on would be built twice.
const BUILD: [&str; 7] =
    ["cargo", "build", "--workspace", "--lib", "--bins", "--tests", "--examples"];

/// What the tests need of other people's programs, but for what npm and the machines bring.
pub fn install() -> Outcome {
    tools::install(tools::FOR_TESTS)?;
    tools::install_python_clients()?;
    tools::collectors::install()?;
    tools::validators::install()
}

pub fn test() -> Outcome {
    install()?;
    run(command(&["cargo", "fmt", "--all", "--check"]))?;
    run(command(&[
        "cargo",
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-Dwarnings",
    ]))?;
    // A workspace of its own: built for fuzzing by hand only, and not to fall behind till then.
    let mut fuzz = command(&["cargo", "clippy", "--quiet", "--target-dir", "target"]);
    fuzz.args(["--manifest-path", "tests/fuzz/Cargo.toml", "--", "-Dwarnings"]);
    run(fuzz)?;
    bpf::bpf(true)?;
    run(command(&BUILD))?;
    // The units name programs, which have to be there.
    deploy::deploy(true)?;
    let mut browser = command(&["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    browser.current_dir(top().join("tests/browser"));
    run(browser)?;
    let mut page = command(&["node", "--test", "page.test.mjs", "incident.test.mjs"]);
    page.current_dir(top().join("tests/browser"));
    run(page)?;
    let mut tests = if exists("cargo-nextest") {
        command(&["cargo", "nextest", "run", "--workspace", "--profile", "ci"])
    } else {
        println!("cargo-nextest is not there; `cargo test` does, if more slowly");
        command(&["cargo", "test", "--workspace", "--no-fail-fast"])
    };
    // A part that is missing is a failure here; elsewhere a test says what it skips.
    tests.env("PLIMSOLL_TESTS_MUST_RUN", "1");
    run(tests)?;
    schemathesis::schemathesis()?;
    vm::vm(&vm::Wish::tests())?;
    // What the machines booted are the static programs that packages and images are made of.
    package::check(&vm::Programs::directory())
}
