//! Rules files about which schema and reader differ, each with the reason why a JSON Schema cannot say it.

/// A file that the schema judges otherwise than the reader.
pub(crate) struct Unsaid {
    pub(crate) text: &'static str,
    /// What the reader says.
    pub(crate) reader: bool,
    /// What the schema cannot say.
    pub(crate) why: &'static str,
}

pub(crate) const UNSAID: &[Unsaid] = &[
    Unsaid {
        text: "rules: [{name: r, module: {file: module.wasm, with: {a: 1}}}]",
        reader: false,
        why: "which settings a module takes",
    },
    Unsaid {
        text: "rules: [{name: r, drop: true}, {name: r, drop: true}]",
        reader: false,
        why: "names of rules have to differ, and a schema compares only whole elements",
    },
    Unsaid {
        text: "rules: [{name: r, rename: {name: {regex: '(', to: b}}}]",
        reader: false,
        why: "the syntax of regular expressions is that of the Rust crate, not of ECMA 262",
    },
    Unsaid {
        text: "rules: [{name: r, drop: true, when: {producer: {regex: '('}}}]",
        reader: false,
        why: "the same, in a condition",
    },
    Unsaid {
        text: "rules: [{name: r, facets: {cap: {a: much}}}]",
        reader: false,
        why: "the syntax of sizes: units and spaces as the crate bytesize takes them",
    },
    Unsaid {
        text: "rules: [{name: r, drop: true, when: {larger_than: much}}]",
        reader: false,
        why: "the same, in a condition",
    },
    Unsaid {
        text: "coalesce: {max_bytes: much}",
        reader: false,
        why: "the same, of what is merged",
    },
    Unsaid {
        text: "rules: [{name: r, module: {file: module.wasm, memory: much}}]",
        reader: false,
        why: "the same, of a module",
    },
    Unsaid {
        text: "coalesce: {window: soon}",
        reader: false,
        why: "the syntax of durations",
    },
    Unsaid {
        text: "coalesce: {window: 1h}",
        reader: false,
        why: "how long a duration is",
    },
    Unsaid {
        text: "rules: [{name: r, script: {file: none.rhai}}]",
        reader: false,
        why: "whether a file is there",
    },
    Unsaid {
        text: "rules: [{name: r, module: {file: none.wasm}}]",
        reader: false,
        why: "the same, of a module",
    },
    Unsaid {
        text: "rules: [{name: r, module: {file: script.rhai}}]",
        reader: false,
        why: "whether a file is a module",
    },
    Unsaid {
        text: "rules: [{name: r, module: {file: module.wasm, fuel: 1}}]",
        reader: false,
        why: "what a module takes to start",
    },
    Unsaid {
        text: "rules: [{name: r, script: 'let x = ;'}]",
        reader: false,
        why: "whether a script is one",
    },
    Unsaid {
        text: "rules: [{name: r, transform: mine}]",
        reader: false,
        why: "which transforms the binary has",
    },
    Unsaid {
        text: "rules: [{name: r, transform: {name: mine, with: {a: 1}}}]",
        reader: false,
        why: "the same, with settings",
    },
    Unsaid {
        text: "rules: [{name: r, redact: {pointers: /run/runId}}]",
        reader: false,
        why: "which places an event cannot do without",
    },
    Unsaid {
        text: "rules: [{name: r, drop: true, when: {target: shop}}]",
        reader: false,
        why: "which targets there are",
    },
    Unsaid {
        text: "rules: [{name: r, drop: true, when: {target: [store, 7]}}]",
        reader: false,
        why: "the same, in a list",
    },
    Unsaid {
        text: "rules: [{name: r, drop: true, examples: [{target: shop, given: {}, expect_unchanged: true}]}]",
        reader: false,
        why: "the same, in an example",
    },
    Unsaid {
        text: "rules: [{name: r, add: {facets: {a: {_producer: no uri}}}}]",
        reader: false,
        why: "what a URI is, as formats need not be asserted",
    },
    Unsaid {
        text: "rules: [{name: r, drop: true, examples: [{given: {job: 7}, expect_unchanged: true}]}]",
        reader: false,
        why: "whether an event is one when it is filled in",
    },
    Unsaid {
        text: "rules: [{name: r, drop: true, examples: [{given: 'no json', expect_unchanged: true}]}]",
        reader: false,
        why: "whether a text is JSON",
    },
    Unsaid {
        text: "rules: [{name: r, drop: true, examples: [{given: {file: none.json}, expect_unchanged: true}]}]",
        reader: false,
        why: "whether the file of an event is there",
    },
    Unsaid {
        text: "version: 1.0",
        reader: false,
        why: "1.0 is the integer 1 to a schema, and a text that was meant otherwise to the reader",
    },
    Unsaid {
        text: "rules: [{name: r, script: {text: 'let x = 1;', operations: 10.0}}]",
        reader: false,
        why: "the same, of a number",
    },
    Unsaid {
        text: "rules: [{name: r, drop: true, when: {larger_than: 10.0}}]",
        reader: false,
        why: "the same, of a size",
    },
    Unsaid {
        text: "rules: [{name: r, add: {tags: {zip: 00123}}}]",
        reader: false,
        why: "the same, of a number with zeros in front, which are lost to a schema",
    },
    Unsaid {
        text: "rules: [{name: r, rename: {name: {regex: '^(.*)_tmp$', to: '$1_prod'}}}]",
        reader: false,
        why: "which groups a regular expression has",
    },
    Unsaid {
        text: "rules: [{name: r, add: {owners: a, on: run}}]",
        reader: false,
        why: "which facets stand where: a schema could, at length",
    },
];
