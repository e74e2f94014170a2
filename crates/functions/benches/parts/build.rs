//! The builds that are measured. Functions are measured as they are deployed: with the profile `function`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A build: the folder of `lineage-proxy`, and that of the functions.
pub(crate) struct Build {
    pub(crate) serve: PathBuf,
    pub(crate) functions: PathBuf,
    /// Whether it is the build of this source, which has everything that is measured.
    pub(crate) is_own: bool,
}

impl Build {
    /// The settings for a comparison: other builds have no history, so this one writes none.
    pub(crate) fn without_history(&self) -> &'static [(&'static str, &'static str)] {
        match self.is_own {
            true => &[("LINEAGE_PROXY_HISTORY_AGE", "0")],
            false => &[],
        }
    }
}

/// Returns the build of this source, and the one that `BENCH_AGAINST` names.
///
/// `cargo bench` builds what the benchmark names, and that is neither the command line nor another profile: both are built
/// here. In any other profile the binaries are taken as they are there, to try the benchmark.
pub(crate) fn all() -> Vec<Build> {
    let serve = Path::new(env!("CARGO_BIN_EXE_ingest")).parent().unwrap();
    let mut own = Build {
        serve: serve.to_owned(),
        functions: serve.to_owned(),
        is_own: true,
    };
    if serve.ends_with("release") {
        let target = serve.parent().unwrap();
        build(target, "release", "lineage-proxy");
        build(target, "function", "functions");
        own.functions = target.join("function");
    }
    let against = std::env::var_os("BENCH_AGAINST").map(PathBuf::from);
    [own].into_iter().chain(against.map(another)).collect()
}

/// The functions of another build lie beside its folder, if it has a profile for them.
fn another(serve: PathBuf) -> Build {
    let beside = serve.parent().map(|target| target.join("function"));
    let functions = beside.filter(|folder| folder.join("batch").exists());
    Build {
        functions: functions.unwrap_or_else(|| serve.clone()),
        serve,
        is_own: false,
    }
}

fn build(target: &Path, profile: &str, package: &str) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--bins"]);
    cargo.args(["--profile", profile, "-p", package]);
    cargo.arg("--target-dir").arg(target);
    let built = cargo.status().unwrap();
    assert!(built.success(), "{package} is not built");
}
