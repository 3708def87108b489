//! Whether a heap report may be asked for: the level that is open, and the token.
//!
//! Where credentials are set up, the guard has asked for the scope heap before; else
//! `reports.token_file` is asked for here, but for level 0 on a loopback address.
//!
//! The token is compared in constant time and never shown. A wrong one is told of in the log.

use super::super::HeapPermission;
use super::Problem;
use axum::http::{HeaderMap, header};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use subtle::ConstantTimeEq as _;

/// A token is a line. Units: bytes.
const TOKEN_BYTES_MAX: u64 = 4096;
/// A shorter one can be guessed, an empty one would be no token. Units: bytes.
const TOKEN_BYTES_MIN: usize = 16;

/// Whether `peer` may ask for a report of `level`. May wait for the disk.
pub(super) fn permit(
    permission: &HeapPermission,
    level: u8,
    headers: &HeaderMap,
    peer: &str,
    has_scope: bool,
) -> Result<(), Problem> {
    if usize::from(level) > permission.level_max && level > 0 {
        let open = permission.level_max;
        return Err(Problem::forbidden(format!(
            "over HTTP reports are taken up to level {open} (reports.http_level_max): a level \
             above 0 touches the process; `plimsoll report` on the node takes them too"
        )));
    }
    if has_scope || level == 0 && permission.open {
        return Ok(());
    }
    let Some(file) = &permission.token_file else {
        return Err(Problem::forbidden(
            "the API can be reached from elsewhere and there is no token: set reports.token_file",
        ));
    };
    let token = token(file).ok_or_else(|| {
        tracing::warn!(file = %file.display(), "reports.token_file has no token that can be read");
        Problem::forbidden("the token cannot be read; the agent's log says more")
    })?;
    let given = bearer(headers).ok_or_else(|| Problem::unauthorized("the request has no token"))?;
    if bool::from(given.as_bytes().ct_eq(token.as_bytes())) {
        return Ok(());
    }
    tracing::warn!(peer, level, "audit: a heap report was asked for with a wrong token");
    Err(Problem::unauthorized("the token is not the one of reports.token_file"))
}

/// The first line of the file, without blanks around it.
fn token(file: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(file).ok()?.take(TOKEN_BYTES_MAX).read_to_string(&mut text).ok()?;
    let token = text.lines().next()?.trim();
    (token.len() >= TOKEN_BYTES_MIN).then(|| token.to_owned())
}

/// Source: RFC 6750, section 2.1; the scheme's case does not matter.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use std::io::Write as _;

    const TOKEN: &str = "0123456789abcdef-heap";

    fn with(token: Option<&str>) -> HeaderMap {
        let value = token.map(|token| HeaderValue::from_str(token).unwrap());
        value.into_iter().map(|value| (header::AUTHORIZATION, value)).collect()
    }

    fn status(permission: &HeapPermission, level: u8, given: Option<&str>) -> u16 {
        match permit(permission, level, &with(given), "127.0.0.1:1", false) {
            Ok(()) => 200,
            Err(problem) => {
                serde_json::to_value(&problem).unwrap()["status"].as_u64().unwrap() as u16
            }
        }
    }

    #[test]
    fn level_0_is_open_on_the_loopback_and_all_else_needs_level_and_token() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "  {TOKEN}  \nnot this").unwrap();
        let right = format!("Bearer {TOKEN}");
        let closed = HeapPermission { open: true, ..HeapPermission::default() };
        assert_eq!(status(&closed, 0, None), 200);
        assert_eq!(status(&closed, 1, Some(&right)), 403, "no level above 0 is open");
        let token_file = Some(file.path().to_owned());
        let open = HeapPermission { open: true, level_max: 1, token_file, ..closed.clone() };
        assert_eq!(status(&open, 1, Some(&right)), 200);
        assert_eq!(status(&open, 1, Some(&format!("bearer  {TOKEN} "))), 200);
        assert_eq!(status(&open, 2, Some(&right)), 403);
        for wrong in [None, Some("Bearer"), Some("Bearer "), Some("Bearer 0123456789abcdef-heaq")] {
            assert_eq!(status(&open, 1, wrong), 401, "{wrong:?}");
        }
        assert_eq!(status(&open, 1, Some(&format!("Basic {TOKEN}"))), 401);
        let remote = HeapPermission { open: false, ..open.clone() };
        assert_eq!((status(&remote, 0, None), status(&remote, 0, Some(&right))), (401, 200));
        let bare = HeapPermission { token_file: None, ..remote };
        assert_eq!(status(&bare, 0, Some(&right)), 403);
    }

    #[test]
    fn the_scope_stands_in_for_the_token_but_opens_no_level() {
        let remote = HeapPermission { level_max: 1, ..HeapPermission::default() };
        let by_scope = |level| permit(&remote, level, &with(None), "-", true).is_ok();
        assert_eq!((by_scope(0), by_scope(1), by_scope(2)), (true, true, false));
    }

    #[test]
    fn a_token_that_is_missing_or_short_opens_nothing() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let open = HeapPermission {
            open: true,
            level_max: 2,
            token_file: Some(file.path().to_owned()),
            ..HeapPermission::default()
        };
        assert_eq!(status(&open, 1, Some("Bearer ")), 403);
        writeln!(file, "short").unwrap();
        assert_eq!(status(&open, 1, Some("Bearer short")), 403);
        let none = HeapPermission { token_file: Some("/nowhere/token".into()), ..open };
        assert_eq!(status(&none, 1, Some("Bearer x")), 403);
    }
}
