//! Counts the appends that are under way, so that the delivery of a backlog leaves the machine to the clients that wait.
//!
//! `log.rs` begins and ends them; `receive.rs` asks whether there are any.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

    /// Whether a client waits for one.
    pub(super) fn are_under_way(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
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
    use super::super::{Consumer, Log, Start};
    use crate::Message;

    fn messages(ids: [&str; 8]) -> Vec<Message> {
        ids.iter().map(|id| message(id)).collect()
    }

    async fn appended(log: &Log) {
        let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let sent = log.append(messages(ids)).await;
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    }

    #[tokio::test]
    async fn the_targets_that_are_behind_share_the_machine_with_clients_that_wait() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path()).await;
        let outlook = |consumer: &Consumer, most| {
            let outlook = consumer.outlook(1, most, Duration::ZERO);
            (outlook.behind, outlook.clients_wait, outlook.consumers)
        };
        let mut consumers = Vec::new();
        for (name, most) in [("file", 4), ("store", 4), ("remote", 1)] {
            let consumer = log.consumer(name, Start::Oldest).await.unwrap();
            consumers.push((consumer, most));
        }
        appended(&log).await;
        for (consumer, most) in &consumers {
            consumer.receive_visible(1, *most).await.unwrap();
        }
        let (file, _) = &consumers[0];
        assert_eq!(outlook(file, 4), (4, false, 2));
        let append = log.appends.begin();
        assert_eq!(outlook(file, 4), (4, true, 2));
        drop(append);
        let (store, _) = &consumers[1];
        store.receive_visible(1, 8).await.unwrap();
        assert_eq!(outlook(file, 4), (4, false, 1));
    }

    #[tokio::test]
    async fn an_append_is_under_way_until_it_ends_or_its_caller_goes() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path()).await;
        assert!(!log.appends.are_under_way());
        let (release, released) = std::sync::mpsc::channel::<()>();
        let busy = log.journal().write(move |_| Ok(released.recv().is_ok()));
        tokio::select! {
            biased;
            _ = busy => panic!("the writer was released"),
            sent = log.append(vec![message("a")]) => panic!("the writer has answered: {sent:?}"),
            under_way = async { log.appends.are_under_way() } => assert!(under_way),
        }
        drop(release);
        assert!(!log.appends.are_under_way());
        appended(&log).await;
        assert!(!log.appends.are_under_way());
    }
}
