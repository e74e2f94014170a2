//! Logs: OpenLineage events that a console transport printed, whatever stands around them.
