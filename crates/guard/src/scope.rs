//! Scopes, and who asks. Pure. Each scope holds those below it: metrics < read < heap < admin.

use axum::http::Method;

/// What a credential is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The metrics and the health of each source.
    Metrics,
    /// Names, command lines, verdicts, incidents, the page.
    Read,
    /// Heap reports: to take them, and to read what they hold.
    Heap,
    /// To change anything: silences, snapshots, the configuration.
    Admin,
}

impl Scope {
    pub const NAMES: [&str; 4] = ["metrics", "read", "heap", "admin"];

    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [Self::Metrics, Self::Read, Self::Heap, Self::Admin];
        all.into_iter().find(|scope| scope.name() == name)
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Read => "read",
            Self::Heap => "heap",
            Self::Admin => "admin",
        }
    }
}

/// Who asks, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `token:NAME`, `user:NAME`, `certificate`, or `-`.
    pub name: String,
    /// None: nobody in particular.
    pub scope: Option<Scope>,
}

impl Caller {
    #[must_use]
    pub fn nobody() -> Self {
        Self { name: "-".into(), scope: None }
    }

    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scope.is_some_and(|own| own >= scope)
    }
}

/// Whether the method only reads. Source: RFC 9110, section 9.2.1.
#[must_use]
pub fn is_safe(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD || method == Method::OPTIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_holds_those_below_it_and_has_its_name() {
        assert!(Scope::Metrics < Scope::Read && Scope::Read < Scope::Heap);
        assert!(Scope::Heap < Scope::Admin);
        for name in Scope::NAMES {
            assert_eq!(Scope::of_name(name).map(Scope::name), Some(name));
        }
        assert_eq!(Scope::of_name("Admin"), None);
    }
}
