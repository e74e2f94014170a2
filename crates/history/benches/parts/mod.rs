//! Events of an estate, and a history that records them.

use std::borrow::Cow;
use std::sync::Arc;

use history::{DeliveredEvent, Entry, History, Outcome, Retention};
use journal::Claim;
use openlineage::{Event, Identity, Level};

/// As many outcomes as `serve` writes at once.
pub(crate) const GROUP: usize = 256;

/// In milliseconds since 1970: 1 January 2026.
const BEGIN: i64 = 1_767_225_600_000;

/// That of the datasets.
pub(crate) const NAMESPACE: &str = "postgres://db.example.com:5432";

const FACET: &str = r#""_producer":"https://github.com/OpenLineage/OpenLineage/tree/1.40.1/integration/spark","_schemaURL":"https://openlineage.io/spec/facets/1-2-0/Facet.json""#;

/// Jobs that each read one to four datasets and write one of 15 columns, each made of two others. Each run starts and completes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Estate {
    jobs: usize,
}

impl Estate {
    /// Of so many jobs, which run in turns.
    pub(crate) fn of(jobs: usize) -> Estate {
        Estate { jobs }
    }

    /// Whose jobs all run once.
    #[allow(dead_code, reason = "not each benchmark asks")]
    pub(crate) fn endless() -> Estate {
        Estate { jobs: usize::MAX }
    }

    /// The text of event `n`.
    pub(crate) fn text(self, n: usize) -> String {
        let (run, is_end) = (n / 2, n % 2 == 1);
        let job = run % self.jobs;
        let inputs = (1..=1 + job % 4).filter_map(|step| job.checked_sub(step * 7));
        let inputs: Vec<String> = inputs.map(table).collect();
        let listed = inputs
            .iter()
            .map(|name| dataset(name, ""))
            .collect::<Vec<_>>();
        let facets = if is_end {
            columns(&inputs)
        } else {
            String::new()
        };
        let output = dataset(&table(job), &format!("{}{facets}", schema()));
        let event_type = if is_end { "COMPLETE" } else { "START" };
        let time = history::shown(at(n));
        format!(
            r#"{{"eventTime":"{time}","producer":"https://github.com/OpenLineage/OpenLineage/tree/1.40.1/integration/spark","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent","eventType":"{event_type}","run":{{"runId":"01890000-0000-7000-8000-{run:012}","facets":{{"processing_engine":{{{FACET},"version":"3.5.7","name":"spark"}}}}}},"job":{{"namespace":"air","name":"job_{job:05}"}},"inputs":[{}],"outputs":[{output}]}}"#,
            listed.join(",")
        )
    }
}

fn table(job: usize) -> String {
    format!("shop.layer.table_{job:05}")
}

fn dataset(name: &str, facets: &str) -> String {
    format!(r#"{{"namespace":"{NAMESPACE}","name":"{name}","facets":{{{facets}}}}}"#)
}

fn schema() -> String {
    let fields = (0..15).map(|n| format!(r#"{{"name":"column_{n:02}","type":"varchar(256)"}}"#));
    let fields = fields.collect::<Vec<_>>().join(",");
    format!(r#""schema":{{{FACET},"fields":[{fields}]}}"#)
}

fn columns(inputs: &[String]) -> String {
    let column = |column: usize| {
        let sources = inputs.iter().take(2).map(|input| {
            format!(
                r#"{{"namespace":"{NAMESPACE}","name":"{input}","field":"column_{column:02}","transformations":[{{"type":"DIRECT","subtype":"IDENTITY"}}]}}"#
            )
        });
        let sources = sources.collect::<Vec<_>>().join(",");
        format!(r#""column_{column:02}":{{"inputFields":[{sources}]}}"#)
    };
    let columns = (0..15).map(column).collect::<Vec<_>>().join(",");
    format!(r#","columnLineage":{{{FACET},"fields":{{{columns}}}}}"#)
}

/// A history, and the events that come next.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) history: History,
    estate: Estate,
    with_lineage: bool,
    retention: Retention,
    pub(crate) next: usize,
}

impl Place {
    pub(crate) fn new(estate: Estate, with_lineage: bool, retention: Retention) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let claim = Arc::new(Claim::take(folder.path()).unwrap());
        let history = History::own(&claim).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread();
        Place {
            folder,
            runtime: { runtime }.build().unwrap(),
            history,
            estate,
            with_lineage,
            retention,
            next: 0,
        }
    }

    /// The next events, as they are in memory when their outcomes are observed.
    pub(crate) fn group(&mut self) -> Vec<(usize, Event)> {
        let numbers = self.next..self.next + GROUP;
        self.next = numbers.end;
        let event = |n| {
            let text = self.estate.text(n);
            (
                n,
                Event::read(text.as_bytes(), Level::Repair).unwrap().event,
            )
        };
        numbers.map(event).collect()
    }

    pub(crate) fn record(&self, group: Vec<(usize, Event)>) {
        let with_lineage = self.with_lineage;
        let entries = move || {
            let entries = group.into_iter();
            entries
                .map(|(n, event)| entry(n, event, with_lineage))
                .collect()
        };
        let recorded = self
            .history
            .record(entries, None, self.retention, at(self.next));
        self.runtime.block_on(recorded).unwrap();
    }

    /// How many bytes the history takes.
    #[allow(dead_code, reason = "not each benchmark asks")]
    pub(crate) fn size(&self) -> u64 {
        let file = rusqlite::Connection::open(History::path(self.folder.path())).unwrap();
        let size = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        let size = file.query_row(size, [], |row| row.get::<_, i64>(0));
        size.unwrap().unsigned_abs()
    }
}

/// When event `n` is accepted and delivered, in milliseconds since 1970: ten each second.
pub(crate) fn at(n: usize) -> i64 {
    BEGIN + i64::try_from(n).unwrap() * 100
}

/// An event that was delivered, as the observer of `serve` makes it.
fn entry(n: usize, event: Event, with_lineage: bool) -> Entry {
    let (datasets, dataset_count) = history::datasets(event.json());
    let at = at(n);
    Entry {
        id: format!("0191f3a0-0000-7000-8000-{n:012x}"),
        accepted_at: at,
        at,
        kind: Some(event.label()),
        run: event.run_id().map(|id| id.to_string()),
        job: event.job().cloned(),
        datasets: datasets.iter().map(Identity::clone).collect(),
        dataset_count,
        time: Some(history::time(&event)),
        size: event.text().len() as u64,
        delivered: with_lineage.then_some(DeliveredEvent {
            event,
            shown: |name| Cow::Borrowed(name),
        }),
        target: "catalog".to_owned(),
        first_target: "catalog".to_owned(),
        outcome: Outcome::Delivered,
        attempts: 1,
        duration: 3,
        reason: None,
        detail: None,
        rules: Vec::new(),
        merged: None,
    }
}
