//! Inputs without a fuzzer: what was kept and the seeds, changed at random, blind to coverage. For the ordinary tests,
//! and for where no fuzzer can be built.

#![expect(
    clippy::disallowed_methods,
    reason = "the size of a test is set by the environment"
)]

use std::panic::catch_unwind;

use crate::Law;
use crate::pack::{self, line};
use crate::support::Chance;

/// Words that parsers take for something.
const WORDS: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"NaN",
    b"-Infinity",
    b"\\ud800",
    b"\\u0000",
    b"1e999",
    b"\0",
    b"\n",
    b"'",
    b"*",
    b"://",
    b"@",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\"_producer\":\"urn:p\",",
    b"\"facets\":{",
];

/// Tries each law, or the one that `LAW` names, with changed inputs: what was kept of it beside the manifest in `folder`,
/// and its `seeds`.
pub fn shake_all(laws: &[(&str, Law)], folder: &str, seeds: impl Fn(&str) -> Vec<Vec<u8>>) {
    let only = std::env::var("LAW").ok();
    for (name, law) in laws
        .iter()
        .filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
    {
        let mut inputs = pack::inputs(&pack::file(folder, name));
        inputs.extend(seeds(name));
        shake(name, *law, &inputs, rounds(100));
    }
}

/// How many inputs a law is tried with: a few, or as `FUZZ_INPUTS` says.
fn rounds(few: usize) -> usize {
    std::env::var("FUZZ_INPUTS").map_or(few, |many| many.parse().expect("FUZZ_INPUTS: a number"))
}

/// Tries `law` with changed `inputs`; where one breaks it, says which. `FUZZ_SEED` makes others.
fn shake(name: &str, law: Law, inputs: &[Vec<u8>], rounds: usize) {
    let seed =
        std::env::var("FUZZ_SEED").map_or(1, |seed| seed.parse().expect("FUZZ_SEED: a number"));
    let mut chance = Chance(seed);
    for _ in 0..rounds {
        let input = changed(inputs, &mut chance);
        // An abort says nothing: the last input does.
        if let Ok(file) = std::env::var("FUZZ_LAST") {
            std::fs::write(file, &input).expect("FUZZ_LAST: a file");
        }
        if let Err(panic) = catch_unwind(|| law(&input)) {
            eprintln!("{name} is broken by {}", line(&input));
            std::panic::resume_unwind(panic);
        }
    }
}

fn changed(inputs: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = inputs[chance.below(inputs.len())].clone();
    for _ in 0..=chance.below(4) {
        let at = chance.below(input.len() + 1);
        let upto = (at + 1 + chance.below(12)).min(input.len());
        match chance.below(7) {
            0 if at < input.len() => input[at] ^= 1 << chance.below(8),
            1 => drop(input.drain(at..upto)),
            2 => drop(input.splice(at..at, WORDS[chance.below(WORDS.len())].iter().copied())),
            3 => drop(input.splice(at..upto, WORDS[chance.below(WORDS.len())].iter().copied())),
            4 => {
                let piece = input[at..upto].to_vec();
                let to = chance.below(input.len() + 1);
                drop(input.splice(to..to, piece));
            }
            5 => {
                // The end of another.
                let other = &inputs[chance.below(inputs.len())];
                let from = chance.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                let piece = input[at..upto].repeat(1 + chance.below(20));
                drop(input.splice(at..at, piece));
            }
        }
        input.truncate(20_000);
    }
    input
}
