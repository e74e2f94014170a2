//! Every law against inputs made at random from what was kept: a few each time, `FUZZ_INPUTS` of them when it is set.

use fuzz_edge_laws::{LAWS, seeds};
use fuzz_laws::pack;
use fuzz_laws::shake::{rounds, shake};

#[test]
fn what_is_made_from_kept_inputs_keeps_the_laws() {
    let only = std::env::var("LAW").ok();
    for (name, law) in LAWS
        .iter()
        .filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
    {
        let mut inputs = pack::inputs(&pack::file(env!("CARGO_MANIFEST_DIR"), name));
        inputs.extend(seeds::of(name));
        shake(name, *law, &inputs, rounds(100));
    }
}
