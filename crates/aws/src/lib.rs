//! Access to AWS: the shared configuration, loaded when first needed, and a small client for the calls that do not justify
//! an SDK.
//!
//! [`Aws`] is passed by reference to every component that may call AWS. A component asks for the configuration when it
//! makes its first call, so a process that calls no service never looks for credentials. SQS and DataZone are called through
//! their SDKs, which take [`Aws::config`]. Everything else is an [`Operation`]: a type that builds its request and reads its
//! response, both pure. [`Client`] signs, sends, retries and limits it with the runtime that the SDKs share.
//!
//! To add a call, write its type into the module of its service, with a test against botocore's model in
//! `tests/real/test_aws_calls.py`.

mod client;
mod endpoint;
mod error;
mod handle;
mod protocol;
mod role;
mod service;
mod sign;
mod xml;

pub mod api_gateway;
pub mod cloudformation;
pub mod cloudwatch;
pub mod dynamodb;
pub mod glue;
pub mod lambda;
pub mod logs;
pub mod redshift;
pub mod redshift_data;
pub mod redshift_serverless;
pub mod s3;
pub mod secrets_manager;
pub mod sns;
pub mod sts;

/// Code and message of an error: what the SDKs' errors have, and [`Error`] too.
pub use aws_smithy_types::error::metadata::ProvideErrorMetadata;
pub use client::{Client, Pages};
pub use endpoint::EndpointError;
pub use error::{Error, ServiceError, UnreadableResponse, error_chain, naming_role, summarize};
pub use handle::Aws;
pub use protocol::{Operation, Paginated, Request, Response};
pub use role::{ExternalIdAlone, Role};
pub use service::Service;
pub use sign::{Signer, SigningError};
