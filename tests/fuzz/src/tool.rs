//! The command line of the kept inputs, of this crate and of `fuzz-edge`. Called by `tests/fuzz.sh`.
//!
//! `unpack FILE FOLDER`: the inputs of a packed file, a file each. `pack FOLDER FILE`: the other way round.
//! `seeds LAW FOLDER`: where a law begins. `laws`: their names.

use std::path::Path;
use std::process::ExitCode;

use crate::{Law, pack};

/// The whole main.
pub fn main(laws: &[(&str, Law)], seeds: fn(&str) -> Vec<Vec<u8>>) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["laws"] => laws.iter().for_each(|(law, _)| say(law)),
        ["unpack", file, folder] => write(folder, "kept", &pack::inputs(Path::new(file))),
        ["seeds", law, folder] => write(folder, "seed", &seeds(law)),
        ["pack", folder, file] => {
            let entries = std::fs::read_dir(folder).unwrap();
            let inputs = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
            let mut inputs: Vec<Vec<u8>> = inputs.collect();
            inputs.sort_by_key(|input| (input.len(), input.clone()));
            let lines: String = inputs
                .iter()
                .map(|input| pack::line(input) + "\n")
                .collect();
            std::fs::write(file, lines).unwrap();
            say(&format!("{file}: {} inputs", inputs.len()));
        }
        _ => {
            eprintln!(
                "kept laws | kept unpack FILE FOLDER | kept pack FOLDER FILE | kept seeds LAW FOLDER"
            );
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}

fn write(folder: &str, name: &str, inputs: &[Vec<u8>]) {
    std::fs::create_dir_all(folder).unwrap();
    for (index, input) in inputs.iter().enumerate() {
        std::fs::write(Path::new(folder).join(format!("{name}-{index:05}")), input).unwrap();
    }
}

#[allow(clippy::print_stdout, reason = "a fuzz target reports by panicking")]
fn say(line: &str) {
    println!("{line}");
}
