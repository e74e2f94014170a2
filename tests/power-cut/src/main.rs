//! `power-cut FOLDER kept|ignored SEED`: a disk mounted on the folder, controlled by lines of standard input.
//!
//! `cut` cuts the power and answers with the unsynced changes and how many of them are gone; `on` gives the power back,
//! with what is left. It ends, unmounted, with its input.

#![allow(clippy::print_stdout, reason = "prints its figures")]

use std::io::stdin;
use std::path::Path;
use std::process::ExitCode;

use power_cut::{Disk, SyncBehaviour, mount};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("power-cut: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [folder, syncs, seed] = arguments else {
        return Err("power-cut FOLDER kept|ignored SEED".into());
    };
    let (folder, mut random) = (Path::new(folder), fastrand::Rng::with_seed(seed.parse()?));
    let syncs = match syncs.as_str() {
        "kept" => SyncBehaviour::Kept,
        "ignored" => SyncBehaviour::Ignored,
        _ => return Err("syncs are kept or ignored".into()),
    };
    let mut left = Disk::new(syncs);
    let mut mounted = Some(mount(left.clone(), folder)?);
    println!("on");
    for line in stdin().lines() {
        match (line?.as_str(), &mounted) {
            ("cut", Some(disk)) => {
                let (after, lost) = disk.cut(&mut random);
                left = after;
                println!("{} {}", lost.unsynced, lost.gone);
            }
            ("on", _) => {
                drop(mounted.take());
                mounted = Some(mount(left.clone(), folder)?);
                println!("on");
            }
            (line, _) => return Err(format!("{line}: is neither cut nor on").into()),
        }
    }
    Ok(())
}
