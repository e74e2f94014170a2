//! What to read: files, standard input, or a service, as the arguments and the configuration say. Reads no event.
//!
//! Reading is in `read.rs`. Called by `extract.rs`.

use std::io::IsTerminal;

use fetch::{Kind, KindConfig, SavedSource};
use proxy::config::{Config, Layers};
use settings::{Format, PointInTime};
use time::OffsetDateTime;

use super::{Arguments, destination, wrong};

/// What is read.
pub(super) enum ExtractionSource {
    /// Logs in files, or on standard input.
    Logs(Vec<String>),
    /// What was saved of a service, in files or on standard input.
    Saved(Vec<String>, Box<SavedSource>),
    /// A service.
    Service(Box<KindConfig>),
}

/// Decides what to read.
pub(super) fn extraction_source(
    kind: Kind,
    arguments: &Arguments,
    layers: &Layers,
) -> anyhow::Result<ExtractionSource> {
    let names_no_service = arguments.set.is_empty() && arguments.source.is_none();
    if arguments.objects.is_some() && kind != Kind::Flyte {
        return Err(wrong(
            "--objects: only messages of Flyte name objects".to_owned(),
        ));
    }
    if !arguments.input.is_empty() {
        let files = arguments.input.clone();
        let (source, set) = (arguments.source.as_deref(), set(arguments)?);
        let objects = arguments.objects.clone();
        let saved = Config::read_saved(layers, source, kind, &set, objects)?;
        return match saved {
            Some(saved) => Ok(ExtractionSource::Saved(files, Box::new(saved))),
            None if names_no_service => Ok(ExtractionSource::Logs(files)),
            None => Err(wrong(
                "--input: logs in files are read as they are; --set and --source are for their service".to_owned(),
            )),
        };
    }
    if names_no_service && kind == Kind::Logs {
        if std::io::stdin().is_terminal() {
            return Err(wrong(
                "pipe a log into the command, name files with --input, or the settings of a service with --set".to_owned(),
            ));
        }
        let service_only = [
            ("--since", arguments.since.is_some()),
            ("--until", arguments.until.is_some()),
            ("--state", arguments.state.is_some()),
        ];
        if let Some((flag, _)) = service_only.iter().find(|(_, is_given)| *is_given) {
            return Err(wrong(format!(
                "{flag}: only for a service, which --set or --source names; standard input is read as a whole"
            )));
        }
        return Ok(ExtractionSource::Logs(vec!["-".to_owned()]));
    }
    let mut config = config(kind, arguments, layers)?;
    let time = |flag: &str, text: &Option<String>| -> anyhow::Result<Option<PointInTime>> {
        let read = |text: &String| PointInTime::parse(text.trim());
        let time = text.as_ref().map(read).transpose();
        time.map_err(|error| wrong(format!("{flag}: {error}")))
    };
    let since = time("--since", &arguments.since)?;
    let until = time("--until", &arguments.until)?;
    let prepared = config.poll_once(since, until);
    prepared.map_err(|error| wrong(format!("--since and --until: {error}")))?;
    if arguments.state.is_some() && destination::is_queue(kind) {
        return Err(wrong(
            "--state: a queue has no position; what was taken is deleted".to_owned(),
        ));
    }
    let now = OffsetDateTime::now_utc()
        .unix_timestamp()
        .saturating_mul(1_000);
    if let (Some(since), Some(until)) = (since, until)
        && since.resolve(now) >= until.resolve(now)
    {
        return Err(wrong(
            "--since is not before --until: there is nothing between them".to_owned(),
        ));
    }
    Ok(ExtractionSource::Service(Box::new(config)))
}

/// Reads the settings of the source: those of the configuration, and those of `--set`.
fn config(kind: Kind, arguments: &Arguments, layers: &Layers) -> anyhow::Result<KindConfig> {
    let source = arguments.source.as_deref();
    let found = Config::read_source(layers, source, kind, &set(arguments)?)?;
    Ok(found.kind)
}

/// The settings of `--set`.
fn set(arguments: &Arguments) -> anyhow::Result<Vec<(String, String)>> {
    let mut set = Vec::new();
    for text in &arguments.set {
        let Some((name, value)) = text.split_once('=') else {
            return Err(wrong(format!("--set {text}: expected NAME=VALUE")));
        };
        set.push((name.trim().to_owned(), value.to_owned()));
    }
    Ok(set)
}
