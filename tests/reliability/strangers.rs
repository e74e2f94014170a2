//! Hostile clients of `serve`: connections, requests and bodies that are made to harm.
//!
//! In every case an ordinary client keeps posting, and another keeps requesting `/healthz`: both have to get `200`, in time.
//! Memory is measured as the peak of the process. Cases run one at a time, so that they do not disturb each other.

mod bodies;
mod halves;
mod held;
mod neighbours;
mod requests;
mod traces;
