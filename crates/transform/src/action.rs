//! What the built-in actions of rules do, one file an action: pure functions from names to names and events to texts.
//!
//! Nothing here reads the rules file or decides whether an action applies: that is the rules' part, which calls these.

mod normalise;

pub use normalise::Normalise;
