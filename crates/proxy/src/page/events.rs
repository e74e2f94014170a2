//! The events of the proxy, as the page shows them: those that wait, and what one says.

use std::sync::Arc;

use std::time::Duration;

use ::history::{FoundWaiting, Name, Search, Unsettled, WaitingEvent};
use openlineage::{Event, Identity};
use page::line::Answer;
use page::line::events::{EventLine, EventTexts, NoTexts};
use tokio::time::Instant;
use tracing::warn;

use super::in_force::in_force;
use super::texts::{TargetRules, redacted, texts};
use crate::queue::{KeptEvent, Log, StoredForm, WaitingEvent as Waiting, now};
use crate::telemetry::text::{NAME, shown};
use crate::topology::OpenPipelines;

/// The most events that wait and are shown.
const WAITING: u32 = 100;

/// The most events that wait and are looked through for a search, and how long that takes before it ends: each is read, and
/// redacted by the rules of all targets. As many as are shown are in memory at once.
const LOOKED_THROUGH: u32 = 2_000;
const TIME: Duration = Duration::from_secs(1);

/// The largest event that is shown, in bytes: each rule of each target that changes it makes another event, which is compared with
/// the one before.
const SHOWN: usize = 4 << 20;

/// The events of the proxy.
pub(crate) struct ProxyEvents {
    /// The log, unless the queue is SQS.
    pub(crate) log: Option<Log>,
    /// The targets, in their order, and which of them is the store.
    pub(crate) targets: Vec<(String, bool)>,
    /// Their rules.
    pub(crate) pipelines: Arc<OpenPipelines>,
}

impl EventLine for ProxyEvents {
    fn waiting<'a>(&'a self, search: &'a Search) -> Answer<'a, Result<FoundWaiting, String>> {
        Box::pin(self.matching(search))
    }

    fn accepted<'a>(&'a self, id: &'a str, near: i64) -> Answer<'a, Result<String, NoTexts>> {
        let accepted = |event: &Event, _: Option<&StoredForm>, rules: &[TargetRules]| {
            redacted(event, rules, None).map(|event| event.text().to_owned())
        };
        Box::pin(self.read(id, near, usize::MAX, accepted))
    }

    fn texts<'a>(&'a self, id: &'a str, near: i64) -> Answer<'a, Result<EventTexts, NoTexts>> {
        Box::pin(self.read(id, near, SHOWN, texts))
    }
}

/// What is made of an event: of what the log has of its delivery, and of the rules of all targets.
type Reading<T> = fn(&Event, Option<&StoredForm>, &[TargetRules]) -> Result<T, String>;

impl ProxyEvents {
    /// Returns the newest events that wait and match, as many as are shown.
    async fn matching(&self, search: &Search) -> Result<FoundWaiting, String> {
        let mut found = FoundWaiting::default();
        let Some(log) = self.log.as_ref().filter(|_| !search.needs_outcome()) else {
            return Ok(found);
        };
        let failed = |error: crate::queue::QueueError| error.to_string();
        let most = match search.terms.is_empty() {
            true => WAITING,
            false => LOOKED_THROUGH,
        };
        // One more tells whether there are more.
        let numbers = log.waiting_numbers(most + 1).await.map_err(failed)?;
        let rules = self.rules().ok().map(Arc::new);
        let (begun, at) = (Instant::now(), now());
        let looked = numbers.get(..most as usize).unwrap_or(&numbers);
        for part in looked.chunks(WAITING as usize) {
            if found.events.len() >= WAITING as usize || begun.elapsed() >= TIME {
                break;
            }
            let events = log.waiting_events(part.to_vec()).await.map_err(failed)?;
            let (rules, search) = (rules.clone(), search.clone());
            let read = move || {
                let rules = rules.as_ref().map(|rules| rules.as_slice());
                let events = events.into_iter();
                let events = events.filter_map(|it| waiting_event(it, rules, &search, at));
                events.collect::<Vec<_>>()
            };
            let read = tokio::task::spawn_blocking(read).await;
            found
                .events
                .extend(read.map_err(|error| error.to_string())?);
            found.looked_through += part.len();
        }
        let is_cut = found.events.len() > WAITING as usize;
        found.more = is_cut || numbers.len() > found.looked_through;
        found.events.truncate(WAITING as usize);
        Ok(found)
    }

    /// Does `work` on an event of at most so many bytes, on a thread of its own.
    async fn read<T: Send + 'static>(
        &self,
        id: &str,
        near: i64,
        most: usize,
        work: Reading<T>,
    ) -> Result<T, NoTexts> {
        let log = self.log.as_ref().ok_or(NoTexts::NotKept)?;
        let found = log.event(id.to_owned(), near).await.map_err(|error| {
            warn!(%error, "an event cannot be read for the page");
            NoTexts::Failed
        })?;
        let KeptEvent { event, stored } = found.ok_or(NoTexts::Gone)?;
        if event.body.len() > most {
            return Err(NoTexts::TooLarge(event.body.len()));
        }
        let rules = self.rules().map_err(NoTexts::Unreadable)?;
        let done = move || {
            let body: Arc<str> = event.body.into();
            let event = Event::read_again(&body).ok_or("it is no event")?;
            work(&event, stored.as_ref(), &rules)
        };
        let done = tokio::task::spawn_blocking(done).await;
        let done = done.unwrap_or_else(|_panic| Err("a bug".to_owned()));
        done.map_err(NoTexts::Unreadable)
    }

    /// Returns the rules of all targets. Without those of one of them, it is not known what has to be hidden.
    fn rules(&self) -> Result<Vec<TargetRules>, String> {
        let targets = self.targets.iter();
        let targets = targets.map(|(target, is_store)| (target.as_str(), *is_store));
        in_force(targets, &self.pipelines)
    }
}

/// Returns what is shown of an event that waits, if a search matches it. Its names are told only where it is known what rules
/// redact, and only these are looked for.
fn waiting_event(
    waiting: Waiting,
    rules: Option<&[TargetRules]>,
    search: &Search,
    now: i64,
) -> Option<WaitingEvent> {
    let Waiting {
        id,
        received_at,
        body,
        targets,
        ..
    } = waiting;
    let body: Option<Arc<str>> = body.map(Into::into);
    let event = body.and_then(|body| Event::read_again(&body));
    let event = event.and_then(|event| redacted(&event, rules?, None).ok());
    let event = event.as_ref();
    // As the history has names.
    let name = |identity: &Identity| Name {
        namespace: shown(&identity.namespace, NAME).into_owned(),
        name: shown(&identity.name, NAME).into_owned(),
    };
    let job = event.and_then(Event::job).map(name);
    let run = event.and_then(Event::run_id).map(|run| run.to_string());
    let (named, datasets) =
        event.map_or_else(Default::default, |event| ::history::datasets(event.json()));
    let named: Vec<Name> = named.iter().map(name).collect();
    let unsettled = Unsettled {
        id: &id,
        accepted_at: received_at,
        kind: event.map(Event::label),
        run: run.as_deref(),
        job: job.as_ref(),
        datasets: &named,
    };
    search.matches(&unsettled, now).then(|| WaitingEvent {
        accepted_at: ::history::shown(received_at),
        kind: event.map(|event| event.label().to_owned()),
        run: run.clone(),
        job: job.clone(),
        datasets,
        is_in_hand: targets.iter().all(|(_, is_in_hand)| *is_in_hand),
        id: id.clone(),
    })
}
