//! How large a case is, and where it tells what it measured.

#![expect(
    clippy::disallowed_methods,
    reason = "the size of a test is set by the environment"
)]

/// `short` with all other tests, `full` in a run of `tests/reliability.sh`.
pub(crate) fn of<T>(short: T, full: T) -> T {
    match std::env::var("PROXY_TEST_RELIABILITY").as_deref() {
        Ok("full") => full,
        Ok(_) | Err(_) => short,
    }
}

/// A line for the table that `tests/reliability.sh` prints at the end: the case, and what it measured.
pub(crate) fn told(case: &str, figures: &str) {
    println!("reliability | {case} | {figures}");
}
