//! What dashboards and metrics are held against: Grafana's schema and the compiler that reads it
//! (npm, in `tests/dashboards`), Datadog's client and the OpenMetrics parser of Prometheus' Python
//! client (pip, in `target/validators`).

use super::python_packages;
use crate::Outcome;
use crate::run::{command, run, top};

const PACKAGES: &[&str] = &["datadog-api-client==2.62.0", "prometheus-client==0.23.1"];
const IMPORTS: &str = "datadog_api_client, prometheus_client";

/// Fetches those that are not there; npm is.
pub fn install() -> Outcome {
    let mut npm = command(&["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    npm.current_dir(top().join("tests/dashboards"));
    run(npm)?;
    let why = "dashboards and metrics are held against them";
    python_packages("validators", IMPORTS, PACKAGES, why)
}
