//! Scripts: transforms in Rhai, in the rules file or in a file next to it.
//!
//! A script gets the event as a map in the variable `event`, and changes it in place. The differences become edits of
//! the event's text, so that every other byte stays (see `tree.rs`). Functions besides Rhai's own are in `library.rs`.
//! A script has access to the event only: no clock, files, output, imports or `eval`. Called by `action/code.rs`.
//!
//! # The language, as it is here
//!
//! `null` is `()`. `event.x = ()` writes `null`; `event.remove("x")` removes the member.
//! A number that neither `i64` nor `f64` represents exactly is of type `number`: it can be copied, compared and
//! printed.
//! Functions, named and `|x| …`, have access to their arguments only. Unknown variables are errors at compile time.
//! Of duplicate keys a script gets the last. It changes that one, and removes all.
//! `drop()` ends the script and drops the event. `throw "reason"` fails; the reason is logged, so it must not contain
//! parts of the event.
//!
//! # Limits
//!
//! [`ScriptLimits::operations`] bounds the work in steps, not in time: a step costs some 30 ns, but one that reads,
//! copies or changes a large value costs as long as that takes, some 10 µs for the largest that the default allows.
//! Functions that look through texts are charged by the size of the text (`texts.rs`).
//! So the steps that the default allows take 3 ms mostly, and 0.3 s at worst (`benches/engines.rs`). Memory is bounded
//! by the largest value (text and items) times the number of variables times the depth of calls; the length of keys
//! is not counted. A script is expected to be careless, not hostile: for strangers' code there are modules, whose
//! bounds are strict.

mod library;
mod positions;
#[cfg(test)]
mod tests;
mod texts;
mod tree;

use std::fmt;
use std::sync::Arc;
use std::thread;

use openlineage::Event;
use rhai::{AST, Dynamic, Engine, EvalAltResult, Map, Position, Scope};

use crate::plugin::{Transform, TransformError, TransformOutput};
use library::Library;
use texts::Meter;
use tree::Tree;

/// The most variables at a time in one function. Calls may be nested up to their own limit.
const VARIABLES: usize = 200;
/// The deepest nesting of expressions in the text of the script.
const EXPRESSIONS: usize = 64;
/// Further steps for each part of the event: a script that visits all parts takes ten.
const OPERATIONS_PER_ITEM: u64 = 50;
/// The most characters of a reason that was thrown.
const REASON: usize = 200;
/// The stack of a run: what the deepest calls need in a debug build, with a margin.
const STACK: usize = 16 << 20;
/// The further stack of a run for each item that a value can contain: values can be as deep as they are large, and Rhai
/// measures and frees them by recursion. Only the part that is used becomes memory.
const STACK_PER_ITEM: usize = 4 << 10;

/// The limits of a script. They grow with the event: a value of twice its size and some work on each of its parts are
/// always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptLimits {
    /// The most steps (statements, expressions, calls, iterations), besides 50 for each part of the event.
    pub operations: u64,
    /// The deepest nesting of calls.
    pub calls: usize,
    /// The most bytes of text in one value, including everything inside it.
    pub text: usize,
    /// The most elements and members in one value, including everything inside it.
    pub items: usize,
}

/// Why a text is not a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ScriptError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The error. May quote the script.
    pub message: String,
}

/// A compiled script.
pub struct Script {
    ast: AST,
    library: Library,
    limits: ScriptLimits,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        ScriptLimits {
            operations: 100_000,
            calls: 32,
            text: 1 << 20,
            items: 20_000,
        }
    }
}

impl Script {
    /// Compiles `text`. Calls of unknown functions are found only when they are reached.
    pub fn compile(text: &str, limits: ScriptLimits) -> Result<Script, ScriptError> {
        let library = Library::new();
        let engine = engine(&library, limits, 0, 0);
        let mut scope = Scope::new();
        scope.push("event", Map::new());
        let ast = engine
            .compile_with_scope(&scope, text)
            .map_err(|error| at(error.position(), error.err_type().to_string()))?;
        Ok(Script {
            ast,
            library,
            limits,
        })
    }

    fn run(&self, text: &str) -> Result<TransformOutput, TransformError> {
        let (tree, event) = Tree::read(text);
        let mut scope = Scope::new();
        scope.push_dynamic("event", event);
        let engine = engine(&self.library, self.limits, text.len(), tree.len());
        let ended = engine.run_ast_with_scope(&mut scope, &self.ast);
        match ended.map_err(|error| *error) {
            Ok(()) => {}
            Err(error) if library::is_drop(&error) => return Ok(TransformOutput::Drop),
            Err(error) => return Err(TransformError(failure(&error).to_string())),
        }
        let event = scope.remove::<Dynamic>("event").unwrap_or_default();
        let written = tree.write(&event).map_err(TransformError)?;
        Ok(if written == text {
            TransformOutput::Unchanged
        } else {
            TransformOutput::Changed(written)
        })
    }

    /// The limits for an event of that many items.
    fn stack(&self, items: usize) -> usize {
        let items = limit_for(self.limits.items, items);
        STACK.saturating_add(items.saturating_mul(STACK_PER_ITEM))
    }
}

impl Transform for Script {
    fn apply(&self, event: &Event) -> Result<TransformOutput, TransformError> {
        // On its own stack, because a value that is nested too deep would otherwise end the process.
        let text = event.text();
        let stack = self.stack(tree::items_at_most(text));
        thread::scope(|scope| {
            let run = thread::Builder::new()
                .stack_size(stack)
                .spawn_scoped(scope, || self.run(text))
                .map_err(|error| {
                    TransformError(format!("failed to start a thread for the script: {error}"))
                })?;
            run.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Creates an engine for one run. This is cheap: the functions are shared, the rest is settings.
fn engine(library: &Library, limits: ScriptLimits, text: usize, items: usize) -> Engine {
    let mut engine = Engine::new_raw();
    library.register(&mut engine);
    engine.set_strict_variables(true);
    // `Fn` and `curry` make functions by name and with bound arguments, whose size Rhai does not count.
    for symbol in ["eval", "print", "debug", "Fn", "curry"] {
        engine.disable_symbol(symbol);
    }
    engine
        .set_max_call_levels(limits.calls)
        .set_max_expr_depths(EXPRESSIONS, EXPRESSIONS)
        .set_max_variables(VARIABLES)
        .set_max_string_size(limit_for(limits.text, text))
        .set_max_array_size(limit_for(limits.items, items))
        .set_max_map_size(limit_for(limits.items, items));
    // Counted here, because Rhai counts from zero in each function that a native function calls.
    let allowance = OPERATIONS_PER_ITEM.saturating_mul(items as u64);
    let meter = Arc::new(Meter::new(limits.operations.saturating_add(allowance)));
    engine.set_default_tag(Dynamic::from(meter.clone()));
    engine.on_progress(move |_| (!meter.take(1)).then(library::too_many_steps));
    engine
}

/// 0 would mean no limit.
fn limit_for(limit: usize, event: usize) -> usize {
    limit.max(event.saturating_mul(2)).max(1)
}

/// Describes an error without values of the event.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "other errors of Rhai may quote values of the event"
)]
fn failure(error: &EvalAltResult) -> ScriptError {
    let inner = error.unwrap_inner();
    let message = match inner {
        EvalAltResult::ErrorRuntime(thrown, _) => match thrown.read_lock::<rhai::ImmutableString>()
        {
            Some(reason) => reason.chars().take(REASON).collect(),
            None => format!("threw a value of type {}", thrown.type_name()),
        },
        EvalAltResult::ErrorTerminated(..) => "too many operations".to_owned(),
        EvalAltResult::ErrorStackOverflow(_) => "too many calls within calls".to_owned(),
        EvalAltResult::ErrorTooManyVariables(_) => "too many variables".to_owned(),
        EvalAltResult::ErrorDataTooLarge(what, _) => format!("too large: {what}"),
        EvalAltResult::ErrorVariableNotFound(name, _) => format!("no variable {name}"),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => format!("no function {signature}"),
        EvalAltResult::ErrorMismatchDataType(wanted, found, _)
        | EvalAltResult::ErrorMismatchOutputType(wanted, found, _) => {
            format!("expected {wanted}, found {found}")
        }
        EvalAltResult::ErrorIndexingType(kind, _) => format!("no index into {kind}"),
        EvalAltResult::ErrorArrayBounds(length, index, _) => {
            format!("no element {index} in an array of {length}")
        }
        EvalAltResult::ErrorFor(_) => "a loop over a value that is not a list".to_owned(),
        EvalAltResult::ErrorArithmetic(..) => "arithmetic".to_owned(),
        EvalAltResult::ErrorAssignmentToConstant(name, _) => format!("{name} is constant"),
        EvalAltResult::ErrorNonPureMethodCallOnConstant(name, _) => {
            format!("{name} would change a constant")
        }
        // These may quote values, and so may any that a later version of Rhai adds.
        _ => "no such property, index or type of value".to_owned(),
    };
    at(inner.position(), message)
}

fn at(position: Position, message: String) -> ScriptError {
    ScriptError {
        line: position.line().unwrap_or(1),
        column: position.position().unwrap_or(1).max(1),
        message,
    }
}
