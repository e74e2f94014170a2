//! What became of a run, from its events in any order. Pure.

use openlineage::EventType;
use serde::{Deserialize, Serialize};

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It has begun.
    Running,
    /// It has succeeded.
    Completed,
    /// It has failed.
    Failed,
    /// It was stopped.
    Aborted,
}

/// The times of a run as its events have them, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// `None`: no event has said it.
    pub(crate) state: Option<RunState>,
    /// The time of its first event.
    pub(crate) started_at: i64,
    /// The time of the event that ended it.
    pub(crate) ended_at: Option<i64>,
    /// The time of its last event.
    pub(crate) ran_at: i64,
}

impl RunState {
    /// Its name, as the database and answers have it.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Completed => "completed",
            RunState::Failed => "failed",
            RunState::Aborted => "aborted",
        }
    }

    /// The state that a type of events reports.
    pub(crate) fn of(reported: EventType) -> Option<RunState> {
        match reported {
            EventType::Start | EventType::Running => Some(RunState::Running),
            EventType::Complete => Some(RunState::Completed),
            EventType::Fail => Some(RunState::Failed),
            EventType::Abort => Some(RunState::Aborted),
            EventType::Other => None,
        }
    }

    /// The state that [`openlineage::Event::label`] reports.
    pub(crate) fn of_label(label: &str) -> Option<RunState> {
        match label {
            "RunEvent START" | "RunEvent RUNNING" => Some(RunState::Running),
            "RunEvent COMPLETE" => Some(RunState::Completed),
            "RunEvent FAIL" => Some(RunState::Failed),
            "RunEvent ABORT" => Some(RunState::Aborted),
            _ => None,
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<RunState> {
        let all = [
            RunState::Running,
            RunState::Completed,
            RunState::Failed,
            RunState::Aborted,
        ];
        all.into_iter().find(|state| state.name() == name)
    }

    pub(crate) fn is_end(self) -> bool {
        self != RunState::Running
    }
}

impl Run {
    /// A run of which one event is known.
    pub(crate) fn new(state: Option<RunState>, time: i64) -> Run {
        Run {
            state,
            started_at: time,
            ended_at: state.filter(|state| state.is_end()).map(|_| time),
            ran_at: time,
        }
    }

    /// The run with one more event. The last end counts, and what reports no end never turns one back, whatever its time: clocks
    /// differ, and events come in any order.
    #[must_use]
    pub(crate) fn with(self, state: Option<RunState>, time: i64) -> Run {
        let is_end = state.is_some_and(RunState::is_end);
        let is_newer = match is_end {
            true => self.ended_at.is_none_or(|ended_at| time >= ended_at),
            false => self.ended_at.is_none() && state.is_some(),
        };
        Run {
            state: if is_newer { state } else { self.state },
            started_at: self.started_at.min(time),
            ended_at: if is_newer && is_end {
                Some(time)
            } else {
                self.ended_at
            },
            ran_at: self.ran_at.max(time),
        }
    }

    /// The run of which these events are known.
    pub(crate) fn of(events: impl IntoIterator<Item = (Option<RunState>, i64)>) -> Option<Run> {
        let mut events = events.into_iter();
        let (state, time) = events.next()?;
        let run = Run::new(state, time);
        Some(events.fold(run, |run, (state, time)| run.with(state, time)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATES: [Option<RunState>; 5] = [
        None,
        Some(RunState::Running),
        Some(RunState::Completed),
        Some(RunState::Failed),
        Some(RunState::Aborted),
    ];

    #[test]
    fn a_late_start_does_not_turn_an_end_back() {
        let ended = Run::new(Some(RunState::Completed), 5);
        for time in [1, 5, 9] {
            let run = ended.with(Some(RunState::Running), time);
            assert_eq!((run.state, run.ended_at), (ended.state, Some(5)));
        }
        let failed = ended.with(Some(RunState::Failed), 7);
        assert_eq!(
            (failed.state, failed.ended_at),
            (Some(RunState::Failed), Some(7))
        );
        let earlier = failed.with(Some(RunState::Completed), 6);
        assert_eq!(earlier.state, Some(RunState::Failed));
    }

    #[test]
    fn the_name_of_a_state_is_that_in_answers_and_can_be_read() {
        for state in STATES.into_iter().flatten() {
            assert_eq!(RunState::of_name(state.name()), Some(state));
        }
    }

    proptest! {
        #[test]
        fn the_order_in_which_events_come_is_not_seen(
            events in prop::collection::vec((0usize..5, 0i64..50), 1..8).prop_shuffle(),
            shift in 0usize..8,
        ) {
            // Of two ends at one time, the one that came last counts.
            let mut times = std::collections::BTreeSet::new();
            let events: Vec<_> = events.into_iter().filter(|(_, time)| times.insert(*time)).collect();
            let mut turned = events.clone();
            turned.rotate_left(shift % events.len());
            let run = |events: Vec<(usize, i64)>| Run::of(events.into_iter().map(|(n, time)| (STATES[n], time)));
            prop_assert_eq!(run(events), run(turned));
        }
    }
}
