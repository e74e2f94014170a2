//! System facilities that a test needs and a machine may lack. Such a test is skipped, and reported.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};

/// Names a file to which a line is added for every skipped test: `tests/run.sh` prints it at its end.
const REPORT: &str = "PROXY_TEST_SKIPPED";

/// Whether a command of the system can be started; reports `test` as skipped otherwise.
#[must_use]
pub fn command(name: &str, test: &str) -> bool {
    let found = can_start(name);
    if !found {
        skip(test, name);
    }
    found
}

/// Reports that `test` does not run for lack of `need`.
///
/// Writes to standard error itself: the test harness would hide what a passing test prints.
#[expect(
    clippy::disallowed_methods,
    reason = "the runner of all tests names the file"
)]
pub fn skip(test: &str, need: &str) {
    let line = format!("SKIPPED: {test}: this machine has no {need}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os(REPORT) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

fn can_start(name: &str) -> bool {
    let mut command = Command::new(name);
    let command = command.arg("--version").stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_not_installed_cannot_be_started() {
        assert!(can_start("sh"));
        assert!(!can_start("no-such-command"));
    }
}
