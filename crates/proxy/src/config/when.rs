//! The setting `when` of a target: which events it gets, by the conditions of rules.
//!
//! In a file the conditions are a map, whose errors have positions of their own (`sources/file.rs`); from then on they are one
//! text, as in a variable.

use settings::Format;
use transform::{Conditions, Problem};

/// The setting `when`.
pub(super) enum When {}

impl Format for When {
    type Value = Conditions;

    fn expected() -> String {
        "conditions, as those of a rule".to_owned()
    }

    fn values() -> String {
        "[conditions](rules.md#conditions)".to_owned()
    }

    fn parse(text: &str) -> Result<Conditions, String> {
        let message = |problem: &Problem| problem.message.clone();
        Conditions::parse(text).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(message).collect();
            problems.join("; ")
        })
    }

    fn show(value: &Conditions) -> String {
        value.text().to_owned()
    }
}
