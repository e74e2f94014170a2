//! Counts the appends that are under way, so that the delivery of a backlog leaves the machine to the clients that wait.
//!
//! `log.rs` begins and ends them; `receive.rs` asks how many records may be received at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many batches are received at once while a client waits for its append. On one core, with 32 clients and a backlog for
/// a file, eight at once cost a fifth to a third of the requests per second, and two less than 5 %.
const BATCHES: i64 = 2;

/// How many appends are under way. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Appends(Arc<AtomicUsize>);

/// An append that is under way until this is dropped, also because its caller has gone.
#[derive(Debug)]
pub(super) struct AppendUnderWay(Appends);

impl Appends {
    pub(super) fn begin(&self) -> AppendUnderWay {
        self.0.fetch_add(1, Ordering::Relaxed);
        AppendUnderWay(self.clone())
    }

    /// The most records to receive at once now, of at most `most`, if `enough` are worth a batch.
    pub(super) fn limit(&self, enough: i64, most: i64) -> i64 {
        match self.0.load(Ordering::Relaxed) {
            0 => most,
            _ => most.min(enough.saturating_mul(BATCHES)),
        }
    }
}

impl Drop for AppendUnderWay {
    fn drop(&mut self) {
        (self.0.0).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{log, message};
    use super::super::{Log, Start};
    use crate::{BatchSize, Message};

    fn messages(ids: [&str; 8]) -> Vec<Message> {
        ids.iter().map(|id| message(id)).collect()
    }

    async fn appended(log: &Log) {
        let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let sent = log.append(messages(ids)).await;
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    }

    const SIZE: BatchSize = BatchSize { enough: 1, most: 8 };

    #[tokio::test]
    async fn less_of_a_backlog_is_received_at_once_while_a_client_waits() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path()).await;
        let consumer = log.consumer("target", Start::Oldest).await.unwrap();
        appended(&log).await;
        let append = log.appends.begin();
        let beside = consumer.receive(SIZE, Duration::ZERO).await.unwrap();
        drop(append);
        let rest = consumer.receive(SIZE, Duration::ZERO).await.unwrap();
        assert_eq!((beside.len(), rest.len()), (2, 6));
    }

    #[tokio::test]
    async fn an_append_is_under_way_until_it_ends_or_its_caller_goes() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path()).await;
        assert_eq!(log.appends.limit(1, 8), 8);
        let (release, released) = std::sync::mpsc::channel::<()>();
        let busy = log.journal().write(move |_| Ok(released.recv().is_ok()));
        tokio::select! {
            biased;
            _ = busy => panic!("the writer was released"),
            sent = log.append(vec![message("a")]) => panic!("the writer has answered: {sent:?}"),
            limit = async { log.appends.limit(1, 8) } => assert_eq!(limit, 2),
        }
        drop(release);
        assert_eq!(log.appends.limit(1, 8), 8);
        appended(&log).await;
        assert_eq!(log.appends.limit(1, 8), 8);
    }
}
