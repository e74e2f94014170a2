//! The command line as a library, so that a binary with its own transforms has the same commands.
//!
//! Reads flags, environment and file once, runs the command, and turns its result into an exit status: 0 success, 1 a
//! negative result, 2 wrong usage, 64 wrong configuration, 70 a bug, 75 temporary failure.

// `eprintln!` panics where standard error cannot be written: `cli::tell` does not.
#![warn(clippy::print_stderr)]

mod cli;

use std::process::ExitCode;

use clap::FromArgMatches;
use cli::{Cli, run};
use mimalloc::MiMalloc;
use transform::Transforms;

/// `serve` allocates and frees some hundred times for an event, often on another thread than it allocated on.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The main function of a `lineage-proxy` whose rules may also use `transforms`.
pub fn main(transforms: Transforms) -> ExitCode {
    // clap ends with 2 on wrong usage by itself.
    let cli =
        Cli::from_arg_matches(&cli::command().get_matches()).unwrap_or_else(|error| error.exit());
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let status = runtime.block_on(run(cli, transforms));
            // All work has ended. Only a DNS lookup that hangs could still run, and it must not delay the exit.
            runtime.shutdown_background();
            status
        }
        Err(error) => {
            cli::tell(format_args!(
                "lineage-proxy: cannot start the runtime: {error}"
            ));
            ExitCode::from(70)
        }
    }
}
