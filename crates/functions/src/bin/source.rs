//! The source function.

fn main() -> std::process::ExitCode {
    functions::source::main()
}
