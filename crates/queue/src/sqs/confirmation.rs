//! Determines which entries of a batch request the service has confirmed. Only these are done. Shared by sending and settling.

use std::collections::{HashMap, HashSet};
use std::future::Future;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::BatchResultErrorEntry;
use tokio::time::Instant;

use crate::Redactor;
use aws::summarize;

/// Indices of entries, and why each of them failed.
pub(super) type Failures = Vec<(usize, String)>;

/// Sends a batch request and returns the entries that were not done: all, if the request failed or took longer than
/// `until`; otherwise those that the response reports as failed, and those that it does not contain.
pub(super) async fn unconfirmed<T, E: std::error::Error + ProvideErrorMetadata>(
    indices: Vec<usize>,
    until: Instant,
    redact: Redactor,
    request: impl Future<Output = Result<T, E>>,
    read: impl Fn(&T) -> (HashSet<usize>, Failures),
) -> Failures {
    let (confirmed, failed, otherwise) = match tokio::time::timeout_at(until, request).await {
        Ok(Ok(response)) => {
            let (confirmed, failed) = read(&response);
            let silent = "the service did not confirm this entry".to_owned();
            (confirmed, failed, silent)
        }
        Ok(Err(error)) => (HashSet::new(), Vec::new(), summarize(&error, redact)),
        Err(_) => (HashSet::new(), Vec::new(), "no response in time".to_owned()),
    };
    let mut reasons: HashMap<usize, String> = failed.into_iter().collect();
    let unconfirmed = indices.into_iter().filter_map(|index| {
        let reason = reasons.remove(&index);
        let is_confirmed = reason.is_none() && confirmed.contains(&index);
        (!is_confirmed).then(|| (index, reason.unwrap_or_else(|| otherwise.clone())))
    });
    unconfirmed.collect()
}

/// Returns the index of an entry, which is its id.
pub(super) fn index_of(id: &str) -> Option<usize> {
    id.parse().ok()
}

/// Returns the entries that a response reports as failed.
pub(super) fn failures(entries: &[BatchResultErrorEntry]) -> Failures {
    let message = |entry: &BatchResultErrorEntry| {
        let message = entry.message().unwrap_or("no message");
        format!("{}: {message}", entry.code())
    };
    entries
        .iter()
        .filter_map(|entry| Some((index_of(entry.id())?, message(entry))))
        .collect()
}

/// Writes failures to the results of their entries.
pub(super) fn record_failures<E>(
    results: &mut [Result<(), E>],
    failures: impl IntoIterator<Item = (usize, String)>,
    error: impl Fn(String) -> E,
) {
    for (index, message) in failures {
        if let Some(result) = results.get_mut(index) {
            *result = Err(error(message));
        }
    }
}
