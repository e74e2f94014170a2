//! The start and the end of the bootstraps: a runtime, and a configuration error that is visible in the log.

use std::fmt::Display;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

use proxy::config::Errors;
use proxy::topology::StartErrors;

/// Runs the main function of a Lambda function on a single thread: a function has less than one core.
pub fn main(start: impl Future<Output = Result<(), lambda_runtime::Error>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(format_args!("no runtime: {error}"));
            return ExitCode::from(70);
        }
    };
    match runtime.block_on(start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            let status = match error.downcast_ref::<StartErrors>() {
                Some(errors) => errors.exit_status(),
                None if error.is::<Errors>() => 64,
                None => 70,
            };
            ExitCode::from(status)
        }
    }
}

/// Prints a line to standard error. If that cannot be written, nobody can be told.
fn tell(error: impl Display) {
    let _ = writeln!(std::io::stderr(), "lineage-proxy: {error}");
}
