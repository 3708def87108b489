//! The thread: takes connections, carries bytes between them and the registry.
//!
//! It holds the registry's lock for no longer than it takes to copy a few lines; nothing in it
//! waits for a peer.

use super::listener::Listener;
use super::registry::Left;
use super::{BindError, Credentials, Policy, Shared, SubscriberId};
use crate::frame::CgroupPath;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::MissedTickBehavior;

/// How exact heartbeats and timeouts are.
const TICK: Duration = Duration::from_millis(250);

/// After a failure to take a connection: too many open files, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often is looked whether the socket is still in its place, and whether it can be put back:
/// those who clean up in /run remove what is old.
const PLACE_EVERY: Duration = Duration::from_secs(1);

const READ_BYTES: usize = 4096;

/// What the kernel holds for a peer that does not read; it takes twice as much.
const SEND_BUFFER_BYTES: usize = 16 << 10;

pub fn start(
    shared: Arc<Shared>,
    listener: Listener,
    bell: Option<Listener>,
    policy: Policy,
) -> Result<JoinHandle<()>, BindError> {
    let of = |what| BindError::Io { path: "plimsoll-pressure (thread)".into(), what };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(of)?;
    let thread = std::thread::Builder::new().name("plimsoll-pressure".into());
    let serve = move || {
        let (mut listener, mut bell) = (listener, bell);
        runtime.block_on(async {
            tokio::select! {
                () = accept(&mut listener, |stream| subscribe(&shared, stream, &policy)) => {}
                () = accept_if_any(bell.as_mut(), |stream| hang(&shared, stream, &policy)) => {}
                () = tick(&shared) => {}
                () = shared.stops.notified() => {}
            }
        });
        // Connections end with the runtime, the socket with its listener.
        drop((runtime, listener, bell));
    };
    thread.spawn(serve).map_err(of)
}

async fn tick(shared: &Shared) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        shared.bells.lock().sweep();
        if shared.registry.lock().tick(shared.started.elapsed()) {
            shared.changed.send_replace(());
        }
    }
}

/// Takes connections for ever; where the socket was removed, a new one is put in its place.
async fn accept(listener: &mut Listener, take: impl Fn(UnixStream)) {
    loop {
        let accepting = listener.socket.try_clone().and_then(UnixListener::from_std);
        match accepting {
            Ok(accepting) => tokio::select! {
                () = accept_from(&accepting, &take) => {}
                () = is_lost(listener) => {}
            },
            // Too many open files.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
        while !listener.is_in_place() && listener.renew().is_err() {
            tokio::time::sleep(PLACE_EVERY).await;
        }
    }
}

async fn accept_from(listener: &UnixListener, take: &impl Fn(UnixStream)) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => take(stream),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn is_lost(listener: &Listener) {
    while listener.is_in_place() {
        tokio::time::sleep(PLACE_EVERY).await;
    }
}

async fn accept_if_any(listener: Option<&mut Listener>, take: impl Fn(UnixStream)) {
    match listener {
        Some(listener) => accept(listener, take).await,
        None => std::future::pending().await,
    }
}

fn subscribe(shared: &Arc<Shared>, stream: UnixStream, policy: &Policy) {
    let Some((credentials, cgroup)) = admit(shared, &stream, policy) else { return };
    // Without it the kernel's default holds more, which is a cost and no fault.
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
    let admitted = shared.registry.lock().admit(credentials, cgroup, shared.started.elapsed());
    if let Ok(id) = admitted {
        tokio::spawn(serve(Arc::clone(shared), stream, id));
    }
}

/// Takes in one that is to be rung.
fn hang(shared: &Arc<Shared>, stream: UnixStream, policy: &Policy) {
    let Some((_, cgroup)) = admit(shared, &stream, policy) else { return };
    if let Ok(stream) = stream.into_std()
        && !shared.bells.lock().admit(stream.into(), cgroup)
    {
        shared.registry.lock().refused_full();
    }
}

/// None: the stream is to be dropped.
fn admit(
    shared: &Shared,
    stream: &UnixStream,
    policy: &Policy,
) -> Option<(Credentials, Option<CgroupPath>)> {
    let credentials = stream.peer_cred().ok().map(|peer| Credentials {
        pid: peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
        uid: peer.uid(),
        gid: peer.gid(),
    });
    let Some(credentials) = credentials.filter(|peer| policy.admits(peer)) else {
        shared.registry.lock().refused();
        return None;
    };
    let cgroup = policy.cgroup(&credentials);
    Some((credentials, cgroup))
}

/// Carries bytes until one side ends it.
async fn serve(shared: Arc<Shared>, stream: UnixStream, id: SubscriberId) {
    let mut changed = shared.changed.subscribe();
    loop {
        let interest = match shared.registry.lock().unsent(id) {
            None => return,
            Some([]) => Interest::READABLE,
            Some(_) => Interest::READABLE | Interest::WRITABLE,
        };
        let ready = tokio::select! {
            ready = stream.ready(interest) => ready,
            _ = changed.changed() => continue,
        };
        let carried = ready.and_then(|ready| {
            if ready.is_readable() {
                read(&shared, &stream, id)?;
            }
            if ready.is_writable() { write(&shared, &stream, id) } else { Ok(()) }
        });
        if carried.is_err() {
            shared.registry.lock().leave(id, Left::Closed);
            return;
        }
    }
}

fn read(shared: &Shared, stream: &UnixStream, id: SubscriberId) -> io::Result<()> {
    let mut buffer = [0; READ_BYTES];
    match stream.try_read(&mut buffer) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(length) => {
            let now = shared.started.elapsed();
            shared.registry.lock().receive(id, &buffer[..length], now);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

fn write(shared: &Shared, stream: &UnixStream, id: SubscriberId) -> io::Result<()> {
    let mut registry = shared.registry.lock();
    let Some(unsent) = registry.unsent(id) else { return Ok(()) };
    match stream.try_write(unsent) {
        Ok(length) => {
            registry.sent(id, length, shared.started.elapsed());
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}
