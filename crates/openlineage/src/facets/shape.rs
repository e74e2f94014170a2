//! What a value of a facet has to be, and which facets a container holds. `shapes.rs` says it of each facet.
//!
//! Two walks go by it: the warnings (`facets.rs`), and the repairs of what stands inside facets (`check/members.rs`).

use super::shapes;
use crate::holders::Kind as Container;

/// What a value of a facet has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Anything.
    Any,
    Text,
    Uri,
    Time,
    /// A run id: in the specification's facets no other UUID has a place.
    Uuid,
    Number,
    Integer,
    Flag,
    /// One of these texts.
    Choice(&'static [&'static str]),
    List(&'static Shape),
    /// An object of values alike, under any name.
    Map(&'static Shape),
    /// An object with these members, and any others.
    Object(&'static [Field]),
    /// What that gives: how a shape holds itself.
    Nested(fn() -> Shape),
    /// The first whose `type` is the value's.
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
    /// The definition in the core schema that each facet is of.
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

    /// The shape of the facet called `name`, if the specification knows it.
    pub(crate) fn shape(self, name: &str) -> Option<Shape> {
        let known = self.shapes().iter().find(|(known, _)| *known == name);
        known.map(|(_, shape)| *shape)
    }
}
