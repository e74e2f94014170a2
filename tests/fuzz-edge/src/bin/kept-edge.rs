//! See `fuzz_laws::tool`.

fn main() -> std::process::ExitCode {
    fuzz_laws::tool::main(fuzz_edge_laws::LAWS, fuzz_edge_laws::seeds::of)
}
