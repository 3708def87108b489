//! `cargo xtask schemathesis`: requests made up from the OpenAPI document, against the built agent
//! with its tokens. No answer may be an error of the agent, or one that the document does not have.
//!
//! Source: schemathesis.io. It is installed by pip into `target/schemathesis`; where that cannot
//! be, this fails.

use crate::Outcome;
use crate::run::{command, run, top};
use crate::tools::install_python;
use plimsoll_tests::Agent;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const PACKAGES: &[&str] = &["schemathesis>=4.32,<5"];
const TOKEN: &str = "schemathesis-0123456789abcdef";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method";

pub fn schemathesis() -> Outcome {
    let why = "it makes up requests from the OpenAPI document";
    install_python("schemathesis", "schemathesis", PACKAGES, why)?;
    run(command(&["cargo", "build", "--package", "plimsoll"]))?;
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let file = configured(scratch.path()).map_err(|e| e.to_string())?;
    let agent = Agent::start_in(scratch.path(), &["--config", &file]);
    let url = format!("http://{}/openapi.json", agent.address);
    let program = top().join("target/schemathesis/bin/schemathesis");
    let mut tests = command(&[&program.to_string_lossy(), "run", &url]);
    tests.args(["--header", &format!("Authorization: Bearer {TOKEN}")]);
    tests.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"]);
    tests.args(["--max-examples", "40", "--seed", "1", "--request-timeout", "15"]);
    // The stream of events does not end, which no request of this kind can wait for.
    tests.args(["--exclude-path", "/api/v1/events", "--suppress-health-check", "all"]);
    tests.args(["--generation-database", "none"]);
    run(tests)
}

/// The agent's configuration file, with a file of tokens beside it.
fn configured(dir: &Path) -> std::io::Result<String> {
    let tokens = dir.join("tokens");
    std::fs::write(&tokens, format!("admin schemathesis {TOKEN}\n"))?;
    std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(0o600))?;
    let file = dir.join("agent.toml");
    std::fs::write(&file, format!("[http]\ntokens_file = {tokens:?}\nrate_limit = 0\n"))?;
    Ok(file.display().to_string())
}
