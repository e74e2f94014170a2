//! The batch function, with the transforms that come with it.

fn main() -> std::process::ExitCode {
    proxy::function::batch(transform::Transforms::new())
}
