//! What one component of a cgroup path is. Pure; knows the forms, not their precedence.

/// The length of a container's id, in every runtime that follows Docker.
const ID_DIGITS: usize = 64;
const UID_DASHED: usize = 36;
/// The kubelet gives static pods the hash of their manifest.
const UID_STATIC: usize = 32;
/// The longest name of a user id: 2^32 − 1.
const USER_DIGITS_MAX: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Component<'a> {
    Pod {
        uid: String,
        /// Where the component itself tells.
        qos: Option<&'static str>,
    },
    Container(ContainerId<'a>),
    /// A system container, by the name that its owner gave it.
    Lxc(&'a str),
    /// `user-UID.slice`
    User(&'a str),
    /// A service or scope.
    Unit(&'a str),
    Slice(&'a str),
    /// A service of Talos, which has no systemd.
    Talos(&'a str),
    Other(&'a str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContainerId<'a> {
    /// 64 hexadecimal digits.
    pub(super) id: &'a str,
    pub(super) runtime: Option<&'static str>,
    /// podman's container below a unit that systemd manages, which outlives it.
    pub(super) payload: bool,
}

/// Splits a path and names its components. One component of containerd's colon form
/// (`SLICE:cri-containerd:ID`) gives two.
pub(super) fn split(path: &str) -> Vec<Component<'_>> {
    let mut components: Vec<Component> = Vec::new();
    let mut parent = "";
    for name in path.split('/').filter(|name| !name.is_empty()) {
        match colon_form(name) {
            Some((slice, container)) => {
                components.push(classify(slice, parent));
                components.push(Component::Container(container));
            }
            None => components.push(classify(name, parent)),
        }
        parent = name;
    }
    components
}

fn classify<'a>(name: &'a str, parent: &str) -> Component<'a> {
    if let Some(pod) = pod(name) {
        return pod;
    }
    if let Some(container) = container(name, parent) {
        return Component::Container(container);
    }
    if let Some(name) = lxc(name, parent) {
        return Component::Lxc(name);
    }
    match name.rsplit_once('.') {
        Some((stem, "slice")) => match stem.strip_prefix("user-").filter(|uid| is_user(uid)) {
            Some(uid) => Component::User(uid),
            None => Component::Slice(name),
        },
        Some((stem, "service" | "scope" | "socket" | "mount" | "swap")) if !stem.is_empty() => {
            Component::Unit(name)
        }
        _ if matches!(parent, "podruntime" | "system") => Component::Talos(name),
        _ => Component::Other(name),
    }
}

/// `podUID` of the cgroupfs driver, or `[…-]kubepods[-QOS]-podUID.slice` of the systemd driver,
/// where the dashes of the uid are underscores because a dash there means a level.
fn pod(name: &str) -> Option<Component<'_>> {
    if let Some(uid) = name.strip_prefix("pod").filter(|uid| is_uid(uid, '-')) {
        return Some(Component::Pod { uid: uid.to_owned(), qos: None });
    }
    let (levels, uid) = name.strip_suffix(".slice")?.rsplit_once("-pod")?;
    if !is_uid(uid, '_') {
        return None;
    }
    let qos = match levels.rsplit_once('-') {
        Some((_, "burstable")) => Some("burstable"),
        Some((_, "besteffort")) => Some("besteffort"),
        _ => levels.ends_with("kubepods").then_some("guaranteed"),
    };
    Some(Component::Pod { uid: uid.replace('_', "-"), qos })
}

/// `ID`, `RUNTIME-ID` or `RUNTIME-ID.scope`. The monitors (conmon) that stand beside containers
/// have the same form and are none.
fn container<'a>(name: &'a str, parent: &str) -> Option<ContainerId<'a>> {
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    let (prefix, id) = stem.split_at_checked(stem.len().checked_sub(ID_DIGITS)?)?;
    if !is_hex(id) || prefix.contains("conmon") {
        return None;
    }
    let runtime = match prefix.strip_suffix('-') {
        Some(runtime) => runtime_of(runtime),
        None if prefix.is_empty() => runtime_of(parent),
        None => return None,
    };
    Some(ContainerId { id, runtime, payload: prefix == "libpod-payload-" })
}

/// `SLICE:PREFIX:ID`: what containerd and runc make of a systemd path when they were told to use
/// cgroupfs.
fn colon_form(name: &str) -> Option<(&str, ContainerId<'_>)> {
    let (around, id) = name.rsplit_once(':')?;
    let (slice, prefix) = around.rsplit_once(':')?;
    let container = container(id, prefix).filter(|container| container.id == id)?;
    Some((slice, container))
}

fn runtime_of(prefix: &str) -> Option<&'static str> {
    match prefix {
        "cri-containerd" | "nerdctl" => Some("containerd"),
        "crio" => Some("cri-o"),
        "docker" => Some("docker"),
        "libpod" | "libpod-payload" | "libpod_parent" => Some("podman"),
        _ => None,
    }
}

/// `lxc/NAME`, `lxc.payload/NAME` or `lxc.payload.NAME`; not `lxc.monitor.NAME`, which is LXC's
/// own.
fn lxc<'a>(name: &'a str, parent: &str) -> Option<&'a str> {
    if matches!(parent, "lxc" | "lxc.payload") {
        return Some(name);
    }
    name.strip_prefix("lxc.payload.").filter(|name| !name.is_empty())
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A uid of 8-4-4-4-12 digits, or of 32 without separators.
fn is_uid(text: &str, separator: char) -> bool {
    match text.len() {
        UID_STATIC => is_hex(text),
        UID_DASHED => {
            let mut groups = text.split(separator);
            [8, 4, 4, 4, 12]
                .iter()
                .all(|&len| groups.next().is_some_and(|g| g.len() == len && is_hex(g)))
        }
        _ => false,
    }
}

fn is_user(uid: &str) -> bool {
    (1..=USER_DIGITS_MAX).contains(&uid.len()) && uid.bytes().all(|b| b.is_ascii_digit())
}

/// Cuts every run of 64 or more hexadecimal digits to 12, as in names of units that podman makes.
pub(super) fn shorten_ids(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| is_hex_digit(*b)).count();
        let (id, after) = rest.split_at(digits);
        short.push_str(if digits < ID_DIGITS { id } else { &id[..super::SHORT_ID] });
        let other = after.find(|c: char| u8::try_from(c).is_ok_and(is_hex_digit));
        let (between, after) = after.split_at(other.unwrap_or(after.len()));
        short.push_str(between);
        rest = after;
    }
    short
}

const fn is_hex_digit(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'f')
}

impl<'a> Component<'a> {
    pub(super) const fn container(&self) -> Option<ContainerId<'a>> {
        match self {
            Self::Container(container) => Some(*container),
            _ => None,
        }
    }

    pub(super) const fn user(&self) -> Option<&'a str> {
        match self {
            Self::User(uid) => Some(uid),
            _ => None,
        }
    }

    pub(super) const fn unit(&self) -> Option<&'a str> {
        match self {
            Self::Unit(unit) => Some(unit),
            _ => None,
        }
    }

    pub(super) const fn slice(&self) -> Option<&'a str> {
        match self {
            Self::Slice(slice) => Some(slice),
            _ => None,
        }
    }

    /// The quality of service of pods right below, with the cgroupfs driver: guaranteed pods have
    /// no level of their own.
    pub(super) fn qos_of_children(&self) -> Option<&'static str> {
        match self {
            Self::Other("burstable") => Some("burstable"),
            Self::Other("besteffort") => Some("besteffort"),
            Self::Other(name) if name.ends_with("kubepods") => Some("guaranteed"),
            _ => None,
        }
    }
}
