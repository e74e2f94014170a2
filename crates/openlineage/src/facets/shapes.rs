//! The shapes of the specification's facets (OpenLineage `spec/facets`, versions of 2-0-2), by container and key.
//!
//! Data only; shapes that several facets share are in `shapes/parts.rs`. Facets of newer versions may have members that are
//! not listed here: they are accepted.

mod parts;

use super::shape::Shape::{
    self, Choice, Flag, Integer, List, Map, Nested, Object, Text, Time, Typed, Uri, Uuid,
};
use super::shape::{may, must};

use self::parts::{
    DEPENDENCY, DOCUMENTATION, INPUT_FIELD, LINEAGE_FIELDS, LINEAGE_INPUT, NAMED, OWNERSHIP,
    PARENT, QUALITY_METRICS, STATISTICS, TAGS, condition, schema_fields,
};

type Facets = &'static [(&'static str, Shape)];

pub(super) const RUN: Facets = &[
    (
        "environmentVariables",
        Object(&[must(
            "environmentVariables",
            List(&Object(&[must("name", Text), must("value", Text)])),
        )]),
    ),
    (
        "errorMessage",
        Object(&[
            must("message", Text),
            must("programmingLanguage", Text),
            may("stackTrace", Text),
        ]),
    ),
    (
        "executionParameters",
        Object(&[may(
            "parameters",
            List(&Object(&[
                must("key", Text),
                may("name", Text),
                may("description", Text),
                may("value", Text),
            ])),
        )]),
    ),
    (
        "externalQuery",
        Object(&[must("externalQueryId", Text), must("source", Text)]),
    ),
    (
        "extractionError",
        Object(&[
            must("totalTasks", Integer),
            must("failedTasks", Integer),
            must(
                "errors",
                List(&Object(&[
                    must("errorMessage", Text),
                    may("stackTrace", Text),
                    may("task", Text),
                    may("taskNumber", Integer),
                ])),
            ),
        ]),
    ),
    (
        "jobDependencies",
        Object(&[
            may("upstream", List(&DEPENDENCY)),
            may("downstream", List(&DEPENDENCY)),
            may("trigger_rule", Text),
        ]),
    ),
    (
        "nominalTime",
        Object(&[must("nominalStartTime", Time), may("nominalEndTime", Time)]),
    ),
    ("parent", PARENT),
    // The same under its older name.
    ("parentRun", PARENT),
    (
        "processing_engine",
        Object(&[
            must("version", Text),
            may("name", Text),
            may("openlineageAdapterVersion", Text),
        ]),
    ),
    ("tags", TAGS),
    (
        "test",
        Object(&[must(
            "tests",
            List(&Object(&[
                must("name", Text),
                must("status", Text),
                may("severity", Text),
                may("type", Text),
                may("description", Text),
                may("expected", Text),
                may("actual", Text),
                may("content", Text),
                may("contentType", Text),
                may("params", Object(&[])),
            ])),
        )]),
    ),
];

pub(super) const JOB: Facets = &[
    ("documentation", DOCUMENTATION),
    (
        "jobType",
        Object(&[
            must("processingType", Text),
            must("integration", Text),
            may("jobType", Text),
            may(
                "emissionPattern",
                Object(&[
                    must("eventTrigger", Text),
                    must("eventContentMode", Text),
                    may("windowDuration", Integer),
                ]),
            ),
        ]),
    ),
    (
        "lineage",
        Object(&[must(
            "entries",
            List(&Typed(&[
                (
                    "DATASET",
                    Object(&[
                        must("namespace", Text),
                        must("name", Text),
                        may("inputs", List(&LINEAGE_INPUT)),
                        may("fields", LINEAGE_FIELDS),
                    ]),
                ),
                (
                    "JOB",
                    Object(&[
                        may("namespace", Text),
                        may("name", Text),
                        may("runId", Uuid),
                        may("inputs", List(&LINEAGE_INPUT)),
                    ]),
                ),
            ])),
        )]),
    ),
    ("ownership", OWNERSHIP),
    (
        "sourceCode",
        Object(&[must("language", Text), must("sourceCode", Text)]),
    ),
    (
        "sourceCodeLocation",
        Object(&[
            must("type", Text),
            must("url", Uri),
            may("repoUrl", Text),
            may("path", Text),
            may("version", Text),
            may("tag", Text),
            may("branch", Text),
            may("pullRequestNumber", Text),
        ]),
    ),
    ("sql", Object(&[must("query", Text), may("dialect", Text)])),
    ("tags", TAGS),
];

pub(super) const DATASET: Facets = &[
    (
        "catalog",
        Object(&[
            must("framework", Text),
            must("type", Text),
            must("name", Text),
            may("metadataUri", Text),
            may("warehouseUri", Text),
            may("source", Text),
            may("catalogProperties", Map(&Text)),
        ]),
    ),
    (
        "columnLineage",
        Object(&[
            must(
                "fields",
                Map(&Object(&[
                    must("inputFields", List(&INPUT_FIELD)),
                    may("transformationDescription", Text),
                    may("transformationType", Text),
                ])),
            ),
            may("dataset", List(&INPUT_FIELD)),
        ]),
    ),
    ("dataQualityMetrics", QUALITY_METRICS),
    ("dataSource", Object(&[may("name", Text), may("uri", Uri)])),
    (
        "datasetType",
        Object(&[must("datasetType", Text), may("subType", Text)]),
    ),
    ("documentation", DOCUMENTATION),
    (
        "hierarchy",
        Object(&[must(
            "hierarchy",
            List(&Object(&[must("type", Text), must("name", Text)])),
        )]),
    ),
    (
        "lifecycleStateChange",
        Object(&[
            must(
                "lifecycleStateChange",
                Choice(&["ALTER", "CREATE", "DROP", "OVERWRITE", "RENAME", "TRUNCATE"]),
            ),
            may("previousIdentifier", NAMED),
        ]),
    ),
    (
        "lineage",
        Object(&[
            may("inputs", List(&LINEAGE_INPUT)),
            may("fields", LINEAGE_FIELDS),
        ]),
    ),
    ("ownership", OWNERSHIP),
    ("schema", Object(&[may("fields", Nested(schema_fields))])),
    (
        "storage",
        Object(&[must("storageLayer", Text), may("fileFormat", Text)]),
    ),
    (
        "symlinks",
        Object(&[may(
            "identifiers",
            List(&Object(&[
                must("namespace", Text),
                must("name", Text),
                must("type", Text),
            ])),
        )]),
    ),
    ("tags", TAGS),
    ("version", Object(&[must("datasetVersion", Text)])),
];

pub(super) const INPUT: Facets = &[
    (
        "dataQualityAssertions",
        Object(&[must(
            "assertions",
            List(&Object(&[
                must("assertion", Text),
                must("success", Flag),
                may("column", Text),
                may("severity", Text),
                may("name", Text),
                may("description", Text),
                may("expected", Text),
                may("actual", Text),
                may("content", Text),
                may("contentType", Text),
                may("params", Object(&[])),
            ])),
        )]),
    ),
    ("dataQualityMetrics", QUALITY_METRICS),
    ("inputStatistics", STATISTICS),
    (
        "subset",
        Object(&[must("inputCondition", Nested(condition))]),
    ),
];

pub(super) const OUTPUT: Facets = &[
    ("outputStatistics", STATISTICS),
    (
        "subset",
        Object(&[must("outputCondition", Nested(condition))]),
    ),
];
