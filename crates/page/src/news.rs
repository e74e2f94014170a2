//! `GET /news`: tells pages that are looked at that something has changed, and nothing of what.
//!
//! It ends with the session of its reader. Whatever the number of readers, what is told is read at most four times a second, and less often if that takes long.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use history::{Page, Search};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use crate::Site;
use crate::line::Recorded;
use crate::tally::Queued;
use crate::visit::Fault;

/// The most readers: each has a connection.
pub(crate) const MOST: usize = 64;

/// How often it is looked whether something has changed.
const INTERVAL: Duration = Duration::from_millis(250);

/// How often the time that this takes passes before it is done again.
const SHARE: u32 = 10;

/// How often something is sent: a client that gets nothing for 30 s is disconnected.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a reader is served until it has to ask, and be admitted, again.
const LONGEST: Duration = Duration::from_secs(600);

/// What is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct News {
    /// The number of the newest change.
    newest: i64,
    waiting: u64,
    retrying: u64,
    dead_letters: u64,
}

/// What was told last.
#[derive(Debug, Default)]
pub(crate) struct LastNews {
    news: News,
    /// When it was found to have changed.
    changed: Option<Instant>,
    /// When it is read again.
    due: Option<Instant>,
}

/// A reader, to whom this was told last.
struct Reader {
    site: Site,
    told: Option<News>,
    until: Instant,
    /// The headers of a request that has a session: with the session it ends.
    session: Option<HeaderMap>,
    _place: OwnedSemaphorePermit,
}

/// Tells a reader until it goes away, its session ends, or the proxy stops.
pub(crate) async fn news(State(site): State<Site>, headers: HeaderMap) -> Result<Response, Fault> {
    let place = site.readers().clone().try_acquire_owned();
    let place = place.map_err(|_| Fault::unavailable("too many pages are open"))?;
    let reader = Reader {
        until: Instant::now() + LONGEST,
        session: site
            .sessions()
            .key(&headers, Instant::now())
            .map(|_| headers),
        site,
        told: None,
        _place: place,
    };
    let told = stream::unfold(reader, async |mut reader| {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let kept = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(told).keep_alive(kept).into_response())
}

impl Reader {
    /// Waits until there is something new. `None`: it is over.
    async fn next(&mut self) -> Option<Event> {
        let stop = self.site.stop().clone();
        loop {
            let news = tokio::select! {
                news = self.site.news() => news,
                () = stop.cancelled() => return None,
            };
            if self.has_ended(Instant::now()) {
                return None;
            }
            if self.told != Some(news) {
                self.told = Some(news);
                return Event::default().json_data(news).ok();
            }
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = stop.cancelled() => return None,
            }
        }
    }
}

impl Reader {
    /// Whether it has to ask again.
    fn has_ended(&self, now: Instant) -> bool {
        let sessions = self.site.sessions();
        let is_over = |headers| sessions.key(headers, now).is_none();
        now >= self.until || self.session.as_ref().is_some_and(is_over)
    }
}

impl Site {
    /// Returns what is told now: what was read a moment ago, or else what is read now.
    async fn news(&self) -> News {
        let mut last = self.last_news().lock().await;
        let begun = Instant::now();
        if last.due.is_some_and(|due| begun < due) {
            return last.news;
        }
        let queued = Queued::of(&self.queue().state().await);
        let news = News {
            // What cannot be read now is not new.
            newest: self.newest().await.unwrap_or(last.news.newest),
            waiting: queued.waiting.saturating_add(queued.in_flight),
            retrying: queued.retrying,
            dead_letters: queued.dead_letters,
        };
        if last.news != news {
            last.changed = Some(Instant::now());
        }
        last.news = news;
        last.due = Some(Instant::now() + INTERVAL.max(begun.elapsed() * SHARE));
        last.news
    }

    /// Returns when news changed last: whoever was told gets nothing that was read before.
    pub(crate) async fn changed(&self) -> Option<Instant> {
        self.last_news().lock().await.changed
    }

    async fn newest(&self) -> Option<i64> {
        let Recorded::In(history) = self.line().history().await else {
            return None;
        };
        let found = self.find(history, Search::default(), Page::Before(None), 0);
        found.await.ok().map(|found| found.newest)
    }
}
