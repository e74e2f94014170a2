//! The functions of scripts that search texts: our own, and replacements of Rhai's.
//!
//! One call can search a whole event, so each is charged steps by the size of the text: the limit of steps is a limit
//! of time, too. Called by `library.rs`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};
use rhai::{
    Array, Dynamic, EvalAltResult, FuncRegistration, INT, ImmutableString, Module,
    NativeCallContext, Position,
};

use super::library::{Failure, too_many_steps};

/// The most compiled patterns that are kept. Patterns are written in scripts; only patterns that are built from values
/// exceed it.
const PATTERNS: usize = 64;
/// The largest compiled pattern, in bytes.
const PATTERN_SIZE: usize = 1 << 20;
/// The bytes of text that are searched in about the time of a step.
const BYTES_PER_STEP: usize = 64;

/// The steps of one run.
#[derive(Debug)]
pub(super) struct Meter {
    taken: AtomicU64,
    most: u64,
}

impl Meter {
    pub(super) fn new(most: u64) -> Meter {
        Meter {
            taken: AtomicU64::new(0),
            most,
        }
    }

    /// Whether that many further steps are allowed.
    pub(super) fn take(&self, steps: u64) -> bool {
        let taken = self.taken.fetch_add(steps, Ordering::Relaxed);
        taken.saturating_add(steps) <= self.most
    }
}

fn charge(context: &NativeCallContext<'_>, text: &str) -> Result<(), Failure> {
    let steps = (text.len() / BYTES_PER_STEP) as u64 + 1;
    let tag = context.engine().default_tag();
    let allowed = (tag.read_lock::<Arc<Meter>>()).is_none_or(|meter| meter.take(steps));
    if allowed {
        return Ok(());
    }
    Err(EvalAltResult::ErrorTerminated(too_many_steps(), Position::NONE).into())
}

/// Adds the functions.
pub(super) fn register(to: &mut Module) {
    patterns(to);
    replaces(to);
    searches(to);
    splits(to);
}

fn patterns(to: &mut Module) {
    let new = FuncRegistration::new;
    let patterns = Arc::new(Patterns::default());
    let known = patterns.clone();
    new("matches").set_into_module(
        to,
        move |context: NativeCallContext,
              text: &str,
              pattern: ImmutableString|
              -> Result<bool, Failure> {
            charge(&context, text)?;
            Ok(known.get(&pattern)?.is_match(text))
        },
    );
    let known = patterns.clone();
    new("captures").set_into_module(
        to,
        move |context: NativeCallContext,
              text: &str,
              pattern: ImmutableString|
              -> Result<Array, Failure> {
            charge(&context, text)?;
            let captures = known.get(&pattern)?.captures(text);
            let group = |group: Option<regex::Match<'_>>| {
                group.map_or(Dynamic::UNIT, |found| found.as_str().into())
            };
            Ok(captures
                .map(|found| found.iter().map(group).collect())
                .unwrap_or_default())
        },
    );
    new("regex_replace").set_into_module(
        to,
        move |context: NativeCallContext, text: &str, pattern: ImmutableString, new: &str| {
            charge(&context, text)?;
            let regex = patterns.get(&pattern)?;
            let finds = regex.captures_iter(text).filter_map(|found| {
                let mut put = String::new();
                found.expand(new, &mut put);
                found.get(0).map(|whole| (whole.range(), put))
            });
            replaced(&context, text, finds)
        },
    );
}

/// Rhai's own functions build the text before they check its size.
fn replaces(to: &mut Module) {
    let new = FuncRegistration::new;
    new("replace").set_into_module(
        to,
        |context: NativeCallContext, text: &mut ImmutableString, find: &str, new: &str| {
            charge(&context, text)?;
            let finds = text
                .match_indices(find)
                .map(|(at, found)| (at..at + found.len(), new.to_owned()));
            *text = replaced(&context, text, finds)?.into();
            Ok::<(), Failure>(())
        },
    );
    new("replace").set_into_module(
        to,
        |context: NativeCallContext, text: &mut ImmutableString, find: &str, new: char| {
            charge(&context, text)?;
            let finds = text
                .match_indices(find)
                .map(|(at, found)| (at..at + found.len(), new.to_string()));
            *text = replaced(&context, text, finds)?.into();
            Ok::<(), Failure>(())
        },
    );
    new("replace").set_into_module(
        to,
        |context: NativeCallContext, text: &mut ImmutableString, find: char, new: &str| {
            charge(&context, text)?;
            let finds = text
                .match_indices(find)
                .map(|(at, found)| (at..at + found.len(), new.to_owned()));
            *text = replaced(&context, text, finds)?.into();
            Ok::<(), Failure>(())
        },
    );
    new("replace").set_into_module(
        to,
        |context: NativeCallContext, text: &mut ImmutableString, find: char, new: char| {
            charge(&context, text)?;
            let finds = text
                .match_indices(find)
                .map(|(at, found)| (at..at + found.len(), new.to_string()));
            *text = replaced(&context, text, finds)?.into();
            Ok::<(), Failure>(())
        },
    );
}

fn searches(to: &mut Module) {
    let new = FuncRegistration::new;
    new("contains").set_into_module(
        to,
        |context: NativeCallContext, text: &str, find: &str| -> Result<bool, Failure> {
            charge(&context, text)?;
            Ok(text.contains(find))
        },
    );
    new("index_of").set_into_module(
        to,
        |context: NativeCallContext, text: &str, find: &str| -> Result<INT, Failure> {
            charge(&context, text)?;
            Ok(position(text, 0, |rest| rest.find(find)))
        },
    );
    new("index_of").set_into_module(
        to,
        |context: NativeCallContext, text: &str, find: &str, start: INT| -> Result<INT, Failure> {
            charge(&context, text)?;
            Ok(position(text, start, |rest| rest.find(find)))
        },
    );
    new("contains").set_into_module(
        to,
        |context: NativeCallContext, text: &str, find: char| -> Result<bool, Failure> {
            charge(&context, text)?;
            Ok(text.contains(find))
        },
    );
    new("index_of").set_into_module(
        to,
        |context: NativeCallContext, text: &str, find: char| -> Result<INT, Failure> {
            charge(&context, text)?;
            Ok(position(text, 0, |rest| rest.find(find)))
        },
    );
    new("index_of").set_into_module(
        to,
        |context: NativeCallContext, text: &str, find: char, start: INT| -> Result<INT, Failure> {
            charge(&context, text)?;
            Ok(position(text, start, |rest| rest.find(find)))
        },
    );
}

/// Returns where `find` finds something from character `start` on, which counts from the end if it is negative; in
/// characters, -1 if nowhere.
fn position(text: &str, start: INT, find: impl Fn(&str) -> Option<usize>) -> INT {
    let back = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
    let start = if start < 0 {
        text.chars().count().saturating_sub(back)
    } else {
        back
    };
    let Some((at, _)) = text.char_indices().nth(start) else {
        return -1;
    };
    let found = text
        .get(at..)
        .and_then(find)
        .and_then(|index| text.get(..at + index));
    found
        .and_then(|before| INT::try_from(before.chars().count()).ok())
        .unwrap_or(-1)
}

/// Rhai's own function builds all parts before it checks their number.
fn splits(to: &mut Module) {
    let new = FuncRegistration::new;
    new("split").set_into_module(
        to,
        |context: NativeCallContext, text: &str| -> Result<Array, Failure> {
            charge(&context, text)?;
            parts(&context, text.split_whitespace())
        },
    );
    new("split").set_into_module(
        to,
        |context: NativeCallContext, text: &str, at: &str| -> Result<Array, Failure> {
            charge(&context, text)?;
            parts(&context, text.split(at))
        },
    );
    new("split").set_into_module(
        to,
        |context: NativeCallContext, text: &str, at: &str, most: INT| -> Result<Array, Failure> {
            charge(&context, text)?;
            let most = usize::try_from(most).unwrap_or(1).max(1);
            parts(&context, text.splitn(most, at))
        },
    );
    new("split_rev").set_into_module(
        to,
        |context: NativeCallContext, text: &str, at: &str| -> Result<Array, Failure> {
            charge(&context, text)?;
            parts(&context, text.rsplit(at))
        },
    );
    new("split_rev").set_into_module(
        to,
        |context: NativeCallContext, text: &str, at: &str, most: INT| -> Result<Array, Failure> {
            charge(&context, text)?;
            let most = usize::try_from(most).unwrap_or(1).max(1);
            parts(&context, text.rsplitn(most, at))
        },
    );
    new("split").set_into_module(
        to,
        |context: NativeCallContext, text: &str, at: char| -> Result<Array, Failure> {
            charge(&context, text)?;
            parts(&context, text.split(at))
        },
    );
    new("split").set_into_module(
        to,
        |context: NativeCallContext, text: &str, at: char, most: INT| -> Result<Array, Failure> {
            charge(&context, text)?;
            let most = usize::try_from(most).unwrap_or(1).max(1);
            parts(&context, text.splitn(most, at))
        },
    );
    new("split_rev").set_into_module(
        to,
        |context: NativeCallContext, text: &str, at: char| -> Result<Array, Failure> {
            charge(&context, text)?;
            parts(&context, text.rsplit(at))
        },
    );
    new("split_rev").set_into_module(
        to,
        |context: NativeCallContext, text: &str, at: char, most: INT| -> Result<Array, Failure> {
            charge(&context, text)?;
            let most = usize::try_from(most).unwrap_or(1).max(1);
            parts(&context, text.rsplitn(most, at))
        },
    );
}

fn parts<'t>(
    context: &NativeCallContext<'_>,
    parts: impl Iterator<Item = &'t str>,
) -> Result<Array, Failure> {
    let most = context.engine().max_array_size();
    let parts: Array = parts.take(most + 1).map(Into::into).collect();
    if parts.len() > most {
        return Err("there are too many parts".into());
    }
    Ok(parts)
}

/// Replaces parts of the text, unless the result is too large.
fn replaced(
    context: &NativeCallContext<'_>,
    text: &str,
    parts: impl Iterator<Item = (Range<usize>, String)>,
) -> Result<String, Failure> {
    let (mut out, mut done) = (String::new(), 0);
    let most = context.engine().max_string_size();
    for (range, put) in parts {
        out.push_str(text.get(done..range.start).unwrap_or_default());
        out.push_str(&put);
        done = range.end;
        if out.len() > most {
            return Err("the replaced text is too large".into());
        }
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Ok(out)
}

/// The compiled patterns.
#[derive(Default)]
struct Patterns(Mutex<HashMap<ImmutableString, Regex>>);

impl Patterns {
    fn get(&self, pattern: &ImmutableString) -> Result<Regex, Failure> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = known.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = RegexBuilder::new(pattern)
            .size_limit(PATTERN_SIZE)
            .build()
            .map_err(|_| Failure::from("not a regular expression, or too large a one"))?;
        if known.len() >= PATTERNS {
            known.clear();
        }
        known.insert(pattern.clone(), regex.clone());
        Ok(regex)
    }
}
