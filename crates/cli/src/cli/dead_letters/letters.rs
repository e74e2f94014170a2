//! The dead letters of either queue: found, read, sent again and deleted by id or by filter.
//!
//! The embedded queue answers at once. SQS is walked page by page; what is passed over is let go at the end, whatever
//! happens in between. Nothing is held in memory but what is told of each letter.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::{FuturesOrdered, StreamExt};
use indicatif::ProgressBar;
use proxy::queue::{DeadLetter, Embedded, SqsDeadLetters, SqsLetter, Status, now};
use tokio::time::{Instant, sleep_until};

/// Dead letters that are listed or chosen at once.
const MOST: u32 = 1_000_000;

/// Dead letters under way at once: they share commits, as events do that come in.
const AT_ONCE: usize = 64;

/// The dead letters of a queue.
pub(super) enum Letters {
    Embedded(Embedded),
    Sqs(SqsDeadLetters),
}

/// Which of all.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// The reason contains this text.
    pub(super) reason: String,
    /// Given up longer ago.
    pub(super) older_than: Option<Duration>,
    /// Given up more lately.
    pub(super) newer_than: Option<Duration>,
}

/// Which are meant.
pub(super) enum Which {
    Ids(Vec<String>),
    All(Filter),
}

/// What is done to them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Redrive,
    Delete,
}

/// What was done.
pub(super) struct Done {
    pub(super) count: usize,
    /// Ids that were asked for and are not there.
    pub(super) unknown: Vec<String>,
}

/// Keeps a rate: each step waits for its turn.
pub(super) struct Pace {
    interval: Duration,
    next: Instant,
}

impl Filter {
    pub(super) fn takes(&self, letter: &DeadLetter, now: i64) -> bool {
        let age =
            Duration::from_millis(u64::try_from(now.saturating_sub(letter.dead_at)).unwrap_or(0));
        letter.reason.contains(&self.reason)
            && self.older_than.is_none_or(|than| age >= than)
            && self.newer_than.is_none_or(|than| age <= than)
    }
}

impl Which {
    fn takes(&self, letter: &DeadLetter, now: i64) -> bool {
        match self {
            Which::Ids(ids) => ids.contains(&letter.id),
            Which::All(filter) => filter.takes(letter, now),
        }
    }

    /// The ids that are still to be found; none when a filter decides.
    fn wanted(&self) -> HashSet<String> {
        match self {
            Which::Ids(ids) => ids.iter().cloned().collect(),
            Which::All(_) => HashSet::new(),
        }
    }

    /// Whether there is no need to look further.
    fn is_done(&self, wanted: &HashSet<String>) -> bool {
        matches!(self, Which::Ids(_)) && wanted.is_empty()
    }
}

impl Pace {
    /// `per_second` steps a second; 0 for as many as there are.
    pub(super) fn new(per_second: u32) -> Pace {
        Pace {
            interval: Duration::from_secs(1)
                .checked_div(per_second)
                .unwrap_or_default(),
            next: Instant::now(),
        }
    }

    /// How many may be under way: what keeps a rate goes one by one.
    fn at_once(&self) -> usize {
        if self.interval.is_zero() { AT_ONCE } else { 1 }
    }

    async fn turn(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.interval;
    }
}

impl Letters {
    /// The letters that pass the filter, oldest first.
    pub(super) async fn list(&self, filter: &Filter) -> anyhow::Result<Vec<DeadLetter>> {
        let mut found = Vec::new();
        match self {
            Letters::Embedded(queue) => {
                let letters = queue.dead_letters(&filter.reason, MOST).await?;
                let now = now();
                found.extend(
                    letters
                        .into_iter()
                        .filter(|letter| filter.takes(letter, now)),
                );
            }
            Letters::Sqs(queue) => {
                let now = now();
                let look = async |letter: &SqsLetter| {
                    if filter.takes(&letter.letter, now) {
                        found.push(letter.letter.clone());
                    }
                    Ok(Seen::Kept)
                };
                walk(queue, look).await?;
                found.sort_by_key(|letter| letter.dead_at);
            }
        }
        Ok(found)
    }

    /// The event of a letter.
    pub(super) async fn body(&self, id: &str) -> anyhow::Result<Option<String>> {
        match self {
            Letters::Embedded(queue) => Ok(queue.dead_letter_body(id).await?),
            Letters::Sqs(queue) => {
                let mut body = None;
                let look = async |letter: &SqsLetter| {
                    if letter.letter.id != id {
                        return Ok(Seen::Kept);
                    }
                    body = Some(queue.body(letter).await?);
                    Ok(Seen::Last)
                };
                walk(queue, look).await?;
                Ok(body)
            }
        }
    }

    /// How the queue stands.
    pub(super) async fn status(&self) -> anyhow::Result<Status> {
        match self {
            Letters::Embedded(queue) => Ok(queue.status().await?),
            Letters::Sqs(queue) => Ok(queue.status().await?),
        }
    }

    /// Does it to those that are meant, at that pace.
    pub(super) async fn act(
        &self,
        act: Act,
        which: &Which,
        mut pace: Pace,
        progress: &ProgressBar,
    ) -> anyhow::Result<Done> {
        let mut wanted = which.wanted();
        let mut count = 0;
        match self {
            Letters::Embedded(queue) => {
                let letters = queue.dead_letters("", MOST).await?;
                let now = now();
                let each = async |id: &String| match act {
                    Act::Redrive => queue.redrive(id).await,
                    Act::Delete => queue.delete_dead_letter(id).await,
                };
                let mut under_way = FuturesOrdered::new();
                for letter in letters.iter().filter(|letter| which.takes(letter, now)) {
                    pace.turn().await;
                    under_way.push_back(each(&letter.id));
                    wanted.remove(&letter.id);
                    if under_way.len() >= pace.at_once()
                        && let Some(done) = under_way.next().await
                    {
                        count += usize::from(done?);
                        progress.inc(1);
                    }
                }
                while let Some(done) = under_way.next().await {
                    count += usize::from(done?);
                    progress.inc(1);
                }
            }
            Letters::Sqs(queue) => {
                let started = now();
                let each = async |letter: &SqsLetter| {
                    progress.inc(1);
                    // What was given up since has had its turn: it would go round and round.
                    let is_new = letter.letter.dead_at > started;
                    if is_new || !which.takes(&letter.letter, started) {
                        return Ok(Seen::Kept);
                    }
                    pace.turn().await;
                    match act {
                        Act::Redrive => queue.redrive(letter).await?,
                        Act::Delete => queue.delete(letter).await?,
                    }
                    count += 1;
                    wanted.remove(&letter.letter.id);
                    Ok(match which.is_done(&wanted) {
                        true => Seen::LastGone,
                        false => Seen::Gone,
                    })
                };
                walk(queue, each).await?;
            }
        }
        let mut unknown: Vec<String> = wanted.into_iter().collect();
        unknown.sort();
        Ok(Done { count, unknown })
    }
}

/// What a look at a letter leaves behind.
enum Seen {
    /// It is still a dead letter.
    Kept,
    /// It is none any more.
    Gone,
    /// Kept, and the walk is over.
    Last,
    /// Gone, and the walk is over.
    LastGone,
}

/// Looks at each letter once, and lets go at the end of those that are kept.
async fn walk(
    queue: &SqsDeadLetters,
    mut look: impl AsyncFnMut(&SqsLetter) -> anyhow::Result<Seen>,
) -> anyhow::Result<()> {
    let (mut seen, mut kept) = (HashSet::new(), Vec::new());
    let walked = async {
        loop {
            let page = queue.page().await?;
            let before = seen.len();
            let mut over = false;
            for letter in page {
                if !seen.insert(letter.queue_id().to_owned()) || over {
                    kept.push(letter.receipt().to_owned());
                    continue;
                }
                let left = look(&letter).await;
                if !matches!(left, Ok(Seen::Gone | Seen::LastGone)) {
                    kept.push(letter.receipt().to_owned());
                }
                over = matches!(left?, Seen::Last | Seen::LastGone);
            }
            // Nothing new: that was all, or the first of them came in sight again.
            if over || seen.len() == before {
                return anyhow::Ok(());
            }
        }
    };
    let walked = walked.await;
    let let_go = queue.let_go(&kept).await;
    walked?;
    Ok(let_go?)
}
