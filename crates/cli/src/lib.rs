//! The command line, as a library: so that a binary with transforms of its own has the same commands.
//!
//! Reads flags, environment and file once, calls the command, and turns what it says into an exit status:
//! 0 fine, 1 the answer is no, 2 wrong usage, 64 bad configuration, 70 our fault.

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
        Ok(runtime) => runtime.block_on(run(cli, transforms, std::env::vars())),
        Err(error) => {
            eprintln!("lineage-proxy: no runtime: {error}");
            ExitCode::from(70)
        }
    }
}
