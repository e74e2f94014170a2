//! What the page shows of the rules in force, and of rules that are tried.

use history::Name;
use serde::Serialize;

use super::Answer;

/// The rules of the proxy that runs.
pub trait RulesLine: Send + Sync + 'static {
    /// Returns the rules in force for each target.
    fn rules(&self) -> Answer<'_, Vec<TargetRules>>;

    /// Tries rules on past events. Changes nothing.
    fn try_rules(&self, request: TrialRequest) -> Answer<'_, Result<TrialReport, TrialFailure>>;
}

/// The rules of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetRules {
    /// The target.
    pub target: String,
    /// Its kind.
    pub kind: &'static str,
    /// Where the rules file is, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The version: the first digits of its SHA-256.
    pub version: String,
    /// The rules, in their order.
    pub rules: Vec<RuleInForce>,
    /// Why they are not known, if the target is not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The text of the file. Not shown to whoever may only look.
    #[serde(skip)]
    pub text: Option<std::sync::Arc<str>>,
}

/// A rule in force, and what it did since the process started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleInForce {
    /// Its name.
    pub name: String,
    /// Events that it changed.
    pub changed: u64,
    /// Events that it dropped.
    pub dropped: u64,
    /// Events on which it failed.
    pub failed: u64,
}

/// Rules to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialRequest {
    /// The target whose rules they are to replace.
    pub target: String,
    /// The rules file.
    pub rules: String,
    /// On how many events, the newest.
    pub events: usize,
    /// On which events.
    pub search: history::Search,
}

/// Why rules were not tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialFailure {
    /// The rules are invalid.
    Invalid(Vec<Problem>),
    /// There is no such target, or it is not open.
    NotFound(String),
    /// Another trial is running.
    Busy,
    /// There are no events to try them on, and why.
    NoEvents(String),
    /// Something failed.
    Failed(String),
}

/// An error or a warning of a rules file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

/// What rules would do to past events, compared with the rules in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TrialReport {
    /// Events that the rules were tried on.
    pub events: usize,
    /// Events that were found and could not be tried: their bodies are kept no longer, or they are no events, or what would be
    /// shown of them cannot be redacted.
    pub left_out: usize,
    /// Whether all were tried: not if the time was up.
    pub is_complete: bool,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// What becomes of the events.
    pub counts: TrialCounts,
    /// The rules, in their order.
    pub rules: Vec<RuleCount>,
    /// Parts of the rules that can never have an effect.
    pub warnings: Vec<Problem>,
    /// The names that differ, the most frequent first.
    pub renames: Vec<RenameCount>,
    /// How many more names differ.
    pub more_renames: usize,
    /// Datasets that become one.
    pub merges: Vec<Merge>,
    /// Datasets that become several.
    pub splits: Vec<Split>,
    /// What changes in the lineage of these events.
    pub graph: GraphChange,
    /// Some of the events that become others.
    pub examples: Vec<TrialExample>,
}

/// What becomes of events by the rules that are tried, compared with the rules in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TrialCounts {
    /// They are as with the rules in force.
    pub unchanged: usize,
    /// They are delivered differently.
    pub changed: usize,
    /// They are dropped, and were not.
    pub dropped: usize,
    /// They are delivered, and were not.
    pub restored: usize,
    /// They become dead letters, and did not.
    pub failed: usize,
}

/// What a rule does to the events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// Its name.
    pub rule: String,
    /// Events that meet its conditions.
    pub applied: usize,
    /// Events that it changes.
    pub changed: usize,
    /// Events that it drops.
    pub dropped: usize,
    /// Events on which it fails.
    pub failed: usize,
    /// Why it failed the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A name that becomes another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenameCount {
    /// Whether it is that of a job.
    pub is_job: bool,
    /// With the rules in force.
    pub before: Name,
    /// With the rules that are tried.
    pub after: Name,
    /// How often.
    pub times: usize,
}

/// Datasets that become one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merge {
    /// The datasets with the rules in force.
    pub datasets: Vec<Name>,
    /// How many more.
    pub more: usize,
    /// What they become.
    pub into: Name,
}

/// A dataset that becomes several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Split {
    /// The dataset with the rules in force.
    pub dataset: Name,
    /// What it becomes.
    pub into: Vec<Name>,
    /// How many more.
    pub more: usize,
}

/// How a graph changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GraphChange {
    /// Nodes with the rules in force, and with those that are tried.
    pub nodes: (usize, usize),
    /// Edges likewise.
    pub edges: (usize, usize),
    /// What is there no longer, and what is new.
    pub removed_nodes: Listed<TrialNode>,
    /// See above.
    pub added_nodes: Listed<TrialNode>,
    /// See above.
    pub removed_edges: Listed<(TrialNode, TrialNode)>,
    /// See above.
    pub added_edges: Listed<(TrialNode, TrialNode)>,
    /// What changes with what is next to it, as far as it fits a picture: both graphs in one.
    pub near: ChangedGraph,
}

/// The part of two graphs that changes from one to the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChangedGraph {
    /// The nodes of both.
    pub nodes: Vec<ChangedNode>,
    /// The edges of both, in the order of the positions of their nodes.
    pub edges: Vec<ChangedEdge>,
    /// How many nodes of each do not fit.
    pub more: (usize, usize),
}

/// A node of two graphs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedNode {
    /// What it is.
    #[serde(flatten)]
    pub node: TrialNode,
    /// Which of them has it.
    pub within: Within,
    /// How many names with the rules in force become this one, itself included if it stays. 0 if it has no counterpart, as in events
    /// that were not delivered.
    pub from: usize,
    /// How many names it becomes, itself included.
    pub into: usize,
    /// The positions of the other nodes that it becomes, as far as they are here.
    pub becomes: Vec<usize>,
}

/// An edge of two graphs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedEdge {
    /// The position of the node that it leaves.
    pub from: usize,
    /// The position of the node to which it leads.
    pub to: usize,
    /// Which of them has it.
    pub within: Within,
    /// Whether the other one has it between nodes of other names: nothing is lost or new.
    pub is_renamed: bool,
}

/// Which of two graphs has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// That of the rules in force: it is gone with those that are tried.
    Before,
    /// That of the rules that are tried: it is new.
    After,
    /// Both of them.
    Both,
}

impl Within {
    /// Whether the graph of the rules in force has it.
    pub fn before(self) -> bool {
        match self {
            Within::Before | Within::Both => true,
            Within::After => false,
        }
    }

    /// Whether the graph of the rules that are tried has it.
    pub fn after(self) -> bool {
        match self {
            Within::After | Within::Both => true,
            Within::Before => false,
        }
    }
}

/// Some of many, with how many more there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed<T> {
    /// The first of them.
    pub some: Vec<T>,
    /// How many more.
    pub more: usize,
}

impl<T> Default for Listed<T> {
    fn default() -> Listed<T> {
        Listed {
            some: Vec::new(),
            more: 0,
        }
    }
}

/// The longest namespace or name of a report, in characters: of a longer one it has the beginning.
pub const MAX_NAME: usize = 300;

/// A job or a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialNode {
    /// Which of the two.
    pub is_job: bool,
    /// Its name.
    pub name: Name,
}

/// An event that becomes another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialExample {
    /// Its id.
    pub id: String,
    /// The kind of event with its type.
    pub kind: &'static str,
    /// Its job or dataset.
    pub name: Name,
    /// What becomes of it instead, if it is dropped, restored or a dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The differences: a JSON Pointer, with the values as JSON.
    pub differences: Vec<TrialDifference>,
    /// How many more.
    pub more: usize,
}

/// A difference of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialDifference {
    /// Where.
    pub pointer: String,
    /// The value with the rules in force, as JSON.
    pub before: Option<String>,
    /// The value with those that are tried.
    pub after: Option<String>,
}
