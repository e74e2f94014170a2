//! `lineage-proxy` with transforms of one's own.

fn main() -> std::process::ExitCode {
    lineage_proxy::main(own_binary::transforms())
}
