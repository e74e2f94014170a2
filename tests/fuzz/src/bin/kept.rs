//! See `fuzz_laws::tool`.

fn main() -> std::process::ExitCode {
    fuzz_laws::tool::main(fuzz_laws::LAWS, fuzz_laws::seeds::of)
}
