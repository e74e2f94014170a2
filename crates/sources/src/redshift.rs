//! Amazon Redshift: the history of statements, read as lineage of tables and columns.
//!
//! `result` reads answers of the Data API, and `history` and `catalogue` what their rows say. `extract` goes through the
//! statements in their order: `text` and `reading` find out what each of them was, `sql` what it reads and writes,
//! `resolve`, `flow` and `effects` what that means in its session, `transaction` whether it counts, and `draft` and
//! `event` write it down. `queries` has what to ask a warehouse for. Nothing here asks it: that is `fetch`. `saved` reads
//! files of answers.

mod catalogue;
mod draft;
mod effects;
mod event;
mod extract;
mod flow;
mod history;
mod horizon;
mod job;
mod message;
mod options;
pub mod queries;
mod reading;
mod resolve;
mod result;
mod saved;
pub mod sql;
mod state;
mod text;
mod transaction;
mod unread;
mod warehouse;

#[cfg(test)]
mod tests;

pub use catalogue::Catalogue;
pub use extract::{Found, OWN_LABEL, Poll, extract, extract_all};
pub use history::{History, ReadError, View};
pub use horizon::Window;
pub use options::{Options, Reporter, SqlFacet};
pub use state::State;
pub use warehouse::{DatasetName, NotAnAddress, Warehouse};
