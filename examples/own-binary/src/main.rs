//! `lineage-proxy` with your own transforms.

fn main() -> std::process::ExitCode {
    lineage_proxy::main(own_binary::transforms())
}
