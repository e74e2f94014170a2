//! Reads `coalesce` of a rules file: which events of a run are merged, and how long they wait for each other.
//!
//! The merging is in `crate::coalesce`, and the waiting in the pipeline. Called by `read.rs`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::build_when;
use crate::rules::reader::Reader;
use crate::rules::when::{When, WhenSettings};
use crate::rules::yaml::{self, Node, Optional, Size, Text};

/// Which events of a run are merged.
#[derive(Debug, Clone)]
pub struct Coalesce {
    pub(in crate::rules) when: When,
    /// How long the first event of a run waits for others, where events can be buffered.
    pub window: Duration,
    /// Line and column of the window, or of `coalesce` without one, for an error about its length.
    pub window_at: (u64, u64),
    /// Whether a START is delivered before the end.
    pub keep_start: bool,
    /// The most bytes of a merged event.
    pub max_bytes: Option<usize>,
}

/// The longest window, in seconds: an event has to be released before its visibility timeout ends.
const LONGEST_WINDOW: u64 = 900;

/// Merges the events of one run into as few as the target needs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a map with window, keep_start, max_bytes, when"
)]
#[schemars(rename = "Coalesce")]
pub(super) struct CoalesceSettings {
    /// Which events may be merged; without it, every event.
    when: Optional<WhenSettings>,
    /// How long the first event of a run waits for others: 30s, or a number of seconds; at most 900 s.
    window: Optional<Window>,
    /// Whether a START event is delivered before the end of its run. The default is true.
    keep_start: Optional<bool>,
    /// The most bytes of a merged event.
    max_bytes: Optional<Size>,
}

pub(super) fn read_coalesce(node: &Node, reader: &Reader<'_>) -> Option<Coalesce> {
    let settings: CoalesceSettings = yaml::read(node, reader.problems)?;
    let when = build_when(settings.when, reader);
    let window = settings.window.spanned();
    let at = window.as_ref().map_or(node.at, |window| window.at);
    Some(Coalesce {
        when,
        window: window.map_or(Duration::from_secs(5), |window| window.value.0),
        window_at: (at.line, at.column),
        keep_start: settings.keep_start.value().unwrap_or(true),
        max_bytes: settings.max_bytes.value().map(|size| size.0),
    })
}

/// A window of time: seconds, or a duration such as `30s`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "Text")]
#[schemars(inline, extend("minimum" = 0, "maximum" = LONGEST_WINDOW))]
struct Window(Duration);

impl TryFrom<Text> for Window {
    type Error = String;

    fn try_from(Text(text): Text) -> Result<Window, String> {
        let parsed = match text.parse::<u64>() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => humantime::parse_duration(&text).ok(),
        };
        let window = parsed.filter(|window| *window <= Duration::from_secs(LONGEST_WINDOW));
        window.map(Window).ok_or_else(|| {
            format!("expected a time of at most {LONGEST_WINDOW}s, such as 30s, found {text:?}")
        })
    }
}
