//! Reads of the history, few at a time: each may take a core for as long as a search may last.

use std::sync::Arc;

use history::{FindError, Found, History, Page, Search};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use crate::Site;
use crate::line::Recorded;
use crate::visit::Fault;

/// The most concurrent reads.
pub(crate) const MOST: usize = 2;

/// Does `work` in one of few turns. It goes on, and has its turn, until it ends, even if the client disconnects meanwhile: what
/// runs on a thread is not interrupted.
pub async fn in_turn<R: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl Future<Output = R> + Send + 'static,
) -> Result<R, JoinError> {
    let turn = turns.clone().acquire_owned().await;
    let work = async {
        let result = work.await;
        drop(turn);
        result
    };
    tokio::spawn(work).await
}

impl Site {
    /// Returns the history.
    pub(crate) async fn history(&self) -> Result<History, Fault> {
        match self.line().history().await {
            Recorded::In(history) => Ok(history),
            Recorded::Never(why) => Err(Fault::not_found(why)),
            Recorded::Unavailable => {
                let why = "the history is not open: see the log of the proxy";
                Err(Fault::unavailable(why))
            }
        }
    }

    /// Reads something of the history.
    pub(crate) async fn read<R: Send + 'static>(
        &self,
        read: impl Future<Output = Result<R, FindError>> + Send + 'static,
    ) -> Result<R, Fault> {
        let too_long = || Fault::bad_request(FindError::TooLong.to_string());
        self.read_in_time(read).await?.ok_or_else(too_long)
    }

    /// Reads something of the history, or `None` if that takes too long.
    pub(crate) async fn read_in_time<R: Send + 'static>(
        &self,
        read: impl Future<Output = Result<R, FindError>> + Send + 'static,
    ) -> Result<Option<R>, Fault> {
        let ended = in_turn(self.turns(), read).await;
        let read = ended.map_err(|error| Fault::unavailable(error.to_string()))?;
        match read {
            Ok(read) => Ok(Some(read)),
            Err(FindError::TooLong) => Ok(None),
            // The reason may name files.
            Err(FindError::Failed(_)) => Err(Fault::unavailable(
                "the history cannot be read: see the log of the proxy",
            )),
        }
    }

    /// Finds events.
    pub(crate) async fn find(
        &self,
        history: History,
        search: Search,
        page: Page,
        limit: usize,
    ) -> Result<Found, Fault> {
        let now = self.line().now();
        self.read(async move { history.find(search, page, limit, now).await })
            .await
    }
}
