//! Helpers that tests of several crates share.

pub mod needs;
