//! Limits and user of the process, set before anything else runs.

use crate::cli::Plan;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use rustix::{fs, io};

/// Descriptors for everything but connections: listeners, epoll, log, admin.
const FDS_RESERVED: u64 = 256;

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("can't run as root without the -u switch: it says which user to become")]
    MustChoose,
    #[error("can't find the user {0} to switch to")]
    NoUser(String),
    #[error("cannot {what}: {why}")]
    Refused { what: &'static str, why: io::Errno },
}

/// Raises limits, then becomes the user. No other thread may run yet: identity is one thread's.
pub(super) fn assume(plan: &Plan) -> Result<(), IdentityError> {
    if plan.core_files {
        core_files()?;
    }
    let threads = plan.settings.threads as u64;
    raise_descriptors(plan.settings.connections_max as u64 + 4 * threads + FDS_RESERVED);
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    match plan.user.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => become_user(name),
        None if plan.as_memcached => Err(IdentityError::MustChoose),
        None => {
            tracing::warn!("running as root; -u says which user to become");
            Ok(())
        }
    }
}

fn core_files() -> Result<(), IdentityError> {
    let hard = getrlimit(Resource::Core).maximum;
    let refused = |why| IdentityError::Refused { what: "allow core files", why };
    let unlimited = Rlimit { current: None, maximum: None };
    if setrlimit(Resource::Core, unlimited).is_err() {
        setrlimit(Resource::Core, Rlimit { current: hard, maximum: hard }).map_err(refused)?;
    }
    if getrlimit(Resource::Core).current == Some(0) {
        return Err(refused(io::Errno::PERM));
    }
    Ok(())
}

/// As many as connections may need; where that is not allowed, as many as are.
fn raise_descriptors(wanted: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let above = maximum.map(|hard| hard.max(wanted));
    let within = maximum.map_or(wanted, |hard| hard.min(wanted));
    let tries = [
        Rlimit { current: Some(wanted), maximum: above },
        Rlimit { current: Some(within), maximum },
    ];
    if !tries.into_iter().any(|limit| setrlimit(Resource::Nofile, limit).is_ok()) {
        tracing::warn!(wanted, ?current, "the limit on open files was not raised");
    } else if getrlimit(Resource::Nofile).current.is_some_and(|now| now < wanted) {
        tracing::warn!(wanted, within, "fewer open files are allowed than connections may need");
    }
}

fn become_user(name: &str) -> Result<(), IdentityError> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let (uid, gid) = ids_of(name, &passwd).ok_or_else(|| IdentityError::NoUser(name.to_owned()))?;
    if uid == 0 {
        return Ok(());
    }
    let refused = |what| move |why| IdentityError::Refused { what, why };
    let (uid, gid) = (fs::Uid::from_raw(uid), fs::Gid::from_raw(gid));
    match set_thread_groups(&[]) {
        // Not allowed: then there is little left that could be given up.
        Ok(()) | Err(io::Errno::PERM) => {}
        Err(why) => return Err(refused("leave supplementary groups")(why)),
    }
    set_thread_gid(gid).map_err(refused("change the group"))?;
    set_thread_uid(uid).map_err(refused("change the user"))
}

/// User and group of a name in passwd(5); a number is a user without an entry.
fn ids_of(name: &str, passwd: &str) -> Option<(u32, u32)> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let mut numbers = fields.skip(1).map(str::parse);
        let ids = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        found.then_some(ids)
    };
    let number = || name.parse().ok().map(|id| (id, id));
    passwd.lines().find_map(entry).or_else(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_or_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nmemcache:x:104:109::/:/bin/false\n";
        assert_eq!(ids_of("memcache", passwd), Some((104, 109)));
        assert_eq!(ids_of("65534", passwd), Some((65534, 65534)));
        assert_eq!(ids_of("memcach", passwd), None);
    }
}
