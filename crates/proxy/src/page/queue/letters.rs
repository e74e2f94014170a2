//! Finds and deletes the dead letters of a group of the embedded queue. Called by `page/queue.rs`.

use page::line::queue::{By, Group, Moment, QueueFailure, Selection};
use tracing::{info, warn};

use super::{failed, moment};
use crate::queue::{Embedded, QueueError};

/// How many dead letters are looked for, or deleted, at once.
const CHUNK: usize = 1_000;

/// Counts the dead letters of a group that there were at that moment.
pub(super) async fn selected(
    queue: &Embedded,
    group: Group,
    until: Moment,
) -> Result<Selection, QueueFailure> {
    let mut selection = Selection {
        target: group.target,
        key: group.key,
        shape: None,
        count: 0,
        until,
    };
    let mut after = None;
    loop {
        let step = queue.letters_of_group(&selection.key, moment(until), after, CHUNK);
        let step = step.await.map_err(failed)?;
        selection.count += step.found.len() as u64;
        if let (None, Some(shape)) = (&selection.shape, &step.shape) {
            selection.shape = Some(shape.text().to_owned());
        }
        after = step.next;
        if after.is_none() {
            return Ok(selection);
        }
    }
}

/// Deletes a selection, unless it is another one now. Returns how many were deleted; that is logged also if the rest fails.
pub(super) async fn delete(
    queue: &Embedded,
    selection: Selection,
    by: &By,
) -> Result<u64, QueueFailure> {
    let Selection {
        target,
        key,
        count,
        until,
        ..
    } = selection;
    let there = selected(queue, Group { target, key }, until).await?;
    if there.count != count {
        let left = there.count;
        let why = format!("Of the {count} dead letters {left} are left. Nothing was deleted.");
        return Err(QueueFailure::Conflict(why));
    }
    let mut deleted = 0;
    let ended = delete_all(queue, &there, &mut deleted).await;
    let (target, reason) = (there.target.as_str(), there.shape.as_deref());
    let key = by.as_deref();
    match ended {
        Ok(()) => {
            info!(target, reason, deleted, key, "dead letters deleted");
            Ok(deleted)
        }
        Err(QueueError(error)) => {
            warn!(
                target,
                reason, deleted, key, error, "failed to delete all dead letters"
            );
            let why = format!("{deleted} of {count} dead letters were deleted: {error}");
            Err(QueueFailure::Failed(why))
        }
    }
}

async fn delete_all(
    queue: &Embedded,
    there: &Selection,
    deleted: &mut u64,
) -> Result<(), QueueError> {
    let mut after = None;
    loop {
        let step = queue.letters_of_group(&there.key, moment(there.until), after, CHUNK);
        let step = step.await?;
        *deleted += queue.delete_found(step.found).await?;
        after = step.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
