//! Flyte: workflow, node and task events, in each form in which Flyte publishes them.
