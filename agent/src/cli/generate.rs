//! `generate`: files made from what the program itself knows, so that they never lag behind it.

use super::{Exit, Failure};
use crate::config::{reference_page, reference_toml};
use crate::dashboards::{self, File, Runbooks};
use clap_complete::Shell;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub struct GenerateArgs {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum What {
    /// A configuration file with every key explained and at its default
    Config,
    /// The same as a page in Markdown, with what takes effect without a restart
    Reference,
    /// Completion for a shell, to be sourced
    Completion { shell: Shell },
    /// The man page, in roff
    Man,
    /// The OpenAPI document of the HTTP API, in JSON
    Openapi,
    /// Dashboards for Grafana, a dashboard and monitors for Datadog
    Dashboards(Place),
    /// Recording and alerting rules for Prometheus, and promtool's tests of them
    Rules(Place),
}

/// Where files go.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// Directory to write the files into; without it they are printed, one after another
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where the runbooks are, a URL or a directory that holds ALERT.md for each alert
    #[arg(long, value_name = "BASE", value_parser = Runbooks::at)]
    #[arg(default_value = Runbooks::SHIPPED)]
    pub runbook_url: Runbooks,
}

pub(super) fn generate(
    args: &GenerateArgs,
    mut command: clap::Command,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    match &args.what {
        What::Config => out.write_all(reference_toml().as_bytes())?,
        What::Reference => out.write_all(reference_page().as_bytes())?,
        &What::Completion { shell } => {
            // clap_complete panics when it cannot write, so it is given memory.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "plimsoll", &mut script);
            out.write_all(&script)?;
        }
        What::Man => man(command, out)?,
        What::Openapi => writeln!(out, "{}", openapi()?)?,
        What::Dashboards(into) => {
            put(&dashboards::dashboards(&into.runbook_url), into.out.as_deref(), out)?;
        }
        What::Rules(into) => put(&dashboards::rules(&into.runbook_url), into.out.as_deref(), out)?,
    }
    Ok(Exit::Good)
}

/// Writes files below `dir`, or prints them with their names.
fn put(files: &[File], dir: Option<&Path>, out: &mut dyn Write) -> Result<(), Failure> {
    for (name, content) in files {
        let Some(dir) = dir else {
            write!(out, "# {name}\n{content}")?;
            continue;
        };
        let path = dir.join(name);
        let above = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(above)?;
        std::fs::write(&path, content)?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

/// One page for all: the program's, then each command's.
fn man(mut command: clap::Command, out: &mut dyn Write) -> Result<(), Failure> {
    command.build();
    clap_mangen::Man::new(command.clone()).render(out)?;
    below("PLIMSOLL", &command, out)
}

/// The sections of each command below `command`, and of those below it.
fn below(name: &str, command: &clap::Command, out: &mut dyn Write) -> Result<(), Failure> {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = format!("{name} {}", sub.get_name().to_uppercase());
        let page = clap_mangen::Man::new(sub.clone());
        writeln!(out, ".SH {name}")?;
        page.render_synopsis_section(out)?;
        page.render_description_section(out)?;
        page.render_options_section(out)?;
        below(&name, sub, out)?;
    }
    Ok(())
}

fn openapi() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&crate::api::openapi())
}
