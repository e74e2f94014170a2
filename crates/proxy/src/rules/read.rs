//! Reads the text of a rules file into rules, with what it may refer to: other files, compiled transforms, the names of
//! targets and the key of hashes.
//!
//! Getting the files is in `files.rs`, and which rules are in use is decided in `../rules.rs`, which calls this. So does who
//! tries rules.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use transform::{Problem, RuleResources, RuleSet};

use super::files::{Files, Location};
use super::options::{check_window, names};
use super::{LoadedRules, RuleStore, RulesError, RulesText};
use crate::config::HashKey;

/// The files that a rules file names.
#[derive(Debug, Default)]
pub(super) struct References {
    /// The text of the rules file.
    text: String,
    files: BTreeSet<String>,
}

impl RuleStore {
    pub(super) fn read(
        &self,
        location: &Location,
        files: &Files,
    ) -> Result<LoadedRules, RulesError> {
        let invalid = |problems| RulesError::Invalid {
            file: location.name(),
            problems,
        };
        let file = |name: &str| files.get(name);
        let targets = names(&self.target_names);
        let version = self.version(files);
        let key = self.key();
        let sources = self.sources(&file, &targets, key.as_deref());
        let rules = read_text(&files.rules, &sources)
            .and_then(|rules| check_window(rules, self.max_window));
        let rules = rules.map_err(invalid)?;
        Ok(LoadedRules {
            rules: rules.with_builtins(&self.builtins),
            version,
            file: Some(RulesText {
                name: location.name(),
                text: files.rules.as_str().into(),
            }),
        })
    }

    /// Reads a rules text that somebody tries, for the target of these rules. It may not read anything beside it. Its hashes are
    /// made with a key of their own: with the one in use, whoever tries rules could find out by guessing what was hidden.
    pub fn read_trial(&self, text: &str) -> Result<RuleSet, Vec<Problem>> {
        let nothing = |name: &str| Err(format!("{name}: not read"));
        let targets = names(&self.target_names);
        let key = self.key().and_then(|_| HashKey::random());
        let sources = self.sources(&nothing, &targets, key.as_ref());
        let rules = caught(|| RuleSet::read_trial(text, &sources))
            .and_then(|rules| check_window(rules, self.max_window))?;
        Ok(rules.with_builtins(&self.builtins))
    }

    pub(super) fn key(&self) -> Option<Arc<HashKey>> {
        self.hash_key.as_ref().map(|key| key.current().0)
    }

    /// The version of these files with the key in use. Says nothing of the key itself.
    pub(super) fn version(&self, files: &Files) -> String {
        let generation = self.hash_key.as_ref().map_or(0, |key| key.current().1);
        match generation {
            0 => files.version(),
            replaced => format!("{}-key-{}", files.version(), replaced + 1),
        }
    }

    /// Returns the files that a rules file names: those that its reader asks for. Computed once for each text.
    pub(super) fn references(&self, text: &str) -> BTreeSet<String> {
        let mut known = self
            .references
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.text != text {
            let files = RefCell::new(BTreeSet::new());
            let note = |name: &str| {
                files.borrow_mut().insert(name.to_owned());
                Err(String::new())
            };
            // The result does not matter: without its files the text is invalid.
            let targets = names(&self.target_names);
            let key = self.key();
            let sources = self.sources(&note, &targets, key.as_deref());
            let _ = read_text(text, &sources);
            *known = References {
                text: text.to_owned(),
                files: files.into_inner(),
            };
        }
        known.files.clone()
    }

    fn sources<'s>(
        &'s self,
        file: &'s dyn Fn(&str) -> Result<Vec<u8>, String>,
        targets: &'s [&'s str],
        key: Option<&'s HashKey>,
    ) -> RuleResources<'s> {
        RuleResources {
            file,
            transforms: &self.transforms,
            hash_key: key.map(HashKey::bytes),
            targets,
        }
    }
}

/// Reads rules. That builds the transforms that are compiled in: a panic in one makes the file invalid, and does not end the
/// worker.
fn read_text(text: &str, sources: &RuleResources<'_>) -> Result<RuleSet, Vec<Problem>> {
    caught(|| RuleSet::read(text, sources))
}

fn caught(read: impl FnOnce() -> Result<RuleSet, Vec<Problem>>) -> Result<RuleSet, Vec<Problem>> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_panic| {
        let message = "reading the rules panicked".to_owned();
        let (line, column) = (1, 1);
        Err(vec![Problem {
            line,
            column,
            message,
        }])
    })
}
