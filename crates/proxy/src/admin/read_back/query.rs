//! The query of `GET /api/v1/events/lineage`: parameters in the words of Marquez, and what else selects events. Pure.

use std::sync::Arc;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::condition::Names;
use crate::http::Query;
use crate::queue::{AcceptedBetween, Condition, Form, Order, Search};

/// The most events of one page, and the default.
const MAX_LIMIT: u32 = 1_000;
const DEFAULT_LIMIT: u32 = 100;

/// The first five are those of Marquez
/// (<https://github.com/MarquezProject/marquez/blob/main/api/src/main/java/marquez/api/OpenLineageResource.java>).
const PARAMETERS: [&str; 11] = [
    "limit",
    "offset",
    "sortDirection",
    "before",
    "after",
    "job",
    "run",
    "namespace",
    "dataset",
    "form",
    "position",
];

/// The events that a query selects.
pub(super) struct Page {
    pub(super) limit: usize,
    pub(super) offset: usize,
    pub(super) search: Search,
    /// Where to go on, from the response before.
    pub(super) position: Option<i64>,
}

impl Page {
    /// Parses a query. `form` is the form that is shown if the query names none.
    pub(super) fn parse(query: Option<&str>, form: Form) -> Result<Page, String> {
        let query = Query::read(query, &PARAMETERS)?;
        let orders = [("asc", Order::Asc), ("desc", Order::Desc)];
        let forms = [("delivered", Form::Stored), ("accepted", Form::Accepted)];
        let number = |name, most| -> Result<Option<usize>, String> {
            Ok(query.number(name, most)?.map(|number| number as usize))
        };
        let ever = AcceptedBetween::EVER;
        let text = |name| query.text(name).filter(|text| !text.is_empty());
        let names = Names {
            job: text("job").map(str::to_owned),
            run: text("run").map(run).transpose()?,
            namespace: text("namespace").map(str::to_owned),
            dataset: text("dataset").map(str::to_owned),
        };
        let position = text("position").map(|text| {
            let wrong = |_| "position: expected that of the response before".to_owned();
            text.parse().map_err(wrong)
        });
        Ok(Page {
            position: position.transpose()?,
            limit: number("limit", MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT as usize),
            offset: number("offset", u32::MAX)?.unwrap_or(0),
            search: Search {
                form: query.word("form", &forms)?.unwrap_or(form),
                order: query.word("sortDirection", &orders)?.unwrap_or(Order::Desc),
                accepted: AcceptedBetween {
                    since: time(&query, "after")?.unwrap_or(ever.since),
                    until: time(&query, "before")?.unwrap_or(ever.until),
                },
                condition: (!names.is_empty())
                    .then(|| Arc::new(move |text: &str| names.match_event(text)) as Condition),
            },
        })
    }

    /// The last events of a run: a few, which may be large.
    pub(super) fn of_run(run: Uuid, form: Form) -> Page {
        const EVENTS: usize = 20;
        let names = Names {
            job: None,
            run: Some(run),
            namespace: None,
            dataset: None,
        };
        Page {
            limit: EVENTS,
            offset: 0,
            search: Search {
                form,
                order: Order::Desc,
                accepted: AcceptedBetween::EVER,
                condition: Some(Arc::new(move |text: &str| names.match_event(text)) as Condition),
            },
            position: None,
        }
    }

    /// Whether all events are selected.
    pub(super) fn selects_all(&self) -> bool {
        self.search.condition.is_none() && self.search.accepted == AcceptedBetween::EVER
    }
}

fn run(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| "run: expected a UUID".to_owned())
}

/// Returns the value of a parameter that is a time, in milliseconds since 1970. Marquez' own page sends an empty one for none.
/// In a query, `+` is a space; nobody escapes that of an offset.
fn time(query: &Query<'_>, name: &str) -> Result<Option<i64>, String> {
    let Some(text) = query.text(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let time = OffsetDateTime::parse(&text.trim().replace(' ', "+"), &Rfc3339);
    let wrong = |_| format!("{name}: expected a time such as 2026-01-31T12:00:00Z");
    let time = time.map_err(wrong)?.unix_timestamp_nanos();
    // Rounded up: neither bound then selects what is before it.
    let milliseconds = time.div_euclid(1_000_000) + i128::from(time.rem_euclid(1_000_000) > 0);
    Ok(Some(i64::try_from(milliseconds).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Page, String> {
        Page::parse(Some(query), Form::Stored)
    }

    #[test]
    fn a_query_as_marquez_has_it_is_understood() {
        let query = "limit=5&before=2026-01-01T00:00:00.0005Z&after=&offset=2&sortDirection=asc";
        let page = page(query).unwrap();
        assert_eq!((page.limit, page.offset), (5, 2));
        assert_eq!(page.search.order, Order::Asc);
        assert_eq!(page.search.accepted.until, 1_767_225_600_001);
        assert_eq!(page.search.accepted.since, i64::MIN);
        assert!(page.search.condition.is_none());
    }

    #[test]
    fn a_position_is_that_of_a_response() {
        assert_eq!(page("position=-7").unwrap().position, Some(-7));
        assert_eq!(page("position=").unwrap().position, None);
        let wrong = page("position=2026-01-01T00:00:00Z").err();
        assert_eq!(
            wrong.as_deref(),
            Some("position: expected that of the response before")
        );
    }

    #[test]
    fn an_offset_needs_no_escape() {
        for query in [
            "after=2026-01-01T01:00:00+01:00",
            "after=2026-01-01T01:00:00%2B01:00",
        ] {
            let accepted = page(query).unwrap().search.accepted;
            assert_eq!(accepted.since, 1_767_225_600_000, "{query}");
        }
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (query, name) in [
            ("before=yesterday", "before: "),
            ("run=7", "run: "),
            ("form=raw", "form: "),
            ("jobs=a", "unknown parameter \"jobs\""),
        ] {
            let error = page(query).map(drop).unwrap_err();
            assert!(error.starts_with(name), "{error}");
        }
    }
}
