//! The Lambda functions: the parts of their bootstraps that `proxy` does not share with `serve`.
//!
//! Ingest connects API Gateway to the router; batch connects SQS to the pipeline; check runs on a schedule; source reads what
//! others write.

pub mod batch;
pub mod bootstrap;
pub mod gateway;
pub mod metrics;
pub mod source;
