//! The thin edge of the driver: words, output, exit code.

use plimsoll_loop::arena::Ground;
use plimsoll_loop::cli::{self, Ask, Wish};
use plimsoll_loop::scenario::{SCENARIOS, Scenario, Setting};
use plimsoll_loop::subject::{Kind, Subject};
use plimsoll_loop::wait::Interrupt;
use plimsoll_loop::{Fault, load, process};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().skip(1)) {
        Ok(Ask::Help) => show(cli::USAGE),
        Ok(Ask::List) => {
            for scenario in SCENARIOS {
                show(&format!("{:16} {}", scenario.name, scenario.what));
            }
            ExitCode::SUCCESS
        }
        Ok(Ask::Run(wish)) => run(&wish).unwrap_or_else(|why| complain(&why, 1)),
        Ok(Ask::Start(words)) => complain(&process::become_program(&words), 1),
        Ok(Ask::Load(words)) => complain(&load::run(&words), 2),
        Err(why) => complain(&format!("{why}\n{}", cli::USAGE), 2),
    }
}

fn run(wish: &Wish) -> Result<ExitCode, Fault> {
    let ground = Ground::find(wish.cgroup_root.as_deref())?;
    let chosen: Vec<&Scenario> = if wish.scenario == "all" {
        SCENARIOS.iter().filter(|scenario| scenario.is_in_all(ground.version)).collect()
    } else {
        let named = Scenario::named(&wish.scenario);
        vec![named.ok_or_else(|| format!("there is no scenario {}", wish.scenario))?]
    };
    let setting = Setting {
        ground,
        agent: wish.agent.clone(),
        interrupt: Interrupt::watched()?,
        time_scale: wish.time_scale,
        slack: wish.slack,
    };
    let mut is_kept = true;
    for scenario in chosen {
        let concerned = |subject: &&Subject| scenario.of_peers || subject.kind == Kind::Ours;
        for subject in wish.subjects.iter().filter(concerned) {
            let report = scenario.report(&setting, subject);
            is_kept &= subject.kind != Kind::Ours || report.passed();
            show(&if wish.json { report.to_json().to_string() } else { report.to_text() });
            if setting.interrupt.is_set() {
                return Ok(complain("interrupted", 1));
            }
        }
    }
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(text: &str) -> ExitCode {
    // A closed pipe is no reason to complain about.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn complain(why: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "plimsoll-loop: {why}");
    code.into()
}
