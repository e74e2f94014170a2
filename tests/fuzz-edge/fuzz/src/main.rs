//! The fuzzer of the law that `LAW` names. One binary for all: it is linked once, and a new law is a line in its list.

#![no_main]

use std::sync::LazyLock;

use fuzz_edge_laws::LAWS;
use fuzz_laws::Law;

static LAW: LazyLock<Law> = LazyLock::new(|| {
    let name = std::env::var("LAW").unwrap_or_default();
    let law = LAWS.iter().find(|(law, _)| *law == name);
    law.unwrap_or_else(|| panic!("LAW={name:?} is none")).1
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| LAW(bytes));
