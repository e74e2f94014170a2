//! The lineage graph, and how it is drawn. Pure: no clock, no environment, no IO, and no hash order.
//!
//! [`EventGraph::of`] reads the jobs and datasets of an event and the edges between them. A [`Graph`] puts those of many events
//! together, and [`Graph::neighbourhood`] cuts out what is near a node, so that it fits a screen. [`layout()`] places the boxes
//! and lines of any graph, in an amount of work that has a bound whatever the graph is: what draws it did not choose it.

mod edges;
mod event;
mod layout;
mod neighbourhood;
mod node;

pub use edges::Graph;
pub use event::{EventGraph, MAX_EDGES};
pub use layout::{BoxSize, Layout, Line, MAX_DUMMIES, MAX_WORK, Point, Rect, layout};
pub use neighbourhood::{MAX_COLUMN, MAX_NODES, Neighbourhood, Reach, Shown, ShownNode};
pub use node::{Column, ColumnEdge, EdgeKind, Name, Node, NodeKind};
