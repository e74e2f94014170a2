//! The actions that are code: script, module, transform.

use std::sync::Arc;

use super::Sources;
use crate::module::{Module, ModuleLimits};
use crate::nearest;
use crate::rules::action::Action;
use crate::rules::yaml::{At, Fields, Node, Problems, Value};
use crate::script::{Script, ScriptLimits};

pub(super) fn script(
    node: &Node,
    sources: &Sources<'_>,
    problems: &mut Problems,
) -> Option<Action> {
    let mut limits = ScriptLimits::default();
    let (at, file, text) = match &node.value {
        Value::Text(text) => (node.at, None, text.clone()),
        _ => {
            let mut fields = Fields::of(node, "a script, or a map with file or text", problems)?;
            let (file, text) = (fields.get("file"), fields.get("text"));
            if let Some(node) = fields.get("operations") {
                limits.operations = node.number(1, 100_000_000, problems)?;
            }
            fields.finish(problems);
            match (file, text) {
                (Some(node), None) => {
                    let name = node.text(problems)?;
                    let bytes = problems.ok(node.at, (sources.file)(&name))?;
                    let text = String::from_utf8(bytes);
                    let text =
                        problems.ok(node.at, text.map_err(|error| format!("{name}: {error}")))?;
                    (node.at, Some(name), text)
                }
                (None, Some(node)) => (node.at, None, node.text(problems)?),
                (None, None) => {
                    problems.say(node.at, "expected file or text, found neither");
                    return None;
                }
                (Some(_), Some(_)) => {
                    problems.say(node.at, "expected file or text, found both");
                    return None;
                }
            }
        }
    };
    match Script::compile(&text, limits) {
        Ok(script) => Some(Action::Plugin(Arc::new(script))),
        Err(error) => {
            // A script of many lines stands in a block, whose first line is where the value begins.
            let at = match file {
                None if text.contains('\n') => At {
                    line: at.line + (error.line as u64).saturating_sub(1),
                    column: at.column + (error.column as u64).saturating_sub(1),
                },
                Some(_) | None => at,
            };
            let place = file.unwrap_or_else(|| "the script".to_owned());
            problems.say(at, format!("{place}, {error}"));
            None
        }
    }
}

pub(super) fn module(
    node: &Node,
    sources: &Sources<'_>,
    problems: &mut Problems,
) -> Option<Action> {
    let mut limits = ModuleLimits::default();
    let mut fields = Fields::of(node, "a map with file, with, fuel, memory", problems)?;
    let (file, with) = (fields.get("file"), fields.has("with"));
    if let Some(node) = fields.get("fuel") {
        limits.fuel = node.number(1, 100_000_000_000, problems)?;
    }
    if let Some(node) = fields.get("memory") {
        limits.memory = node.bytes(problems)?;
    }
    fields.finish(problems);
    let Some(file) = file else {
        problems.say(node.at, "expected file: the module (.wasm)");
        return None;
    };
    let name = file.text(problems)?;
    let bytes = problems.ok(file.at, (sources.file)(&name))?;
    let config = with.map_or_else(|| "null".to_owned(), |with| with.json().to_string());
    let module = Module::load(&bytes, &config, limits);
    let module = problems.ok(file.at, module.map_err(|error| format!("{name}: {error}")))?;
    Some(Action::Plugin(Arc::new(module)))
}

pub(super) fn transform(
    node: &Node,
    sources: &Sources<'_>,
    problems: &mut Problems,
) -> Option<Action> {
    let with = |node: Option<&Node>| node.map_or(serde_json::Value::Null, Node::json);
    let (at, name, with) = match &node.value {
        Value::Text(name) => (node.at, name.clone(), with(None)),
        _ => {
            let mut fields = Fields::of(node, "a name, or a map with name and with", problems)?;
            let (name, given) = (fields.get("name"), fields.has("with"));
            fields.finish(problems);
            let Some(name) = name else {
                problems.say(node.at, "expected name: which transform");
                return None;
            };
            (name.at, name.text(problems)?, with(given))
        }
    };
    let Some(build) = sources.transforms.get(&name) else {
        let names = sources.transforms.names();
        let known = names.join(", ");
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known
        };
        let near = nearest(&name, names);
        let meant = near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"));
        problems.say(
            at,
            format!("this binary has no transform {name:?}{meant}; it has {known}"),
        );
        return None;
    };
    let built = build(&with).map_err(|error| format!("{name}: {error}"));
    problems.ok(at, built).map(Action::Plugin)
}
