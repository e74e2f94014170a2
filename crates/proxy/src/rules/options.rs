//! What a rules file may use, and reading one without a running proxy, for the commands that test rules.
//!
//! Called by `rules.rs`, which keeps the rules of a running proxy, and by the command line.

use std::path::Path;
use std::time::Duration;

use targets::{Kind, TargetName};
use transform::{Builtins, Problem, RuleResources, RuleSet, Transforms};

use super::RulesError;
use super::files::{Location, disk};

/// What a rules file may use besides the built-in actions.
#[derive(Debug, Clone, Default)]
pub struct RuleOptions {
    /// Transforms that are compiled in.
    pub transforms: Transforms,
    /// The longest window of `coalesce`; `None` where events are not buffered between batches.
    pub max_window: Option<Duration>,
    /// The names of all configured targets, which may share a rules file; if none is known, rules may name any. If one of
    /// them is named after its kind, rules may also name the other kinds of target, so that one file serves several
    /// configurations. Otherwise a rule that names a kind would never apply, and is an error.
    pub targets: Vec<TargetName>,
    /// The rules that the target needs. They follow those of the file.
    pub builtins: Builtins,
}

impl RuleOptions {
    /// Returns the names that `when: target` may contain; none if it may contain any.
    pub(super) fn target_names(&self) -> Vec<String> {
        let kinds = Kind::ALL.map(|kind| kind.name().to_owned());
        let mut names: Vec<String> = self.targets.iter().map(TargetName::to_string).collect();
        if names.iter().any(|name| kinds.contains(name)) {
            let further = kinds.into_iter().filter(|kind| !names.contains(kind));
            let further: Vec<String> = further.collect();
            names.extend(further);
        }
        names
    }
}

/// Reads rules from this machine, for the commands that test rules.
pub fn read_path(
    path: &Path,
    options: &RuleOptions,
    hash_key: Option<&[u8]>,
) -> Result<RuleSet, RulesError> {
    let location = Location::folder(path);
    let Location::Folder { folder, file } = &location else {
        return Err(RulesError::Unreadable(path.display().to_string()));
    };
    let text = disk(folder, file).map_err(RulesError::Unreadable)?;
    let text = String::from_utf8(text)
        .map_err(|error| RulesError::Unreadable(format!("{}: {error}", location.name())))?;
    let targets = options.target_names();
    let sources = RuleResources {
        file: &|name| disk(folder, name),
        transforms: &options.transforms,
        hash_key,
        targets: &names(&targets),
    };
    let rules = RuleSet::read(&text, &sources);
    let rules = rules.and_then(|rules| check_window(rules, options.max_window));
    rules.map_err(|problems| RulesError::Invalid {
        file: location.name(),
        problems,
    })
}

/// Checks that events are not buffered for longer than their visibility timeout allows.
pub(super) fn check_window(rules: RuleSet, max: Option<Duration>) -> Result<RuleSet, Vec<Problem>> {
    if let (Some(coalesce), Some(max)) = (&rules.coalesce, max)
        && coalesce.window > max
    {
        let (window, (line, column)) = (coalesce.window, coalesce.window_at);
        let message = format!(
            "coalesce: expected a window of at most {max:?}, found {window:?}: half of queue.visibility_timeout, \
             and at least 6 s less than it, so that no event is received twice while it is buffered"
        );
        return Err(vec![Problem {
            line,
            column,
            message,
        }]);
    }
    Ok(rules)
}

pub(super) fn names(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_may_name_every_configured_target_and_kinds_where_one_is_named_after_its_kind() {
        let names = |targets: &[&str]| {
            let targets = targets.iter().map(|name| name.parse().unwrap()).collect();
            let options = RuleOptions {
                targets,
                ..RuleOptions::default()
            };
            options.target_names()
        };
        assert_eq!(names(&["catalog", "lake"]), ["catalog", "lake"]);
        let all = names(&["catalog", "store"]);
        let kinds = Kind::ALL.map(Kind::name);
        assert!(kinds.iter().all(|kind| all.contains(&(*kind).to_owned())));
        assert!(all.contains(&"catalog".to_owned()));
        assert_eq!(names(&[]), Vec::<String>::new(), "any");
    }
}
