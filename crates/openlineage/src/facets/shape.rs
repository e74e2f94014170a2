//! The shape of a facet's values, and the facets of each container. `shapes.rs` lists the shape of every facet.
//!
//! Used by the warnings (`facets.rs`) and by the repairs inside facets (`check/members.rs`).

use super::shapes;
use crate::holders::Kind as Container;

/// The shape of a value in a facet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Anything.
    Any,
    Text,
    Uri,
    Time,
    /// A run id: the specification's facets have no other UUIDs.
    Uuid,
    Number,
    Integer,
    Flag,
    /// One of these texts.
    Choice(&'static [&'static str]),
    List(&'static Shape),
    /// A map: an object with any keys and values of one shape.
    Map(&'static Shape),
    /// An object with these members and any others.
    Object(&'static [Field]),
    /// The shape that the function returns: how a shape contains itself.
    Nested(fn() -> Shape),
    /// The first whose `type` matches the value's.
    Typed(&'static [(&'static str, Shape)]),
    /// Facets that are forwarded inside a facet.
    Facets(Container),
}

/// A member of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

/// `BaseFacet`.
pub(super) const BASE: Shape = Shape::Object(&[
    must("_producer", Shape::Uri),
    must("_schemaURL", Shape::Uri),
]);

pub(super) const fn must(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        required: true,
        shape,
    }
}

pub(super) const fn may(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        required: false,
        shape,
    }
}

impl Container {
    /// The definition in the core schema for each facet.
    pub(crate) fn definition(self) -> &'static str {
        match self {
            Container::Run => "RunFacet",
            Container::Job => "JobFacet",
            Container::Dataset => "DatasetFacet",
            Container::Input => "InputDatasetFacet",
            Container::Output => "OutputDatasetFacet",
        }
    }

    /// Whether that definition has `_deleted`.
    pub(crate) fn is_deletable(self) -> bool {
        match self {
            Container::Job | Container::Dataset => true,
            Container::Run | Container::Input | Container::Output => false,
        }
    }

    /// The facets that the specification knows, and their shapes.
    pub(crate) fn shapes(self) -> &'static [(&'static str, Shape)] {
        match self {
            Container::Run => shapes::RUN,
            Container::Job => shapes::JOB,
            Container::Dataset => shapes::DATASET,
            Container::Input => shapes::INPUT,
            Container::Output => shapes::OUTPUT,
        }
    }

    /// The shape of the facet called `name`, if it is in the specification.
    pub(crate) fn shape(self, name: &str) -> Option<Shape> {
        let known = self.shapes().iter().find(|(known, _)| *known == name);
        known.map(|(_, shape)| *shape)
    }
}
