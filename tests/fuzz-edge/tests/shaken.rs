//! Every law against inputs made at random from what was kept: a few each time, `FUZZ_INPUTS` of them when it is set.

use fuzz_edge_laws::{LAWS, seeds};
use fuzz_laws::shake::shake_all;

#[test]
fn what_is_made_from_kept_inputs_keeps_the_laws() {
    shake_all(LAWS, env!("CARGO_MANIFEST_DIR"), seeds::of);
}
