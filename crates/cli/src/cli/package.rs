//! Generates what a package ships besides the binary from the command line: shell completions and manual pages.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::FINE;
use crate::cli::tell;

/// The shell of a completion script.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell that will read the script.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// The destination of manual pages.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write a page for each command into this folder, instead of the main page to standard output.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Prints the completion script of a shell.
pub(super) fn completions(
    arguments: &Completions,
    mut command: clap::Command,
) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    print(&script)
}

/// Prints the main manual page, or writes all pages into a folder.
pub(super) fn man(arguments: &Man, command: clap::Command) -> anyhow::Result<ExitCode> {
    // No page for `help`: the pages are the help.
    let command = command.disable_help_subcommand(true);
    match &arguments.folder {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            print(&page)
        }
        Some(folder) => {
            let written = std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(command, folder));
            match written {
                Ok(()) => Ok(FINE),
                Err(error) => {
                    tell(format_args!(
                        "lineage-proxy: cannot write to {}: {error}",
                        folder.display()
                    ));
                    Ok(ExitCode::from(64))
                }
            }
        }
    }
}

/// Prints to standard output. A reader that closes the pipe (`| head`) is not an error.
fn print(text: &[u8]) -> anyhow::Result<ExitCode> {
    match std::io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(FINE),
    }
}
