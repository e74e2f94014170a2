//! The target of a replay, and its configuration: a target of a configuration file, or an endpoint.

use proxy::config::{Config, Errors, Layers, PipelineConfig, Role};
use reqwest::Url;
use targets::Kind;

use super::Arguments;

/// The configuration with the pipeline to the target.
pub(super) struct Destination {
    pub(super) config: Config,
    pub(super) pipeline: PipelineConfig,
    /// Its name in the state of the replay: without credentials.
    pub(super) name: String,
}

impl Destination {
    pub(super) fn read(arguments: &Arguments, environment: Layers) -> anyhow::Result<Destination> {
        let mut found = match (&arguments.to, &arguments.url) {
            (Some(target), _) => configured(target, arguments, environment)?,
            (None, Some(url)) => endpoint(url, arguments)?,
            (None, None) => {
                return Err(Errors::general("pass --to TARGET or --url URL").into()); // clap requires one
            }
        };
        // Refused before anything else is done. The state of the replay has the salt that is used, once it is known.
        if arguments.new_token && !found.salt_tokens("") {
            let kind = found.pipeline.target.kind.kind().name();
            let why = format!(
                "--new-token: only a target of type datazone has client tokens, not {kind}"
            );
            return Err(Errors::general(why).into());
        }
        if arguments.no_rules {
            found.pipeline.rules.source = None;
        }
        Ok(found)
    }

    /// Lets the target take events again that it has accepted already. Returns whether it tells them by client tokens.
    pub(super) fn salt_tokens(&mut self, salt: &str) -> bool {
        self.pipeline.target.kind.salt_tokens(salt)
    }

    /// A digest of where the target is.
    pub(super) fn digest(&self) -> String {
        self.pipeline.target.kind.destination_digest()
    }
}

/// A target of the configuration.
fn configured(
    target: &str,
    arguments: &Arguments,
    environment: Layers,
) -> anyhow::Result<Destination> {
    let layers = match &arguments.config {
        Some(file) => environment.over(super::super::settings(file)?),
        None => environment,
    };
    let config = Config::read(layers, Role::Tool)?;
    let named = |it: &&PipelineConfig| it.target.name.as_str() == target;
    let Some(pipeline) = config.pipelines().find(named).cloned() else {
        let names = config.target_names().join(", ");
        let why = format!("--to: expected one of {names}, found {target:?}");
        return Err(Errors::general(why).into());
    };
    let kind = pipeline.target.kind.kind();
    let refused = if kind == Kind::Store {
        Some("a store shows what its serve has accepted: send to that serve with --url")
    } else if kind == Kind::File {
        Some("a file has one writer, the serve that it belongs to: use an archive")
    } else {
        None
    };
    if let Some(why) = refused {
        return Err(Errors::general(format!("--to {target}: {why}")).into());
    }
    Ok(Destination {
        config,
        pipeline,
        name: target.to_owned(),
    })
}

/// An endpoint, with the key as `send` takes it. The settings of the environment are those of a `serve`, and do not count.
fn endpoint(url: &Url, arguments: &Arguments) -> anyhow::Result<Destination> {
    let mut layers = Layers::default();
    let mut set = |name: &str, value: String, origin: &str| layers.set(name, value, origin);
    set("target", "openlineage".to_owned(), "--url");
    set("openlineage.url", url.to_string(), "--url");
    match (&arguments.api_key_file, &arguments.api_key) {
        (Some(file), _) => {
            let file = file.display().to_string();
            set("openlineage.api_key_file", file, "--api-key-file");
        }
        (None, Some(key)) => set("openlineage.api_key", key.clone(), "OPENLINEAGE_API_KEY"),
        (None, None) => {}
    }
    let config = Config::read(layers, Role::Tool)?;
    let mut name = url.clone();
    name.set_query(None);
    // Fails for URLs without a host, which have no credentials.
    let _ = name.set_password(None);
    let _ = name.set_username("");
    Ok(Destination {
        pipeline: config.pipeline.clone(),
        config,
        name: name.to_string(),
    })
}
