//! lineage-proxy: the application.
//!
//! The path of an event: `ingest` receives it over HTTP, `intake` validates it and sends it to the `queue`; the
//! `pipeline` receives it from there, transforms it and delivers it to its target. `admin` has the routes for operators
//! of `serve`.
//!
//! `source` polls for events that nobody sends over HTTP, and passes them to intake.
//!
//! `replay` delivers with the same parts what is kept elsewhere.
//!
//! Two shells run the same code: on one machine `topology`, which opens everything and runs the parts of `serve`; on AWS the
//! bootstraps of the crate `functions`.

pub mod admin;
pub mod aws_error;
pub mod check;
pub mod config;
pub mod history;
pub mod http;
pub mod ingest;
pub mod intake;
pub mod lookup;
mod page;
pub mod pipeline;
pub mod replay;
pub mod rules;
pub mod serve;
pub mod source;
pub mod telemetry;
pub mod topology;
pub mod trial;

pub use ::queue;
