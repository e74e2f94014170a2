//! Access to AWS: the shared configuration, loaded when first needed.
//!
//! [`Aws`] is passed by reference to every component that may call AWS. A component asks for the configuration when it
//! makes its first call, so a process that calls no service never looks for credentials.

mod handle;

pub use handle::Aws;
