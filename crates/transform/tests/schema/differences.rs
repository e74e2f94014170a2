//! Rules files about which schema and reader differ, each with what a JSON Schema cannot express.

/// A file that is valid for the schema and not for the reader, or the other way round.
pub(crate) struct Difference {
    pub(crate) text: &'static str,
    /// Whether the reader accepts it.
    pub(crate) reader: bool,
    /// What a JSON Schema cannot express.
    pub(crate) why: &'static str,
}

pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        text: "rules: [{name: r, module: {file: module.wasm, with: {a: 1}}}]",
        reader: false,
        why: "which settings a module takes",
    },
    Difference {
        text: "rules: [{name: r, drop: true}, {name: r, drop: true}]",
        reader: false,
        why: "names of rules have to differ, and a schema compares only whole elements",
    },
    Difference {
        text: "rules: [{name: r, rename: {name: {regex: '(', to: b}}}]",
        reader: false,
        why: "the syntax of regular expressions is that of the Rust crate, not of ECMA 262",
    },
    Difference {
        text: "rules: [{name: r, drop: true, when: {producer: {regex: '('}}}]",
        reader: false,
        why: "the same, in a condition",
    },
    Difference {
        text: "rules: [{name: r, facets: {cap: {a: much}}}]",
        reader: false,
        why: "the syntax of sizes: units and spaces as the crate bytesize takes them",
    },
    Difference {
        text: "rules: [{name: r, drop: true, when: {larger_than: much}}]",
        reader: false,
        why: "the same, in a condition",
    },
    Difference {
        text: "coalesce: {max_bytes: much}",
        reader: false,
        why: "the same, of what is merged",
    },
    Difference {
        text: "rules: [{name: r, module: {file: module.wasm, memory: much}}]",
        reader: false,
        why: "the same, of a module",
    },
    Difference {
        text: "coalesce: {window: soon}",
        reader: false,
        why: "the syntax of durations",
    },
    Difference {
        text: "coalesce: {window: 1h}",
        reader: false,
        why: "how long a duration is",
    },
    Difference {
        text: "rules: [{name: r, script: {file: none.rhai}}]",
        reader: false,
        why: "whether a file is there",
    },
    Difference {
        text: "rules: [{name: r, module: {file: none.wasm}}]",
        reader: false,
        why: "the same, of a module",
    },
    Difference {
        text: "rules: [{name: r, module: {file: script.rhai}}]",
        reader: false,
        why: "whether a file is a module",
    },
    Difference {
        text: "rules: [{name: r, module: {file: module.wasm, fuel: 1}}]",
        reader: false,
        why: "what a module takes to start",
    },
    Difference {
        text: "rules: [{name: r, script: 'let x = ;'}]",
        reader: false,
        why: "whether a script is one",
    },
    Difference {
        text: "rules: [{name: r, transform: mine}]",
        reader: false,
        why: "which transforms the binary has",
    },
    Difference {
        text: "rules: [{name: r, transform: {name: mine, with: {a: 1}}}]",
        reader: false,
        why: "the same, with settings",
    },
    Difference {
        text: "rules: [{name: r, redact: {pointers: /run/runId}}]",
        reader: false,
        why: "which places an event cannot do without",
    },
    Difference {
        text: "rules: [{name: r, drop: true, when: {target: shop}}]",
        reader: false,
        why: "which targets there are",
    },
    Difference {
        text: "rules: [{name: r, drop: true, when: {target: [store, 7]}}]",
        reader: false,
        why: "the same, in a list",
    },
    Difference {
        text: "rules: [{name: r, drop: true, examples: [{target: shop, given: {}, expect_unchanged: true}]}]",
        reader: false,
        why: "the same, in an example",
    },
    Difference {
        text: "rules: [{name: r, add: {facets: {a: {_producer: no uri}}}}]",
        reader: false,
        why: "what a URI is, as formats need not be asserted",
    },
    Difference {
        text: "rules: [{name: r, drop: true, examples: [{given: {job: 7}, expect_unchanged: true}]}]",
        reader: false,
        why: "whether an event is one when it is filled in",
    },
    Difference {
        text: "rules: [{name: r, drop: true, examples: [{given: 'no json', expect_unchanged: true}]}]",
        reader: false,
        why: "whether a text is JSON",
    },
    Difference {
        text: "rules: [{name: r, drop: true, examples: [{given: {file: none.json}, expect_unchanged: true}]}]",
        reader: false,
        why: "whether the file of an event is there",
    },
    Difference {
        text: "version: 1.0",
        reader: false,
        why: "1.0 is the integer 1 to a schema, and a text that was meant otherwise to the reader",
    },
    Difference {
        text: "rules: [{name: r, script: {text: 'let x = 1;', operations: 10.0}}]",
        reader: false,
        why: "the same, of a number",
    },
    Difference {
        text: "rules: [{name: r, drop: true, when: {larger_than: 10.0}}]",
        reader: false,
        why: "the same, of a size",
    },
    Difference {
        text: "rules: [{name: r, add: {tags: {zip: 00123}}}]",
        reader: false,
        why: "the same, of a number with zeros in front, which are lost to a schema",
    },
    Difference {
        text: "rules: [{name: r, rename: {name: {regex: '^(.*)_tmp$', to: '$1_prod'}}}]",
        reader: false,
        why: "which groups a regular expression has",
    },
    Difference {
        text: "rules: [{name: r, add: {owners: a, on: run}}]",
        reader: false,
        why: "which facets stand where: a schema could, at length",
    },
];
