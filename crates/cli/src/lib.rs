//! The command line, as a library: so that a binary with transforms of its own has the same commands.
//!
//! Reads flags, environment and file once, calls the command, and turns what it says into an exit status:
//! 0 fine, 1 the answer is no, 2 wrong usage, 64 bad configuration, 75 not now, 70 our fault.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, run};
use transform::Transforms;

/// The whole main of a `lineage-proxy` whose rules may also use `transforms`.
pub fn main(transforms: Transforms) -> ExitCode {
    // clap ends with 2 on wrong usage by itself.
    let cli = Cli::parse();
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let status = runtime.block_on(run(cli, transforms, std::env::vars_os()));
            // What had to end has. A look-up of a host's name that hangs is no reason to stay.
            runtime.shutdown_background();
            status
        }
        Err(error) => {
            eprintln!("lineage-proxy: no runtime: {error}");
            ExitCode::from(70)
        }
    }
}
