//! What the shapes of several facets share. Data only.

use crate::facets::shape::Shape::{
    self, Any, Facets, Flag, Integer, List, Map, Nested, Number, Object, Text, Time, Typed, Uuid,
};
use crate::facets::shape::{may, must};
use crate::holders::Kind as Container;

pub(super) const NAMED: Shape = Object(&[must("namespace", Text), must("name", Text)]);

/// Since 1-2-0 the facet forwards facets of the parent and of the root. `jobDependencies` may as well.
const PARENT_RUN: Shape = Object(&[must("runId", Uuid), may("facets", Facets(Container::Run))]);
const PARENT_JOB: Shape = Object(&[
    must("namespace", Text),
    must("name", Text),
    may("facets", Facets(Container::Job)),
]);
pub(super) const PARENT: Shape = Object(&[
    must("run", PARENT_RUN),
    must("job", PARENT_JOB),
    may(
        "root",
        Object(&[must("run", PARENT_RUN), must("job", PARENT_JOB)]),
    ),
]);
pub(super) const DEPENDENCY: Shape = Object(&[
    must("job", PARENT_JOB),
    may("run", PARENT_RUN),
    may("dependency_type", Text),
    may("sequence_trigger_rule", Text),
    may("status_trigger_rule", Text),
]);
pub(super) const TAGS: Shape = Object(&[may(
    "tags",
    List(&Object(&[
        must("key", Text),
        must("value", Text),
        may("source", Text),
        may("field", Text),
    ])),
)]);
pub(super) const DOCUMENTATION: Shape =
    Object(&[must("description", Text), may("contentType", Text)]);
pub(super) const OWNERSHIP: Shape = Object(&[may(
    "owners",
    List(&Object(&[must("name", Text), may("type", Text)])),
)]);
pub(super) const STATISTICS: Shape = Object(&[
    may("rowCount", Integer),
    may("size", Integer),
    may("fileCount", Integer),
]);
pub(super) const QUALITY_METRICS: Shape = Object(&[
    may("rowCount", Integer),
    may("bytes", Integer),
    may("fileCount", Integer),
    may("lastUpdated", Time),
    must(
        "columnMetrics",
        Map(&Object(&[
            may("nullCount", Integer),
            may("distinctCount", Integer),
            may("sum", Number),
            may("count", Number),
            may("min", Number),
            may("max", Number),
            may("quantiles", Map(&Number)),
        ])),
    ),
]);
const TRANSFORMATION: Shape = Object(&[
    must("type", Text),
    may("subtype", Text),
    may("description", Text),
    may("masking", Flag),
]);
pub(super) const INPUT_FIELD: Shape = Object(&[
    must("namespace", Text),
    must("name", Text),
    must("field", Text),
    may("transformations", List(&TRANSFORMATION)),
]);
pub(super) const LINEAGE_INPUT: Shape = Typed(&[
    (
        "DATASET",
        Object(&[
            must("namespace", Text),
            must("name", Text),
            may("field", Text),
            may("transformations", List(&TRANSFORMATION)),
        ]),
    ),
    (
        "JOB",
        Object(&[
            may("namespace", Text),
            may("name", Text),
            may("runId", Uuid),
            may("transformations", List(&TRANSFORMATION)),
        ]),
    ),
]);
pub(super) const LINEAGE_FIELDS: Shape = Map(&Object(&[must("inputs", List(&LINEAGE_INPUT))]));

/// A field may hold fields, to any depth: a static can name itself where a constant cannot.
static SCHEMA_FIELDS: Shape = List(&Object(&[
    must("name", Text),
    may("type", Text),
    may("description", Text),
    may("ordinal_position", Integer),
    may("fields", Nested(schema_fields)),
]));

pub(super) fn schema_fields() -> Shape {
    SCHEMA_FIELDS
}

/// Of which part of a dataset: a condition may hold conditions.
static CONDITION: Shape = Typed(&[
    ("location", Object(&[must("locations", List(&Text))])),
    (
        "partition",
        Object(&[must(
            "partitions",
            List(&Object(&[
                may("identifier", Text),
                must("dimensions", Object(&[])),
            ])),
        )]),
    ),
    (
        "binary",
        Object(&[
            must("left", Nested(condition)),
            must("right", Nested(condition)),
            must("operator", Text),
        ]),
    ),
    (
        "compare",
        Object(&[
            must("left", Any),
            must("right", Any),
            must("comparison", Text),
        ]),
    ),
]);

pub(super) fn condition() -> Shape {
    CONDITION
}
