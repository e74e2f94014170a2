//! `aws-stand-in`: the stand-in as a process, for tests in other languages and for benches.

use std::io::Write;
use std::net::SocketAddr;

use aws_stand_in::{Settings, StandIn};
use clap::Parser;

/// Stands in for DataZone and the two Redshift look-ups.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:5600")]
    listen: SocketAddr,
    /// The domain that there is.
    #[arg(long, default_value = "dzd_standin")]
    domain: String,
    /// Posts a second; 0 for no limit.
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// How long each answer takes.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        listen,
        domain,
        rate,
        latency_ms,
    } = Arguments::parse();
    let stand_in = StandIn::start(
        listen,
        Settings {
            domain,
            rate,
            latency_ms,
            ..Settings::default()
        },
    )
    .await?;
    writeln!(std::io::stdout().lock(), "listening on {}", stand_in.url())?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
