//! The targets of a running `serve`: opens each one, at the start or later, and delivers to it.
//!
//! A target may be missing when `serve` starts: a secret cannot be read because of the network, the disk of a file is not
//! mounted yet. Events for it are accepted all the same, since it has a cursor of its own in the queue. It is opened as soon
//! as that succeeds, and the other targets do not wait for it. What keeps `serve` from starting is decided by
//! [`stops_start`]. One target is opened by `target.rs`; `topology.rs` calls this file, and starts [`Delivery::run`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::Aws;
use futures_util::future::join_all;
use targets::TargetName;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use transform::Transforms;

use super::target::{self, TargetPlan, rule_options};
use super::{StartError, StartErrors, storage};
use crate::config::{Config, ConfigError, PipelineConfig};
use crate::pipeline::{Observer, Pipeline};
use crate::queue::Queue;
use crate::serve::{self, WorkerResources};

/// When it is first tried again to open a target; the time doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest time between two attempts: a file that has appeared or a network that is back is noticed this soon.
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// What opens targets.
pub(super) struct Opener {
    pub(super) config: Config,
    pub(super) aws: Aws,
    pub(super) transforms: Transforms,
    pub(super) observers: Vec<Arc<dyn Observer>>,
}

/// A target whose settings were checked, and whose secret and rules were read if they could be.
pub(super) struct PlannedTarget {
    settings: PipelineConfig,
    plan: Result<TargetPlan, StartErrors>,
}

/// A target with its queue, which is open if it could be opened.
pub(super) struct Delivery {
    settings: PipelineConfig,
    queue: Queue,
    opened: Result<Arc<Pipeline>, StartErrors>,
}

/// The pipelines to the targets that are open. More of them may follow.
#[derive(Default)]
pub(crate) struct OpenPipelines {
    open: Mutex<Vec<Arc<Pipeline>>>,
    /// Why the others are not open, by their names.
    unopened: Mutex<BTreeMap<String, Unopened>>,
    /// Opens the others now.
    retry: Notify,
}

/// A target that is not open.
#[derive(Debug, Clone)]
pub(crate) struct Unopened {
    /// Why.
    pub(crate) error: String,
    /// When it is tried again.
    pub(crate) next: Instant,
}

impl OpenPipelines {
    /// Those that are open now.
    pub(crate) fn all(&self) -> Vec<Arc<Pipeline>> {
        self.lock().clone()
    }

    /// Tries at once to open the targets that are not open.
    pub(super) fn retry(&self) {
        self.retry.notify_waiters();
    }

    /// Why a target is not open, if it is not.
    pub(crate) fn unopened(&self, target: &str) -> Option<Unopened> {
        self.unopened_targets().get(target).cloned()
    }

    fn add(&self, pipeline: Arc<Pipeline>) {
        self.unopened_targets()
            .remove(pipeline.target.name().as_str());
        self.lock().push(pipeline);
    }

    fn set_unopened(&self, target: &TargetName, unopened: Unopened) {
        self.unopened_targets().insert(target.to_string(), unopened);
    }

    fn unopened_targets(&self) -> MutexGuard<'_, BTreeMap<String, Unopened>> {
        self.unopened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Pipeline>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opener {
    /// Checks the settings of each target, and reads its secret and its rules. Changes nothing outside the process.
    pub(super) async fn plan(&self) -> Result<Vec<PlannedTarget>, StartErrors> {
        let settings = self.config.running_pipelines();
        let planned = join_all(settings.map(|settings| async {
            let mut errors = Vec::new();
            let checked = target::check_settings(&self.config, &settings.target);
            errors.extend(checked.err());
            let plan = match self.read(settings).await {
                Ok(plan) if errors.is_empty() => Ok(plan),
                Ok(_) => Err(StartErrors(errors)),
                Err(StartErrors(more)) => {
                    // What cannot be opened cannot be read either: an error for one cause.
                    let is_new = |error: &StartError| !errors.contains(error);
                    let more: Vec<_> = more.into_iter().filter(is_new).collect();
                    errors.extend(more);
                    Err(StartErrors(errors))
                }
            };
            PlannedTarget {
                settings: settings.clone(),
                plan,
            }
        }));
        let planned = planned.await;
        let errors = planned.iter().map(|planned| planned.plan.as_ref().err());
        match stops_start(errors) {
            false => Ok(planned),
            true => {
                let errors = planned.into_iter().filter_map(|it| it.plan.err());
                Err(StartErrors(errors.flat_map(|errors| errors.0).collect()))
            }
        }
    }

    /// Opens the planned targets. `queues` are theirs, in the same order.
    pub(super) async fn open(
        &self,
        planned: Vec<PlannedTarget>,
        queues: Vec<Queue>,
    ) -> Result<Vec<Delivery>, StartErrors> {
        let mut deliveries = Vec::new();
        for (PlannedTarget { settings, plan }, queue) in planned.into_iter().zip(queues) {
            let opened = match plan {
                Ok(plan) => self.complete(&settings, plan, queue.clone()).await,
                Err(errors) => Err(errors),
            };
            deliveries.push(Delivery {
                settings,
                queue,
                opened,
            });
        }
        let errors = deliveries.iter().map(|it| it.opened.as_ref().err());
        match stops_start(errors) {
            false => Ok(deliveries),
            true => {
                let errors = deliveries.into_iter().filter_map(|it| it.opened.err());
                Err(StartErrors(errors.flat_map(|errors| errors.0).collect()))
            }
        }
    }

    async fn read(&self, settings: &PipelineConfig) -> Result<TargetPlan, StartErrors> {
        let options = rule_options(&self.config, settings, self.transforms.clone());
        TargetPlan::read(settings, &self.aws, options).await
    }

    async fn complete(
        &self,
        settings: &PipelineConfig,
        plan: TargetPlan,
        queue: Queue,
    ) -> Result<Arc<Pipeline>, StartErrors> {
        if plan.rules().rules.redact() {
            storage::warn_if_kept_unredacted(&self.config, settings.target.name.as_str());
        }
        let pipeline = plan.open(&self.config, &self.aws, queue).await?;
        let buffer = target::coalesce_buffer(&self.config, settings);
        let pipeline = pipeline.long_lived(buffer, self.observers.clone());
        Ok(Arc::new(pipeline))
    }

    /// All steps at once, for a target that could not be opened at the start.
    async fn reopen(
        &self,
        settings: &PipelineConfig,
        queue: Queue,
    ) -> Result<Arc<Pipeline>, StartErrors> {
        let plan = self.read(settings).await?;
        self.complete(settings, plan, queue).await
    }
}

/// Whether the errors of targets, of each its own, keep `serve` from starting. Invalid settings and rules do, so that nobody
/// overlooks them. What is only missing does where nothing would be delivered until somebody has corrected it; otherwise the
/// start goes on without that target.
fn stops_start<'e>(targets: impl Iterator<Item = Option<&'e StartErrors>>) -> bool {
    let (mut is_invalid, mut are_missing, mut has_targets) = (false, true, false);
    for errors in targets {
        has_targets = true;
        let errors = errors.map_or(&[][..], |errors| &errors.0);
        is_invalid |= errors.iter().any(|error| match error {
            StartError::Invalid(_) => true,
            StartError::Missing(_) | StartError::Temporary(_) => false,
        });
        are_missing &= errors.iter().any(|error| match error {
            StartError::Missing(_) => true,
            StartError::Invalid(_) | StartError::Temporary(_) => false,
        });
    }
    is_invalid || (has_targets && are_missing)
}

impl Delivery {
    /// The name of the target.
    pub(super) fn target(&self) -> &str {
        self.settings.target.name.as_str()
    }

    /// Delivers to the target until the stop. Opens it first, if it is not open yet.
    pub(super) async fn run(
        self,
        opener: Arc<Opener>,
        open: Arc<OpenPipelines>,
        stop: CancellationToken,
    ) {
        let Delivery {
            settings,
            queue,
            opened,
        } = self;
        let (batch, name) = (settings.batch.clone(), settings.target.name.clone());
        let visibility_timeout = opener.config.queue.visibility_timeout();
        let pipeline = match opened {
            Ok(pipeline) => pipeline,
            Err(errors) => {
                let attempts = attempts(errors, &open, settings, queue.clone(), opener);
                tokio::select! {
                    pipeline = attempts => pipeline,
                    () = serve::watch_unopened(&name, &queue, &stop) => return,
                }
            }
        };
        open.add(pipeline.clone());
        let work = serve::work(WorkerResources {
            pipeline: pipeline.clone(),
            batch,
            visibility_timeout,
            stop: stop.clone(),
        });
        tokio::join!(serve::watch_target(pipeline, stop), work);
    }
}

/// Opens a target again and again, until that succeeds. `errors` are those of the start.
async fn attempts(
    mut errors: StartErrors,
    open: &OpenPipelines,
    settings: PipelineConfig,
    queue: Queue,
    opener: Arc<Opener>,
) -> Arc<Pipeline> {
    let (begun, target) = (Instant::now(), settings.target.name.clone());
    let (mut pause, mut logged) = (FIRST_PAUSE, String::new());
    loop {
        let text = errors.to_string();
        // The pause grows to the interval of a reminder; before that, only another error is worth a line.
        if text != logged || pause == LAST_PAUSE {
            let target = target.as_str();
            error!(
                target,
                error = text,
                "target cannot be opened; its events are kept"
            );
            logged.clone_from(&text);
        }
        let next = Instant::now() + pause;
        open.set_unopened(&target, Unopened { error: text, next });
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
            () = open.retry.notified() => pause = FIRST_PAUSE,
        }
        let (opener, settings, queue) = (opener.clone(), settings.clone(), queue.clone());
        // A disk that hangs must not hold up the others.
        let attempt = tokio::task::spawn_blocking(move || {
            Handle::current().block_on(opener.reopen(&settings, queue))
        });
        errors = match attempt.await {
            Ok(Ok(pipeline)) => {
                let after_seconds = begun.elapsed().as_secs();
                info!(target = target.as_str(), after_seconds, "target opened");
                return pipeline;
            }
            Ok(Err(errors)) => errors,
            Err(panic) => StartError::Temporary(ConfigError::general(panic.to_string())).into(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_goes_on_without_what_is_missing_as_long_as_something_can_be_delivered() {
        let invalid = || StartError::Invalid(ConfigError::general("rules"));
        let missing = || StartError::Missing(ConfigError::general("secret"));
        let temporary = || StartError::Temporary(ConfigError::general("network"));
        let stops = |targets: &[&[fn() -> StartError]]| {
            let made = |errors: &&[fn() -> StartError]| {
                let errors: Vec<_> = errors.iter().map(|error| error()).collect();
                (!errors.is_empty()).then_some(StartErrors(errors))
            };
            let targets: Vec<_> = targets.iter().map(made).collect();
            stops_start(targets.iter().map(Option::as_ref))
        };
        assert!(!stops(&[]));
        assert!(!stops(&[&[]]));
        assert!(!stops(&[&[], &[missing]]));
        assert!(!stops(&[&[missing], &[temporary]]));
        assert!(!stops(&[&[temporary]]));
        assert!(stops(&[&[missing]]));
        assert!(stops(&[&[missing], &[missing, temporary]]));
        assert!(stops(&[&[], &[temporary, invalid]]));
    }
}
