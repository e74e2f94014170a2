//! AWS Glue crawlers: crawls and the tables they changed.
