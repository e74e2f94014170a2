//! The batch function, with the transforms that come with it.

fn main() -> std::process::ExitCode {
    functions::batch::main(transform::Transforms::new())
}
