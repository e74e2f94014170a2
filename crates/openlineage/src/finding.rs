//! What a check has to say about one place of an event.
//!
//! A finding names the place (JSON Pointer, RFC 6901), the rule and what to do about it. The message may quote
//! the sender's value, so findings go back to the sender; logs take pointer and rule only.

use std::borrow::Cow;

use serde::Serialize;

/// How many findings one event can bring; further ones are counted in a last one.
/// Keeps the answer to a hostile event (a million bad facets) small.
pub const MAX_FINDINGS: usize = 100;

/// The longest token of a pointer, in characters, and the longest pointer, in bytes. A key can be megabytes long, and
/// stand above a hundred findings; longer ones end in `…`.
const LONGEST_TOKEN: usize = 200;
const LONGEST_POINTER: usize = 1_000;

/// What follows from a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A facet's own schema is missed; the event is accepted as it is.
    Warning,
    /// It was put right, and the event is accepted.
    Repaired,
    /// It would have been put right, but the event is refused for something else.
    Repairable,
    /// The event is refused for it.
    Error,
}

/// One thing found in an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What follows from it.
    pub severity: Severity,
    /// JSON Pointer to the value, `""` for the whole event. Very long ones are cut, and end in `…`.
    pub pointer: String,
    /// The rule: a JSON Schema keyword (`required`, `type`, `enum`, `oneOf`), a format (`date-time`, `uuid`,
    /// `uri`), or `json`, `utf-8`, `depth` for the text itself.
    pub rule: &'static str,
    /// What is wrong, and what it was repaired to if it was.
    pub message: String,
}

impl Finding {
    /// Rule and place, for logs: no value, and of a long pointer its beginning. A pointer is made of keys of the event,
    /// which can be of any length and hold any character.
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
    /// The word for it, as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Repaired => "repaired",
            Severity::Repairable => "repairable",
            Severity::Error => "error",
        }
    }
}

/// The findings of one event: the first [`MAX_FINDINGS`], and how many there were besides.
#[derive(Default)]
pub(crate) struct Findings {
    first: Vec<Finding>,
    more: usize,
    /// The worst of those that were not kept.
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

    /// Adds a finding, which is made only if it is kept.
    pub(crate) fn say(&mut self, finding: impl FnOnce() -> Finding) {
        if self.first.len() < MAX_FINDINGS {
            self.first.push(finding());
        } else {
            // Errors come first, so what follows the last that is kept is no worse than it.
            let worst = self.first.last().map(|last| last.severity);
            self.worst = self.worst.max(worst);
            self.more += 1;
        }
    }

    /// Adds that there were so many besides.
    pub(crate) fn and_more(&mut self, count: usize, severity: Severity) {
        if count > 0 {
            self.worst = self.worst.max(Some(severity));
            self.more += count;
        }
    }

    pub(crate) fn extend(&mut self, others: Findings) {
        for finding in others.first {
            self.say(|| finding);
        }
        self.more += others.more;
        self.worst = self.worst.max(others.worst);
    }

    /// All that is told: what was not kept is counted in a last one.
    pub(crate) fn told(mut self) -> Vec<Finding> {
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

/// The place of a value, as a path on the stack; turned into a pointer only when there is something to say.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    token: &'p str,
}

impl<'p> Place<'p> {
    pub(crate) const ROOT: Place<'static> = Place {
        parent: None,
        token: "",
    };

    pub(crate) fn child<'c>(&'c self, token: &'c str) -> Place<'c>
    where
        'p: 'c,
    {
        Place {
            parent: Some(self),
            token,
        }
    }

    pub(crate) fn pointer(&self) -> String {
        match self.parent {
            None => String::new(),
            Some(parent) => down(parent.pointer(), self.token),
        }
    }
}

/// A JSON Pointer (RFC 6901, section 3), one token further down.
pub(crate) fn down(mut pointer: String, token: &str) -> String {
    if pointer.len() < LONGEST_POINTER {
        let token = cut(token, LONGEST_TOKEN);
        pointer = pointer + "/" + &token.replace('~', "~0").replace('/', "~1");
    } else if !pointer.ends_with('…') {
        pointer.push('…');
    }
    pointer
}

/// A value short enough to be quoted in a message.
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
