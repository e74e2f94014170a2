//! Hints: events of EventBridge that say that a crawl has ended. They have no id of the crawl and are delivered on a best
//! effort, so they only say that a poll is due
//! (<https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-glue.html>). Called by the function of this source.

use serde_json::Value;

use super::answer::{members, text};

/// What an event of EventBridge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// A crawl of this crawler has ended.
    Ended {
        /// The name of the crawler.
        crawler: String,
    },
    /// Nothing that needs a poll: a crawl has started, or something else happened.
    Nothing,
}

/// The payload is no event of EventBridge. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload is not an event of EventBridge: {0}")]
pub struct UnreadableHint(&'static str);

impl Hint {
    /// Reads an event of EventBridge.
    ///
    /// # Errors
    ///
    /// It is none, or names no crawler.
    pub fn read(event: &Value) -> Result<Hint, UnreadableHint> {
        let event = members(event).ok_or(UnreadableHint("it is not an object"))?;
        let member = |name: &str| event.get(name).and_then(Value::as_str);
        let kind = member("detail-type").ok_or(UnreadableHint("it has no detail-type"))?;
        if member("source") != Some("aws.glue") || kind != "Glue Crawler State Change" {
            return Ok(Hint::Nothing);
        }
        let detail = event.get("detail").unwrap_or(&Value::Null);
        match text(detail, "state").as_deref() {
            Some("Started") => Ok(Hint::Nothing),
            // Also a state that is not documented: a poll too many does no harm.
            Some(_) | None => match text(detail, "crawlerName") {
                Some(crawler) => Ok(Hint::Ended { crawler }),
                None => Err(UnreadableHint("its detail has no crawlerName")),
            },
        }
    }
}
