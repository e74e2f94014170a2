//! How large a case of the reliability suite is, and where it reports what it measured.

#![expect(
    clippy::disallowed_methods,
    reason = "the size of a test is set by the environment"
)]

/// Returns `short` where all tests run, and `full` in a run of `tests/reliability.sh`.
pub fn of<T>(short: T, full: T) -> T {
    match std::env::var("PROXY_TEST_RELIABILITY").as_deref() {
        Ok("full") => full,
        Ok(_) | Err(_) => short,
    }
}

/// Prints a row of the table that `tests/reliability.sh` shows at its end.
pub fn measured(case: &str, figures: &str) {
    println!("reliability | {case} | {figures}");
}

/// Returns `PROXY_TEST_SEED`, or else a new seed, and prints it: a failure can be repeated with it.
pub fn seed(case: &str) -> u64 {
    let seed = std::env::var("PROXY_TEST_SEED")
        .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("{case}: PROXY_TEST_SEED={seed}");
    seed
}
