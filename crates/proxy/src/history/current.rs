//! The history of a process for those who read it, whether it is open or not.
//!
//! `../history.rs` opens and closes it.

use std::sync::Arc;
use std::time::Duration;

use ::history::History;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a reader waits until the history is open.
const OPENING: Duration = Duration::from_secs(2);

/// The history of a process while it is open, for those who read it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CurrentHistory(Arc<watch::Sender<Option<History>>>);

impl Default for CurrentHistory {
    fn default() -> CurrentHistory {
        CurrentHistory(Arc::new(watch::Sender::new(None)))
    }
}

impl CurrentHistory {
    /// Returns the history, if it is open or soon is: a large file is checked at the start.
    pub(crate) async fn opened(&self) -> Option<History> {
        let mut current = self.0.subscribe();
        let opened = current.wait_for(Option::is_some);
        timeout(OPENING, opened).await.ok()?.ok()?.clone()
    }

    pub(super) fn get(&self) -> Option<History> {
        self.0.borrow().clone()
    }

    pub(super) fn set(&self, history: Option<History>) {
        self.0.send_replace(history);
    }
}
