//! How long a consumer waits before it receives, where its target takes more events at once than make a batch: so that batches are
//! large, and so that the delivery of a backlog leaves the machine to clients that wait for their append.
//!
//! Pure but for the memory of the last batch. `receive.rs` asks and waits.

use std::num::NonZero;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a batch that is large enough waits for more, as `linger.ms` of Kafka's producer
/// (<https://kafka.apache.org/documentation/#producerconfigs_linger.ms>), though to the end: waking up for each append costs more. A
/// batch costs two commits and the sync of its target, whatever its size: with three files an event takes a quarter less processor
/// time than without. Short beside the window in which a batch that is too small waits.
const LINGER: Duration = Duration::from_millis(20);

/// The pause for each event of the last batch of a backlog, and for each target, while a client waits: the targets together receive
/// at most 23,000 events a second meanwhile, and leave the rest of the machine to the clients. Not less after a batch that took
/// long: on a busy machine all do. Without it, clients get a third fewer answers with three files than
/// with one; with it, an eighth.
const PAUSE_OF_EVENT: Duration = Duration::from_micros(44);

/// The same where the process may use one core only: the clients need as much of it as of two.
const PAUSE_OF_EVENT_SINGLE_CORE: Duration = Duration::from_micros(88);

/// With so many events behind, a backlog is received without pauses: it must not grow for as long as more comes than that rate.
const LONG_BACKLOG: i64 = 50_000;

/// What a consumer has last received, and how long it pauses for each event of that.
#[derive(Debug)]
pub(super) struct Pace {
    pause_of_event: Duration,
    last: Mutex<Option<LastBatch>>,
}

#[derive(Debug, Clone, Copy)]
struct LastBatch {
    records: usize,
    /// Whether some were on a further attempt: then no more than enough are received at once.
    has_retries: bool,
    /// Whether more than enough could have been received.
    takes_more: bool,
}

/// What a consumer could receive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    /// So many make a batch.
    pub(super) enough: i64,
    /// The most that are received at once.
    pub(super) most: i64,
    /// How long a batch waits for enough.
    pub(super) window: Duration,
    /// How many events were appended that it has not received.
    pub(super) behind: i64,
    /// Whether a client waits for its append.
    pub(super) clients_wait: bool,
    /// How many consumers pause like this one and are behind, this one included.
    pub(super) consumers: u32,
}

impl Pace {
    /// Creates the pace of a process that may use so many cores, if that is known.
    pub(super) fn new(cores: Option<NonZero<usize>>) -> Pace {
        let pause_of_event = match cores {
            Some(cores) if cores.get() == 1 => PAUSE_OF_EVENT_SINGLE_CORE,
            Some(_) | None => PAUSE_OF_EVENT,
        };
        Pace {
            pause_of_event,
            last: Mutex::default(),
        }
    }

    /// Notes a batch.
    pub(super) fn received(&self, records: usize, has_retries: bool, takes_more: bool) {
        *self.lock() = Some(LastBatch {
            records,
            has_retries,
            takes_more,
        });
    }

    /// Whether its consumer pauses at all.
    pub(super) fn takes_more(&self) -> bool {
        self.lock().is_some_and(|last| last.takes_more)
    }

    /// Returns how long to wait before the next batch is received.
    pub(super) fn pause(&self, outlook: Outlook) -> Duration {
        pause(outlook, *self.lock(), self.pause_of_event)
    }

    fn lock(&self) -> MutexGuard<'_, Option<LastBatch>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(outlook: Outlook, last: Option<LastBatch>, pause_of_event: Duration) -> Duration {
    let has_retries = last.is_some_and(|last| last.has_retries);
    if outlook.most <= outlook.enough || has_retries {
        return Duration::ZERO;
    }
    if outlook.behind < outlook.most {
        return match outlook.enough {
            1 => Duration::ZERO, // no batches are wanted
            _ => LINGER.min(outlook.window),
        };
    }
    if !outlook.clients_wait || outlook.behind >= LONG_BACKLOG {
        return Duration::ZERO;
    }
    let records = last.map_or(0, |last| u32::try_from(last.records).unwrap_or(u32::MAX));
    pause_of_event.saturating_mul(records.saturating_mul(outlook.consumers))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKLOG: Outlook = Outlook {
        enough: 20,
        most: 160,
        window: Duration::from_secs(5),
        behind: 1_000,
        clients_wait: true,
        consumers: 1,
    };

    fn after(records: usize, outlook: Outlook) -> Duration {
        let last = LastBatch {
            records,
            has_retries: false,
            takes_more: true,
        };
        pause(outlook, Some(last), PAUSE_OF_EVENT)
    }

    #[test]
    fn on_a_single_core_a_backlog_pauses_for_longer() {
        let after = |cores: usize| {
            let pace = Pace::new(NonZero::new(cores));
            pace.received(160, false, true);
            pace.pause(BACKLOG)
        };
        assert_eq!(after(1), PAUSE_OF_EVENT_SINGLE_CORE * 160);
        assert_eq!([2, 64].map(after), [PAUSE_OF_EVENT * 160; 2]);
        assert_eq!(after(0), PAUSE_OF_EVENT * 160, "it is not known");
    }

    #[test]
    fn a_backlog_pauses_for_each_event_and_target_while_a_client_waits() {
        assert_eq!(after(160, BACKLOG), PAUSE_OF_EVENT * 160);
        assert_eq!(after(20, BACKLOG), PAUSE_OF_EVENT * 20);
        let three = Outlook {
            consumers: 3,
            ..BACKLOG
        };
        assert_eq!(after(160, three), PAUSE_OF_EVENT * 480);
        let nobody = Outlook {
            clients_wait: false,
            ..BACKLOG
        };
        assert_eq!(after(160, nobody), Duration::ZERO);
    }

    #[test]
    fn a_long_backlog_does_not_grow_for_the_clients() {
        let long = Outlook {
            behind: LONG_BACKLOG,
            ..BACKLOG
        };
        assert_eq!(after(160, long), Duration::ZERO);
    }

    #[test]
    fn a_batch_that_is_large_enough_waits_for_more_but_not_longer_than_for_enough() {
        let few = Outlook {
            behind: 20,
            clients_wait: false,
            ..BACKLOG
        };
        assert_eq!(after(0, few), LINGER);
        assert_eq!(pause(few, None, PAUSE_OF_EVENT), LINGER);
        let at_once = Outlook {
            window: Duration::ZERO,
            ..few
        };
        assert_eq!(after(0, at_once), Duration::ZERO);
        let one = Outlook { enough: 1, ..few };
        assert_eq!(after(0, one), Duration::ZERO);
        let all = Outlook { most: 20, ..few };
        assert_eq!(
            after(0, all),
            Duration::ZERO,
            "no more are received at once"
        );
    }

    #[test]
    fn events_on_a_further_attempt_do_not_wait_for_others() {
        let last = LastBatch {
            records: 20,
            has_retries: true,
            takes_more: true,
        };
        for behind in [20, 1_000] {
            let outlook = Outlook { behind, ..BACKLOG };
            assert_eq!(pause(outlook, Some(last), PAUSE_OF_EVENT), Duration::ZERO);
        }
    }
}
