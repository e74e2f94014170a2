//! Log lines as JSON, as `tracing_subscriber::fmt::format::Json` writes them, in one piece.
//!
//! The library's formatter writes a line in about a hundred pieces, and checks each for UTF-8: that is most of what a line costs, and
//! more than most steps of a delivery. Here the same libraries serialize a whole line at once. Called by `telemetry.rs`.

use std::fmt;

use serde::Serialize;
use tracing::{Event, Subscriber};
use tracing_serde::AsSerde;
use tracing_serde::fields::AsMap;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer, format};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent};
use tracing_subscriber::registry::LookupSpan;

/// The bytes that most lines need.
const LINE: usize = 1024;

/// The format of a line.
#[derive(Debug)]
pub(super) struct JsonLine {
    /// Formats an event within a span, with the fields of the span. `serve` has no spans of its own; a library may, if the filter asks
    /// for them.
    in_span: Format<Json>,
}

impl JsonLine {
    pub(super) fn new() -> JsonLine {
        JsonLine {
            in_span: format().json().with_target(false),
        }
    }
}

#[derive(Serialize)]
struct Line<'e, L, F> {
    timestamp: &'e str,
    level: L,
    fields: F,
}

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'l> LookupSpan<'l>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.parent().is_some() || context.lookup_current().is_some() {
            return self.in_span.format_event(context, writer, event);
        }
        let mut timestamp = String::with_capacity(32);
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let line = Line {
            timestamp: &timestamp,
            level: event.metadata().level().as_serde(),
            fields: event.field_map(),
        };
        let mut json = Vec::with_capacity(LINE);
        serde_json::to_writer(&mut json, &line).map_err(|_| fmt::Error)?;
        json.push(b'\n');
        writer.write_str(str::from_utf8(&json).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing::{error, info, info_span, warn};

    use super::*;
    use crate::telemetry::captured::CapturedLog;

    /// What is logged, without the time, which differs.
    fn lines<E>(format: E) -> Vec<String>
    where
        E: FormatEvent<tracing_subscriber::Registry, JsonFields> + Send + Sync + 'static,
    {
        let log = CapturedLog::default();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(format)
            .with_writer(log.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            info!("without fields");
            let (text, none) = ("quotes \" and \u{1} and \u{202e} and é\n", None::<u64>);
            let source = io::Error::other("full");
            warn!(text, none, run.id = 7, negative = -7, share = 0.5, is_up = true, error = %source, "{text}");
            error!(error = &source as &dyn std::error::Error, debug = ?text);
            info_span!("request", id = "a").in_scope(|| info!(n = 1, "within a span"));
            let span = info_span!("parent", id = "b");
            info!(parent: &span, n = 1, "of a span");
        });
        let timeless = |line: &String| {
            let (time, rest) = line.split_once(',').unwrap();
            assert_eq!(
                time.len(),
                r#"{"timestamp":"2026-01-01T00:00:00.000000Z""#.len()
            );
            rest.to_owned()
        };
        log.lines().iter().map(timeless).collect()
    }

    #[test]
    fn a_line_is_what_the_library_writes() {
        let own = lines(JsonLine::new());
        assert_eq!(own, lines(format().json().with_target(false)));
        assert_eq!(own.len(), 5, "{own:?}");
    }
}
