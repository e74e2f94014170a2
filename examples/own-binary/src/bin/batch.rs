//! The batch function with your own transforms.

fn main() -> std::process::ExitCode {
    functions::batch::main(own_binary::transforms())
}
