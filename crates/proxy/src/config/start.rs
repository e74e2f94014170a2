//! The setting `start_from` of a target: where in the log it begins if it is new.

use queue::Start;
use settings::{Format, PointInTime};

/// Where a target begins that the log does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    /// With the next event that is accepted.
    New,
    /// With the oldest event in the log.
    Oldest,
    /// With the first event that was accepted then or later.
    Since(PointInTime),
}

impl StartFrom {
    /// Returns the position in the log. `now` is in milliseconds since 1970.
    pub fn start(self, now: i64) -> Start {
        match self {
            StartFrom::New => Start::Next,
            StartFrom::Oldest => Start::Oldest,
            StartFrom::Since(point) => Start::Since(point.resolve(now)),
        }
    }
}

impl Format for StartFrom {
    type Value = StartFrom;

    fn expected() -> String {
        format!("new, oldest, {}", PointInTime::expected())
    }

    fn values() -> String {
        format!("`new`, `oldest`, {}", PointInTime::values())
    }

    fn parse(text: &str) -> Result<StartFrom, String> {
        match text {
            "new" => Ok(StartFrom::New),
            "oldest" => Ok(StartFrom::Oldest),
            text => match PointInTime::parse(text) {
                Ok(point) => Ok(StartFrom::Since(point)),
                Err(_) => Err(format!("expected {}, found {text:?}", Self::expected())),
            },
        }
    }

    fn show(value: &StartFrom) -> String {
        match value {
            StartFrom::New => "new".to_owned(),
            StartFrom::Oldest => "oldest".to_owned(),
            StartFrom::Since(point) => PointInTime::show(point),
        }
    }
}
