//! Asks before events are deleted for good. Called by `dead_letters.rs`.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use crate::cli::tell;
use crate::cli::{FINE, no};

/// The answer to a request for confirmation.
pub(super) enum Confirmation {
    Yes,
    No,
    /// Nobody can be asked: standard input is not a terminal.
    NoTerminal,
}

/// Asks whether to delete that many events. Accepts `yes` or their number.
pub(super) fn confirmed(count: usize) -> anyhow::Result<Confirmation> {
    let stdin = std::io::stdin();
    if count == 0 {
        return Ok(Confirmation::Yes);
    }
    if !stdin.is_terminal() {
        return Ok(Confirmation::NoTerminal);
    }
    let what = if count == 1 { "event" } else { "events" };
    let asked = write!(
        std::io::stderr(),
        "Delete {count} {what} for good? Type yes, or the number: "
    );
    if asked.is_err() {
        return Ok(Confirmation::NoTerminal); // nobody has seen the question
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    let line = line.trim();
    let is_yes = line.eq_ignore_ascii_case("yes") || line == count.to_string();
    Ok(if is_yes {
        Confirmation::Yes
    } else {
        Confirmation::No
    })
}

/// Says why nothing is deleted.
pub(super) fn refuse(answer: &Confirmation, count: usize) -> ExitCode {
    match answer {
        Confirmation::Yes => FINE,
        Confirmation::No => {
            tell(format_args!("lineage-proxy: nothing was deleted"));
            no()
        }
        Confirmation::NoTerminal => {
            tell(format_args!(
                "lineage-proxy: cannot ask whether to delete all {count} without a terminal; pass --yes"
            ));
            ExitCode::from(2)
        }
    }
}
