//! The target of a replay, and its configuration: a target of a configuration file, an endpoint, or the queue of a stack.

use std::time::Duration;

use aws::Aws;
use openlineage::{Level, content_id};
use proxy::config::{Config, Errors, Layers, PipelineConfig, Role};
use proxy::queue::{self, QueueUrl, Sqs, SqsConfig, TokenSalt};
use reqwest::Url;
use targets::{Kind, TargetName};

use super::super::stack::{self, Stack};
use super::Arguments;

/// Where a replay sends events.
pub(super) struct Destination {
    /// Its name in the state of the replay: without credentials.
    pub(super) name: String,
    pub(super) to: Way,
}

/// How events get there.
pub(super) enum Way {
    /// They are delivered, by the pipeline to this target.
    Target(Box<TargetWay>),
    /// They are sent to the queue of a stack, whose function delivers them.
    Queue(Box<StackQueue>),
}

/// The configuration with the pipeline to a target.
pub(super) struct TargetWay {
    pub(super) config: Config,
    pub(super) pipeline: PipelineConfig,
}

/// The queue of a stack.
pub(super) struct StackQueue {
    /// The target of the stack, by its kind.
    pub(super) target: TargetName,
    settings: SqsConfig,
    url: String,
    aws: Aws,
    token_salt: Option<TokenSalt>,
}

impl Destination {
    pub(super) async fn find(
        arguments: &Arguments,
        environment: Layers,
    ) -> anyhow::Result<Destination> {
        let mut found = match (&arguments.to, &arguments.url, &arguments.stack) {
            (Some(target), _, _) => configured(target, arguments, environment)?,
            (None, Some(url), _) => endpoint(url, arguments)?,
            (None, None, Some(stack)) => queue_of(stack).await?,
            (None, None, None) => {
                let why = "pass --to TARGET, --url URL or --stack NAME"; // clap requires one
                return Err(Errors::general(why).into());
            }
        };
        // Refused before anything else is done. The state of the replay has the salt that is used, once it is known.
        if arguments.new_token && !found.salt_tokens("-") {
            let why = format!(
                "--new-token: only a target of type datazone has client tokens, not {}",
                found.kind()
            );
            return Err(Errors::general(why).into());
        }
        if let (true, Way::Target(target)) = (arguments.no_rules, &mut found.to) {
            target.pipeline.rules.source = None;
        }
        Ok(found)
    }

    /// Lets the target take events again that it has accepted already. Returns whether it tells them by client tokens.
    pub(super) fn salt_tokens(&mut self, salt: &str) -> bool {
        match &mut self.to {
            Way::Target(target) => target.pipeline.target.kind.salt_tokens(salt),
            Way::Queue(queue) => {
                queue.token_salt = TokenSalt::read(salt);
                queue.target.as_str() == Kind::DataZone.name() && queue.token_salt.is_some()
            }
        }
    }

    /// A digest of where the target is.
    pub(super) fn digest(&self) -> String {
        match &self.to {
            Way::Target(target) => target.pipeline.target.kind.destination_digest(),
            Way::Queue(queue) => content_id(&queue.url).simple().to_string(),
        }
    }

    /// The name of the target, which conditions may ask for.
    pub(super) fn target(&self) -> &TargetName {
        match &self.to {
            Way::Target(target) => &target.pipeline.target.name,
            Way::Queue(queue) => &queue.target,
        }
    }

    /// Whether the replay applies the rules of a file. Those of a stack are applied by its function.
    pub(super) fn has_rules(&self) -> bool {
        match &self.to {
            Way::Target(target) => target.pipeline.rules.source.is_some(),
            Way::Queue(_) => false,
        }
    }

    /// How ingest validates there.
    pub(super) fn level(&self) -> Level {
        match &self.to {
            Way::Target(target) => target.config.ingest.level,
            Way::Queue(_) => Level::Repair, // what was accepted, whatever the level was
        }
    }

    fn kind(&self) -> &str {
        match &self.to {
            Way::Target(target) => target.pipeline.target.kind.kind().name(),
            Way::Queue(queue) => queue.target.as_str(),
        }
    }
}

impl StackQueue {
    /// Opens the queue.
    pub(super) async fn open(&self) -> Sqs {
        let queue = Sqs::new(&self.aws, &self.settings, targets::words).await;
        match &self.token_salt {
            None => queue,
            Some(salt) => queue.with_token_salt(salt.clone()),
        }
    }
}

/// The queue of a stack: not the topic in front of it, which would send the events to the other targets, too.
async fn queue_of(name: &str) -> anyhow::Result<Destination> {
    let aws = stack::aws();
    let stack = Stack::find(&aws, name).await?;
    if stack.optional("FanOutTopicArn").is_some() && stack.optional("QueueUrl").is_none() {
        let why = format!("stack {name} has no target of its own: name that of a target");
        return Err(Errors::general(why).into());
    }
    let queue = stack.output("QueueUrl")?;
    let target = stack.parameter("Target").unwrap_or(Kind::DataZone.name()); // the default of the template
    let target = TargetName::new(target).map_err(|error| Errors::general(error.to_string()))?;
    Ok(Destination {
        name: format!("stack {name}"),
        to: Way::Queue(Box::new(StackQueue {
            target,
            settings: SqsConfig {
                destination: queue::Destination::Queue(QueueUrl::new(queue)),
                queue: None,
                dead_letters: None,
                bucket: stack.optional("LargeEventsBucket").map(str::to_owned),
                // Of what is received and settled, which nothing is here.
                visibility_timeout: Duration::ZERO,
                max_attempts: 1,
            },
            url: queue.to_owned(),
            aws,
            token_salt: None,
        })),
    })
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
        name: target.to_owned(),
        to: Way::Target(Box::new(TargetWay { config, pipeline })),
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
    let pipeline = config.pipeline.clone();
    Ok(Destination {
        name: name.to_string(),
        to: Way::Target(Box::new(TargetWay { config, pipeline })),
    })
}
