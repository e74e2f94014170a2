//! Every input that the fuzzer kept, and every seed, against its law.

use fuzz_edge_laws::{LAWS, seeds};
use fuzz_laws::pack;

#[test]
fn what_was_kept_keeps_the_laws() {
    for (name, law) in LAWS {
        let file = pack::file(env!("CARGO_MANIFEST_DIR"), name);
        let kept = pack::inputs(&file);
        assert!(!kept.is_empty(), "{}", file.display());
        for input in kept.iter().chain(&seeds::of(name)) {
            law(input);
        }
    }
}
