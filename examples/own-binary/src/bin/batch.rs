//! The batch function with your own transforms.

fn main() -> std::process::ExitCode {
    proxy::function::batch(own_binary::transforms())
}
