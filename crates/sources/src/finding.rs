//! What could not be read, as an operator looks for it.

use std::fmt;

/// Something that a source could not read, or that its reader should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub rule: FindingRule,
    /// Where it is, so that it can be looked up there: a log group, a stream and the id of a log event, or a query.
    pub place: String,
    /// What it means, without any value of the producer's data.
    pub message: String,
}

/// What is wrong: the name by which findings are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingRule {
    /// The same event was found again, and is not sent again.
    Duplicate,
    /// The producer cut the event; the rest was never written.
    Truncated,
    /// The rest of the event was not found within the limits.
    Incomplete,
    /// JSON that looked like an event and is none.
    NotOpenlineage,
    /// Bytes that are not what the producer writes.
    Unreadable,
    /// A statement that the parser refused. Its tables were found by their words.
    UnparsedSql,
    /// A name of which it is not known what it stands for.
    UnresolvedName,
    /// Something exists that the source may not see.
    NotVisible,
    /// An input whose reading panics. It is kept apart, as an [`UnreadInput`](crate::UnreadInput).
    Bug,
}

impl FindingRule {
    /// All rules.
    pub const ALL: [FindingRule; 9] = [
        FindingRule::Duplicate,
        FindingRule::Truncated,
        FindingRule::Incomplete,
        FindingRule::NotOpenlineage,
        FindingRule::Unreadable,
        FindingRule::UnparsedSql,
        FindingRule::UnresolvedName,
        FindingRule::NotVisible,
        FindingRule::Bug,
    ];

    /// The names of all rules.
    pub const NAMES: [&'static str; 9] = {
        let [a, b, c, d, e, f, g, h, i] = FindingRule::ALL;
        [
            a.as_str(),
            b.as_str(),
            c.as_str(),
            d.as_str(),
            e.as_str(),
            f.as_str(),
            g.as_str(),
            h.as_str(),
            i.as_str(),
        ]
    };

    /// Whether lineage is missing because of it, as far as can be known.
    pub fn loses_lineage(self) -> bool {
        match self {
            FindingRule::Duplicate | FindingRule::NotOpenlineage => false,
            FindingRule::Truncated
            | FindingRule::Incomplete
            | FindingRule::Unreadable
            | FindingRule::UnparsedSql
            | FindingRule::UnresolvedName
            | FindingRule::NotVisible
            | FindingRule::Bug => true,
        }
    }

    /// Its name in logs, metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            FindingRule::Duplicate => "duplicate",
            FindingRule::Truncated => "truncated",
            FindingRule::Incomplete => "incomplete",
            FindingRule::NotOpenlineage => "not_openlineage",
            FindingRule::Unreadable => "unreadable",
            FindingRule::UnparsedSql => "unparsed_sql",
            FindingRule::UnresolvedName => "unresolved_name",
            FindingRule::NotVisible => "not_visible",
            FindingRule::Bug => "bug",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rule, place, message) = (self.rule.as_str(), &self.place, &self.message);
        write!(f, "{rule}: {place}: {message}")
    }
}
