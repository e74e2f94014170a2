//! `lineage-proxy`: the command line, with the transforms that come with it.

fn main() -> std::process::ExitCode {
    lineage_proxy::main(transform::Transforms::new())
}
