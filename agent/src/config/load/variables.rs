//! Takes in what OpenTelemetry's variables say. What makes no sense there is told and ignored, as
//! its specification demands: a program does not fail to start for a variable of all programs.

use super::Loading;
use crate::config::{Env, Place, Problem, keys, otel};

const ENABLED: &str = "export.otlp.enabled";

impl Loading {
    pub(super) fn read_otel(&mut self, env: &Env) {
        let said = otel::settings(env);
        for (variable, what) in said.ignored {
            self.ignore(Place::Env(variable), "", what, String::new());
        }
        for (path, text, variable) in said.settings {
            let place = Place::Env(variable.to_owned());
            // An endpoint that is none does not turn the export on.
            if path == ENABLED && self.effective.warnings.iter().any(|own| own.place == place) {
                continue;
            }
            let key = keys::find(path).expect("its table names keys of ours");
            let before = self.problems.len();
            self.set_text(key, &text, place);
            let ignored = self.problems.drain(before..);
            self.effective.warnings.extend(ignored);
        }
    }

    /// A client's certificate without its key, or the other way round: of no use, and an error only
    /// where it is not a variable of OpenTelemetry.
    pub(super) fn half_of_a_pair(&mut self, key: &'static str, other: &str, what: &str) {
        let place = self.effective.origin_place(key);
        match place {
            Some(place @ Place::Env(_)) if is_otel(&place) => {
                self.ignore(place, key, what.to_owned(), String::new());
                self.effective.origins.remove(key);
                let export = &mut self.effective.config.export;
                (export.client_cert_file, export.client_key_file) = (None, None);
            }
            _ => self.contradiction(key, other, what),
        }
    }

    fn ignore(&mut self, place: Place, key: &str, what: String, accepted: String) {
        self.effective.warnings.push(Problem { place, key: key.into(), what, accepted });
    }
}

fn is_otel(place: &Place) -> bool {
    matches!(place, Place::Env(name) if name.starts_with("OTEL_"))
}
