//! The signals that a process listens to, from when these are made: one that comes during the start counts too.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and Ctrl-C. The first one begins a stop, which ends by itself within seconds; those after it change nothing.
#[derive(Debug)]
pub struct ToldToStop {
    terminate: Signal,
    interrupt: Signal,
}

impl ToldToStop {
    /// Begins to listen.
    pub fn listen() -> anyhow::Result<ToldToStop> {
        Ok(ToldToStop {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Comes back when one came.
    pub async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// SIGHUP: read the rules and open the files again. Without a listener it would end the process.
#[derive(Debug)]
pub struct ToldToReload(Signal);

impl ToldToReload {
    /// Begins to listen.
    pub fn listen() -> anyhow::Result<ToldToReload> {
        Ok(ToldToReload(signal(SignalKind::hangup())?))
    }

    /// Comes back when it came.
    pub async fn told(&mut self) {
        self.0.recv().await;
    }
}
