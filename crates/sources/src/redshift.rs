//! Amazon Redshift: the history of queries, read as lineage of tables and columns.

pub mod sql;
