//! Findings: what a check reports about one position of an event.
//!
//! A finding names the position (JSON Pointer, RFC 6901), the rule and the remedy. The message may quote
//! the sender's value, so findings go back to the sender only; logs contain pointer and rule.

use std::borrow::Cow;

use serde::Serialize;

/// The most findings for one event; the last one counts the rest.
/// Bounds the response to a hostile event (a million bad facets).
pub const MAX_FINDINGS: usize = 100;

/// The longest token of a pointer, in characters, and the longest pointer, in bytes. A key can be megabytes long and
/// appear in a hundred findings. Longer ones end in `…`.
const LONGEST_TOKEN: usize = 200;
const LONGEST_POINTER: usize = 1_000;

/// The consequence of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A facet does not match its own schema; the event is accepted unchanged.
    Warning,
    /// The event was repaired and accepted.
    Repaired,
    /// It could be repaired, but the event is rejected for another reason.
    Repairable,
    /// The event is rejected.
    Error,
}

/// One problem found in an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its consequence.
    pub severity: Severity,
    /// JSON Pointer to the value, `""` for the whole event. Long pointers are truncated and end in `…`.
    pub pointer: String,
    /// The rule: a JSON Schema keyword (`required`, `type`, `enum`, `oneOf`), a format (`date-time`, `uuid`,
    /// `uri`), or `json`, `utf-8`, `depth` for the text itself.
    pub rule: &'static str,
    /// The problem, and the repair if one was made.
    pub message: String,
}

impl Finding {
    /// Formats rule and pointer for logs, without values and with long pointers truncated. A pointer consists of keys of the event,
    /// which can have any length and contain any character.
    pub fn brief(&self) -> String {
        const LONGEST: usize = 200;
        let mut at = String::new();
        for c in self.pointer.chars() {
            if at.len() > LONGEST {
                at.push('…');
                break;
            }
            match c.is_control() {
                true => at.extend(c.escape_default()),
                false => at.push(c),
            }
        }
        format!("{} at '{at}'", self.rule)
    }
}

impl Severity {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Repaired => "repaired",
            Severity::Repairable => "repairable",
            Severity::Error => "error",
        }
    }
}

/// The findings of one event: the first [`MAX_FINDINGS`], and the number of further ones.
#[derive(Default)]
pub(crate) struct Findings {
    first: Vec<Finding>,
    more: usize,
    /// The worst severity of those not kept.
    worst: Option<Severity>,
}

impl Findings {
    pub(crate) fn one(finding: Finding) -> Findings {
        Findings {
            first: vec![finding],
            ..Findings::default()
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Adds a finding, built only if it is kept.
    pub(crate) fn push_with(&mut self, finding: impl FnOnce() -> Finding) {
        if self.first.len() < MAX_FINDINGS {
            self.first.push(finding());
        } else {
            // Errors come first, so findings after the last kept one are not more severe.
            let worst = self.first.last().map(|last| last.severity);
            self.worst = self.worst.max(worst);
            self.more += 1;
        }
    }

    /// Counts further findings that are not kept.
    pub(crate) fn and_more(&mut self, count: usize, severity: Severity) {
        if count > 0 {
            self.worst = self.worst.max(Some(severity));
            self.more += count;
        }
    }

    pub(crate) fn extend(&mut self, others: Findings) {
        for finding in others.first {
            self.push_with(|| finding);
        }
        self.more += others.more;
        self.worst = self.worst.max(others.worst);
    }

    /// Returns the findings; a last one counts those not kept.
    pub(crate) fn into_vec(mut self) -> Vec<Finding> {
        if self.more > 0 {
            self.first.push(Finding {
                severity: self.worst.unwrap_or(Severity::Error),
                pointer: String::new(),
                rule: "more",
                message: format!("and {} further findings", self.more),
            });
        }
        self.first
    }
}

/// The position of a value, as a path on the stack; formatted as a pointer only for a finding.
#[derive(Clone, Copy)]
pub(crate) struct Location<'p> {
    parent: Option<&'p Location<'p>>,
    token: &'p str,
}

impl<'p> Location<'p> {
    pub(crate) const ROOT: Location<'static> = Location {
        parent: None,
        token: "",
    };

    pub(crate) fn child<'c>(&'c self, token: &'c str) -> Location<'c>
    where
        'p: 'c,
    {
        Location {
            parent: Some(self),
            token,
        }
    }

    pub(crate) fn pointer(&self) -> String {
        match self.parent {
            None => String::new(),
            Some(parent) => join(parent.pointer(), self.token),
        }
    }
}

/// Appends a token to a JSON Pointer (RFC 6901, section 3).
pub(crate) fn join(mut pointer: String, token: &str) -> String {
    if pointer.len() < LONGEST_POINTER {
        let token = cut(token, LONGEST_TOKEN);
        pointer = pointer + "/" + &token.replace('~', "~0").replace('/', "~1");
    } else if !pointer.ends_with('…') {
        pointer.push('…');
    }
    pointer
}

/// Shortens a value to be quoted in a message.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    cut(text, LONGEST).into_owned()
}

/// `text`, or its first `longest` characters and `…`.
pub(crate) fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}
