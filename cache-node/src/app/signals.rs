//! Signals and clients' wishes, in one queue.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};
use std::io;
use std::sync::mpsc::{self, Sender};

/// What the server is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// End; `save`: with what is held written to the restart file.
    Stop { save: bool, why: &'static str },
    /// Read the auth file again.
    Reload,
    /// Write what is held, and go on.
    Snapshot,
}

/// Turns signals into wishes from now on. SIGPIPE is ignored by the runtime already.
pub(super) fn listen(wishes: Sender<Wish>) -> io::Result<Handle> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGUSR2])?;
    let handle = signals.handle();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in &mut signals {
            let wish = match signal {
                SIGHUP => Wish::Reload,
                SIGUSR1 => Wish::Stop { save: true, why: "SIGUSR1" },
                SIGUSR2 => Wish::Snapshot,
                SIGINT => Wish::Stop { save: false, why: "SIGINT" },
                _ => Wish::Stop { save: false, why: "SIGTERM" },
            };
            if wishes.send(wish).is_err() {
                return;
            }
        }
    })?;
    Ok(handle)
}

/// The end of the queue that workers hold: true if items are to be saved.
pub(super) fn stops(wishes: Sender<Wish>) -> Sender<bool> {
    let (sender, receiver) = mpsc::channel();
    let name = std::thread::Builder::new().name("shutdown".into());
    let forward = move || {
        while let Ok(save) = receiver.recv() {
            if wishes.send(Wish::Stop { save, why: "shutdown command" }).is_err() {
                return;
            }
        }
    };
    if let Err(error) = name.spawn(forward) {
        tracing::warn!(%error, "the shutdown command will not work");
    }
    sender
}
