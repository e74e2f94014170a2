//! lineage-proxy: the application.
//!
//! The path of an event: `ingest` takes it over HTTP and puts it into the `queue`; the `pipeline` takes it out, transforms
//! it and brings it to its target. Two shells run the same lines: `serve` on one machine, the bootstraps of the
//! crate `functions` on AWS.

pub mod aws_error;
pub mod check;
pub mod config;
pub mod ingest;
pub mod lookup;
pub mod pipeline;
pub mod rules;
pub mod secrets;
pub mod serve;
pub mod setup;
pub mod telemetry;

pub use ::queue;
