//! The objects and choices of the schema, each with a rules file at which the reader lists its own.

/// Objects of the schema, by pointer, and a file with a key that there is not.
pub(crate) const KEYS: &[(&[&str], &str)] = &[
    (&[""], "zzz: 1"),
    (&["/properties/coalesce"], "coalesce: {zzz: 1}"),
    (&["/$defs/rule"], "rules: [{name: r, drop: true, zzz: 1}]"),
    (
        &["/$defs/rule/properties/rename"],
        "rules: [{name: r, rename: {name: x, zzz: 1}}]",
    ),
    (
        &["/$defs/named"],
        "rules: [{name: r, drop: true, when: {job: {name: a, zzz: 1}}}]",
    ),
    (
        &[
            "/$defs/oneChange/oneOf/1",
            "/$defs/oneChange/oneOf/2",
            "/$defs/oneChange/oneOf/3",
            "/$defs/oneChange/oneOf/4",
        ],
        "rules: [{name: r, rename: {name: {regex: a, to: b, zzz: 1}}}]",
    ),
    (
        &["/$defs/rule/properties/redshift"],
        "rules: [{name: r, redshift: {zzz: 1}}]",
    ),
    (
        &["/$defs/rule/properties/symlink_to_primary/oneOf/2"],
        "rules: [{name: r, symlink_to_primary: {zzz: 1}}]",
    ),
    (
        &["/$defs/rule/properties/normalise/oneOf/2"],
        "rules: [{name: r, normalise: {stores: all, zzz: 1}}]",
    ),
    (
        &["/$defs/rule/properties/strip/oneOf/2"],
        "rules: [{name: r, strip: {parts: all, zzz: 1}}]",
    ),
    (
        &["/$defs/rule/properties/facets"],
        "rules: [{name: r, facets: {keep: a, zzz: 1}}]",
    ),
    (
        &["/$defs/rule/properties/redact"],
        "rules: [{name: r, redact: {sql_literals: true, zzz: 1}}]",
    ),
    (
        &["/$defs/rule/properties/add"],
        "rules: [{name: r, add: {tags: {}, zzz: 1}}]",
    ),
    (
        &["/$defs/rule/properties/add/properties/job_type"],
        "rules: [{name: r, add: {job_type: {zzz: 1}}}]",
    ),
    (
        &["/$defs/owner/oneOf/1"],
        "rules: [{name: r, add: {owners: {name: a, zzz: 1}}}]",
    ),
    (
        &["/$defs/rule/properties/script/oneOf/1"],
        "rules: [{name: r, script: {text: '', zzz: 1}}]",
    ),
    (
        &["/$defs/rule/properties/module"],
        "rules: [{name: r, module: {file: module.wasm, zzz: 1}}]",
    ),
    (
        &["/$defs/rule/properties/transform/oneOf/1"],
        "rules: [{name: r, transform: {name: a, zzz: 1}}]",
    ),
    (
        &["/$defs/when"],
        "rules: [{name: r, drop: true, when: {zzz: 1}}]",
    ),
    (
        &["/$defs/regex"],
        "rules: [{name: r, drop: true, when: {facet: {regex: a, zzz: 1}}}]",
    ),
    (
        &["/$defs/example"],
        "rules: [{name: r, drop: true, examples: [{given: {}, expect_unchanged: true, zzz: 1}]}]",
    ),
];

/// Choices of the schema, by pointer, and a file with a word that there is not.
pub(crate) const CHOICES: &[(&str, &str)] = &[
    (
        "/$defs/rule/properties/on_failure",
        "rules: [{name: r, drop: true, on_failure: zzz}]",
    ),
    (
        "/$defs/of",
        "rules: [{name: r, rename: {name: x, of: zzz}}]",
    ),
    (
        "/$defs/of",
        "rules: [{name: r, strip: {parts: all, of: zzz}}]",
    ),
    ("/$defs/spelling", "rules: [{name: r, normalise: zzz}]"),
    (
        "/$defs/rule/properties/normalise/oneOf/2/properties/case",
        "rules: [{name: r, normalise: {case: zzz}}]",
    ),
    ("/$defs/part", "rules: [{name: r, strip: zzz}]"),
    ("/$defs/part", "rules: [{name: r, strip: {parts: [zzz]}}]"),
    (
        "/$defs/rule/properties/redshift/properties/style",
        "rules: [{name: r, redshift: {style: zzz}}]",
    ),
    (
        "/$defs/facetsOf",
        "rules: [{name: r, facets: {keep: a, on: zzz}}]",
    ),
    (
        "/$defs/facetsOf",
        "rules: [{name: r, add: {tags: {}, on: zzz}}]",
    ),
    (
        "/$defs/rule/properties/redact/properties/with",
        "rules: [{name: r, redact: {sql_literals: true, with: zzz}}]",
    ),
    (
        "/$defs/kind",
        "rules: [{name: r, drop: true, when: {kind: zzz}}]",
    ),
    (
        "/$defs/kind",
        "rules: [{name: r, drop: true, examples: [{given: {}, expect_unchanged: true, kind: zzz}]}]",
    ),
    (
        "/$defs/eventType",
        "rules: [{name: r, drop: true, when: {event_type: zzz}}]",
    ),
    (
        "/$defs/target",
        "rules: [{name: r, drop: true, when: {target: zzz}}]",
    ),
    (
        "/$defs/target",
        "rules: [{name: r, drop: true, examples: [{given: {}, expect_unchanged: true, target: zzz}]}]",
    ),
];
