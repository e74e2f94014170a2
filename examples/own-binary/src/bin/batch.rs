//! The batch function with transforms of one's own.

fn main() -> std::process::ExitCode {
    proxy::function::batch(own_binary::transforms())
}
