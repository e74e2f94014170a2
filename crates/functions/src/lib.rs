//! The Lambda functions: what their bootstraps add to `proxy`, which holds all that they share with `serve`.
//!
//! Ingest puts API Gateway in front of the router; batch puts SQS in front of the pipeline; check runs on a schedule.

pub mod batch;
pub mod bootstrap;
pub mod gateway;
pub mod metrics;
