//! Reads logs, saved results and services, and hands each event to the destination as it comes.
//!
//! What is read is decided in `source.rs`, and where events go in `destination.rs`. Called by `extract.rs`.

use std::time::Duration;

use aws::Aws;
use fetch::{Checkpoint, FetchError, KindConfig, SavedSource};
use indicatif::ProgressBar;
use sources::Extraction;
use time::OffsetDateTime;

use super::destination::Destination;
use super::state::State;
use super::summary::Summary;
use super::{input, wrong};

/// How often a service that is not available is tried, and the pause after the first attempt; it doubles.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_secs(1);

/// Reads logs, in pieces. One that was named has an event: otherwise it is the wrong file.
pub(super) async fn read_logs(
    files: &[String],
    are_named: bool,
    destination: &mut Destination,
    summary: &mut Summary,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    for file in files {
        let before = summary.events();
        let mut reader = input::LogReader::open(file)?;
        while let Some(extraction) = reader.next()? {
            take(
                extraction,
                Some(input::name(file)),
                destination,
                summary,
                progress,
            )
            .await?;
        }
        if are_named && summary.events() == before {
            summary.find_none(file, progress);
        }
    }
    Ok(())
}

/// Reads what was saved of a service. All files together have an event: one of them alone need not.
pub(super) async fn read_saved(
    files: &[String],
    mut source: SavedSource,
    destination: &mut Destination,
    summary: &mut Summary,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    for file in files {
        let bytes = input::read(file)?;
        let found = source.read(input::name(file), &bytes);
        let found = found.map_err(|error| wrong(error.to_string()))?;
        take(
            found,
            Some(input::name(file)),
            destination,
            summary,
            progress,
        )
        .await?;
    }
    let found = source.end().map_err(|error| {
        for finding in error.findings() {
            summary.find(finding, progress);
        }
        wrong(error.to_string())
    })?;
    take(found, None, destination, summary, progress).await?;
    if summary.events() == 0 {
        for file in files {
            summary.find_none(input::name(file), progress);
        }
    }
    Ok(())
}

/// Reads a service until there is no more at once.
pub(super) async fn read_service(
    config: KindConfig,
    aws: &Aws,
    mut state: Option<State>,
    destination: &mut Destination,
    summary: &mut Summary,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let mut source = config.open(aws);
    let mut cursor = state.as_ref().and_then(|state| state.cursor().cloned());
    let now = OffsetDateTime::now_utc();
    let mut failures = 0;
    loop {
        let fetched = match source.next(cursor.as_ref(), now).await {
            Ok(fetched) => fetched,
            Err(FetchError::Unavailable(why)) if failures + 1 < ATTEMPTS => {
                progress.set_message(format!("{why}; trying again"));
                tokio::time::sleep(PAUSE.saturating_mul(2_u32.saturating_pow(failures))).await;
                failures += 1;
                continue;
            }
            Err(FetchError::Unavailable(why)) => {
                return Err(proxy::queue::QueueError(why).into());
            }
            Err(FetchError::Refused(why)) => return Err(wrong(why)),
        };
        failures = 0;
        // Before anything is deleted or passed over: all events are taken, or this is an error.
        let keeps_unread = take(fetched.extraction, None, destination, summary, progress).await?;
        match fetched.checkpoint {
            Checkpoint::None => {}
            Checkpoint::Cursor(next) => {
                if let Some(state) = &mut state {
                    state.advance(&next)?;
                }
                cursor = Some(next);
            }
            Checkpoint::Messages { mut read, unread } if destination.keeps() => {
                destination.keep()?;
                read.extend(unread.into_iter().filter(|_| keeps_unread));
                let receipts = read.into_iter().map(|message| message.receipt);
                let taken = source.taken(&receipts.collect::<Vec<_>>()).await;
                taken.map_err(|error| proxy::queue::QueueError(error.to_string()))?;
            }
            // Without anybody who keeps their events, messages stay where they are, and would come again and again.
            Checkpoint::Messages { .. } => {
                if fetched.more {
                    summary.stop_early(progress);
                }
                return Ok(());
            }
        }
        if !fetched.more {
            return Ok(());
        }
    }
}

/// Sends what was found, and counts it. It is an error if not all could be sent. Returns whether the inputs are kept that
/// cannot be read because of a bug. `file` is where it was found, if it is a file.
async fn take(
    extraction: Extraction,
    file: Option<&str>,
    destination: &mut Destination,
    summary: &mut Summary,
    progress: &ProgressBar,
) -> anyhow::Result<bool> {
    for finding in &extraction.findings {
        summary.find(finding, progress);
    }
    let count = extraction.events.len() as u64;
    let (sent, failure) = destination.take(extraction.events, file, progress).await?;
    summary.add(count, sent);
    progress.set_message(format!("{} events found", summary.events()));
    match failure {
        Some(failure) => Err(failure),
        None => destination.set_aside(extraction.unread).await,
    }
}
