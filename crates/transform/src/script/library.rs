//! The functions that scripts have besides Rhai's own.
//!
//! | function | what it does |
//! |---|---|
//! | `drop()` | ends the script and drops the event |
//! | `rename_datasets(event, \|id\| { …; id })` | calls the function with `#{namespace, name}` for every position that names a dataset, and writes its result there: the same value leaves it |
//! | `rename_datasets(event, extra, \|id, extra\| …)` | the same, with a further argument, such as a table |
//! | `rename_jobs(event, …)` | the same for jobs: the job, its parent and root, dependencies |
//! | `get_at(event, "/a/0/b")` | the value at a JSON Pointer (RFC 6901), `()` if there is none |
//! | `set_at(event, "/a/b", value)` | puts it there, making the objects on the way; `-` adds to an array |
//! | `remove_at(event, "/a/b")` | removes it; returns whether it was there |
//! | `matches(text, pattern)` | whether the pattern (crate `regex`) is found in the text |
//! | `captures(text, pattern)` | the first find and its groups, as an array; empty if there is none |
//! | `regex_replace(text, pattern, replacement)` | every find replaced; `$1` and `${name}` are groups |
//!
//! Rhai's own functions are those for numbers, strings, arrays, maps, ranges and iteration.

use openlineage::{MAX_DEPTH, Role};
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FnPtr, FuncRegistration, Map, Module, NativeCallContext,
    Position, Shared,
};

use super::tree::Number;
use super::{positions, texts};

pub(super) type Failure = Box<EvalAltResult>;

/// The functions, shared by all runs of a script.
#[derive(Clone)]
pub(super) struct Library(Vec<Shared<Module>>);

#[derive(Clone, Copy)]
enum End {
    Drop,
    Steps,
}

impl Library {
    pub(super) fn new() -> Library {
        Library(vec![
            // Without `LanguageCorePackage`, which can sleep.
            ArithmeticPackage::new().as_shared_module(),
            LogicPackage::new().as_shared_module(),
            BasicStringPackage::new().as_shared_module(),
            MoreStringPackage::new().as_shared_module(),
            BasicIteratorPackage::new().as_shared_module(),
            BasicFnPackage::new().as_shared_module(),
            BasicMathPackage::new().as_shared_module(),
            BasicArrayPackage::new().as_shared_module(),
            BasicMapPackage::new().as_shared_module(),
            Shared::new(ours()),
        ])
    }

    pub(super) fn register(&self, engine: &mut Engine) {
        for module in &self.0 {
            engine.register_global_module(module.clone());
        }
        engine.register_type_with_name::<Number>("number");
    }
}

/// Whether a run ended because the script called `drop()`.
pub(super) fn is_drop(error: &EvalAltResult) -> bool {
    let EvalAltResult::ErrorTerminated(end, _) = error.unwrap_inner() else {
        return false;
    };
    matches!(end.read_lock::<End>().as_deref(), Some(End::Drop))
}

/// The error of a run that took too many steps.
pub(super) fn too_many_steps() -> Dynamic {
    Dynamic::from(End::Steps)
}

fn ours() -> Module {
    let mut module = Module::new();
    let to = &mut module;
    let new = FuncRegistration::new;
    new("drop").set_into_module(to, || -> Result<(), Failure> {
        Err(EvalAltResult::ErrorTerminated(Dynamic::from(End::Drop), Position::NONE).into())
    });
    for (function, role) in [
        ("rename_datasets", Role::Dataset),
        ("rename_jobs", Role::Job),
    ] {
        new(function).set_into_module(
            to,
            move |context: NativeCallContext, event: &mut Map, f: FnPtr| {
                rename(event, role, &mut |id| {
                    f.call_within_context(&context, (id,))
                })
            },
        );
        new(function).set_into_module(
            to,
            move |context: NativeCallContext, event: &mut Map, extra: Dynamic, f: FnPtr| {
                rename(event, role, &mut |id| {
                    f.call_within_context(&context, (id, extra.clone()))
                })
            },
        );
    }
    pointers(to);
    texts::register(to);
    new("to_string").set_into_module(to, |number: &mut Number| number.0.clone());
    new("to_debug").set_into_module(to, |number: &mut Number| number.0.clone());
    new("==").set_into_module(to, |a: Number, b: Number| a == b);
    new("!=").set_into_module(to, |a: Number, b: Number| a != b);
    module
}

fn rename(
    event: &mut Map,
    role: Role,
    f: &mut dyn FnMut(Map) -> Result<Dynamic, Failure>,
) -> Result<(), Failure> {
    const PARTS: [&str; 2] = ["namespace", "name"];
    positions::each(event, &mut |found, object| {
        if found != role {
            return Ok(());
        }
        let part = |name: &str| Some((name.into(), object.get(name)?.clone()));
        let answer = f(PARTS.into_iter().filter_map(part).collect())?;
        // A function that returns nothing is an error: its change would be lost.
        let mut answer = answer
            .try_cast::<Map>()
            .ok_or("the function has to give the name back: end it with id")?;
        for name in PARTS {
            match answer.remove(name) {
                Some(value) if value.is_string() => object.insert(name.into(), value),
                _ => return Err("namespace and name have to be strings".into()),
            };
        }
        Ok(())
    })
}

fn pointers(to: &mut Module) {
    let new = FuncRegistration::new;
    new("get_at").set_into_module(to, |map: &mut Map, at: &str| -> Result<Dynamic, Failure> {
        let steps = steps(at)?;
        let Some((first, rest)) = steps.split_first() else {
            return Ok(map.clone().into());
        };
        Ok(map
            .get(first.as_str())
            .map(|value| get(value, rest))
            .unwrap_or_default())
    });
    new("set_at").set_into_module(
        to,
        |map: &mut Map, at: &str, value: Dynamic| -> Result<(), Failure> {
            let steps = steps(at)?;
            let (first, rest) = steps.split_first().ok_or("no pointer to a member")?;
            set(map.entry(first.as_str().into()).or_default(), rest, value)
        },
    );
    new("remove_at").set_into_module(to, |map: &mut Map, at: &str| -> Result<bool, Failure> {
        Ok(match steps(at)?.as_slice() {
            [] => false,
            [last] => map.remove(last.as_str()).is_some(),
            [first, rest @ ..] => map
                .get_mut(first.as_str())
                .is_some_and(|value| remove(value, rest)),
        })
    });
}

fn get(value: &Dynamic, steps: &[String]) -> Dynamic {
    let Some((first, rest)) = steps.split_first() else {
        return value.clone();
    };
    let under = |value: Option<&Dynamic>| value.map(|value| get(value, rest)).unwrap_or_default();
    if let Some(map) = value.read_lock::<Map>() {
        under(map.get(first.as_str()))
    } else if let Some(array) = value.read_lock::<Array>() {
        under(index(first).and_then(|index| array.get(index)))
    } else {
        Dynamic::UNIT
    }
}

fn set(value: &mut Dynamic, steps: &[String], new: Dynamic) -> Result<(), Failure> {
    let Some((first, rest)) = steps.split_first() else {
        *value = new;
        return Ok(());
    };
    if value.is_unit() {
        *value = Map::new().into();
    }
    if let Some(mut map) = value.write_lock::<Map>() {
        return set(map.entry(first.as_str().into()).or_default(), rest, new);
    }
    let mut array = value
        .write_lock::<Array>()
        .ok_or("the pointer leads into what is neither object nor array")?;
    if first == "-" {
        array.push(Dynamic::UNIT);
    }
    let last = array.len().checked_sub(1);
    let index = if first == "-" { last } else { index(first) };
    let item = index.and_then(|index| array.get_mut(index));
    set(item.ok_or("no such element")?, rest, new)
}

fn remove(value: &mut Dynamic, steps: &[String]) -> bool {
    let Some((first, rest)) = steps.split_first() else {
        return false;
    };
    if let Some(mut map) = value.write_lock::<Map>() {
        if rest.is_empty() {
            return map.remove(first.as_str()).is_some();
        }
        return map
            .get_mut(first.as_str())
            .is_some_and(|value| remove(value, rest));
    }
    let Some(mut array) = value.write_lock::<Array>() else {
        return false;
    };
    match index(first).filter(|index| *index < array.len()) {
        Some(index) if rest.is_empty() => {
            drop(array.remove(index));
            true
        }
        Some(index) => array
            .get_mut(index)
            .is_some_and(|value| remove(value, rest)),
        None => false,
    }
}

fn index(step: &str) -> Option<usize> {
    step.parse().ok()
}

/// Returns the steps of a JSON Pointer.
fn steps(pointer: &str) -> Result<Vec<String>, Failure> {
    let mut parts = pointer.split('/');
    if parts.next() != Some("") {
        return Err("a JSON Pointer begins with /".into());
    }
    if parts.clone().nth(MAX_DEPTH).is_some() {
        return Err("the JSON Pointer is longer than an event can be deep".into());
    }
    Ok(parts
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect())
}
