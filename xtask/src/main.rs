//! `cargo xtask`: everything that is done to this workspace besides building it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool for people")]

mod bench;
mod bpf;
mod deploy;
mod fuzz;
mod interrupt;
mod memcached_suite;
mod package;
mod run;
mod schemathesis;
mod test;
mod tools;
mod vm;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test                     install what the tests need, then check and test everything
cargo xtask install                  of that only the installing
cargo xtask bench sampling [--quick] what sampling costs, beside the bare syscall and the peers
cargo xtask bench sampling --bpf     of that only what BPF changes
cargo xtask bench sources            what one reading of each source costs
cargo xtask bench judging            what one judgement costs
cargo xtask bench export [--quick] [--only PART]
                                     what exports by OTLP cost, and what outages and kills lose
cargo xtask bench live [--minutes 2|20|both] [--only NAME]
                                     real leaks beside healthy programs: who is warned of, how early
cargo xtask bench cache [--quick]    the cache node beside memcached and Redis (or --help)
cargo xtask bench loop [--slow]      agent, cache and a leak in one cgroup, peers in its place
cargo xtask bench heap [--only PART] heap reports against what the programs know themselves
cargo xtask bench detection [--help] what the detector finds and cries, beside naive rules
cargo xtask vm [--kernel 6.1|6.12|all] [--scenario NAME|all|tests] [--keep]
                                     the same product on cgroup v2 under other kernels, emulated
cargo xtask bpf [--check]            compile the BPF programs, or hold the objects to their sources
cargo xtask deploy [--check]         render the manifests, hold all of deploy/ to who reads it
cargo xtask deb|image|packages [--profile release|vm]
                                     Debian packages; container images without Docker; both, checked
cargo xtask memcached-suite          memcached's own tests against the cache, under its name
cargo xtask schemathesis             the running agent against its OpenAPI document
cargo xtask fuzz [TARGET] [SECONDS]  fuzz the parsers, each for a while (default: all, 30 s)";

/// What went wrong, for people.
pub type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["test"] => test::test(),
        ["install"] => test::install(),
        ["bench", "sampling"] => bench::sampling::bench(false),
        ["bench", "sampling", "--quick"] => bench::sampling::bench(true),
        ["bench", "sampling", "--bpf"] => bench::sampling::bench_bpf(),
        ["bench", which @ ("sources" | "judging")] => {
            run::run(run::command(&["cargo", "bench", "--package", "plimsoll", "--bench", which]))
        }
        ["bench", "live", rest @ ..] => {
            bench::live::Wish::read(rest).and_then(|wish| bench::live::bench(&wish))
        }
        ["bench", "export", rest @ ..] => bench::export::bench(rest),
        ["bench", "loop", rest @ ..] => bench::closed_loop::bench(rest),
        ["bench", "cache", rest @ ..] => bench::cache::bench(rest),
        ["bench", "heap", rest @ ..] => bench::heap::bench(rest),
        ["bench", "detection", rest @ ..] => bench::detection::bench(rest),
        ["vm", rest @ ..] => vm::Wish::read(rest).and_then(|wish| vm::vm(&wish)),
        ["bpf"] => bpf::bpf(false),
        ["bpf", "--check"] => bpf::bpf(true),
        ["deploy"] => deploy::deploy(false),
        ["deploy", "--check"] => deploy::deploy(true),
        ["packages", rest @ ..] => package::packages(rest),
        ["deb", rest @ ..] => package::debs(rest),
        ["image", rest @ ..] => package::images(rest),
        ["memcached-suite", rest @ ..] => memcached_suite::suite(rest),
        ["schemathesis"] => schemathesis::schemathesis(),
        ["fuzz", rest @ ..] => fuzz::fuzz(rest),
        // What the benches run as programs of their own; see `bench::stall`.
        ["bench-program", rest @ ..] => bench::program(rest),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
