//! A command to its end: its exit status, standard output and standard error.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs it without input.
pub fn outcome(command: &mut Command) -> (Option<i32>, String, String) {
    read(command.output().unwrap())
}

/// Runs it with `input` as its standard input, which it need not read to the end.
pub fn outcome_with(command: &mut Command, input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A command that ends early closes the pipe.
    let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    read(output)
}

fn read(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}
