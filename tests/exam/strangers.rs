//! What a stranger can send to `serve`: connections, requests and bodies made to harm.
//!
//! In every case an ordinary client posts all the while, and somebody asks `/healthz`: both have to be answered `200`, in
//! time. Memory is measured as the peak of the process. Cases take turns, so that they do not disturb each other.

mod bodies;
mod halves;
mod held;
mod requests;
mod scene;
mod traces;
