//! The topology of `serve`: opens everything that a configuration asks for, and runs it.
//!
//! ```text
//! HTTP ──▶ router ──▶ queue ──▶ a worker and a pipeline for each target
//! ```
//!
//! [`Topology::build`] opens everything that can fail. It begins with what only reads (settings, secrets, rules), so that
//! nothing is created and no target is opened before all errors there are known. [`Topology::run`] starts the listener and
//! the workers, and returns when they have stopped; `topology/running.rs` supervises them. What runs is in `serve.rs`. Called
//! by the commands `serve` and `demo`; the Lambda functions open a queue and a target with the same functions.

mod check;
mod error;
mod router;
mod running;
mod storage;
mod target;

use std::net::SocketAddr;
use std::sync::Arc;

use aws::Aws;
use axum::Router;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;
use transform::Transforms;

use crate::config::{Batch, Config};
use crate::http::RejectionLog;
use crate::pipeline::{Observer, Pipeline};
use crate::queue::Queue;
use crate::serve::{self, WorkerResources};
use crate::telemetry::Prometheus;

pub use check::{CheckReport, check};
pub use error::{StartError, StartErrors};
pub use running::StopReason;
pub use storage::open_queue;
pub use target::{TargetPlan, rule_options};

use running::Running;

/// The signal of a process whose file has reached the limit of its size (`RLIMIT_FSIZE`), on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// A proxy in which everything is open and nothing runs yet.
pub struct Topology {
    config: Config,
    /// What ingest sends to. All pipelines receive from it.
    queue: Queue,
    /// One for each target, with its batches.
    pipelines: Vec<(Arc<Pipeline>, Batch)>,
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    rejections: RejectionLog,
    prometheus: Prometheus,
}

impl Topology {
    /// Opens everything. `observers` see the outcomes of all targets, besides the log and the metrics.
    pub async fn build(
        config: Config,
        prometheus: Prometheus,
        observers: Vec<Arc<dyn Observer>>,
        transforms: Transforms,
    ) -> Result<Topology, StartErrors> {
        let aws = Aws::new();
        let plans = plan_targets(&config, &aws, &transforms).await?;
        // Without a handler the signal would end the process; with one, the write fails as on a full disk.
        let handler = signal(SignalKind::from_raw(SIGXFSZ));
        drop(handler.map_err(|error| StartError::io("SIGXFSZ", &error))?);
        let claim = storage::claim(&config)?;
        let queues = storage::open_queues(&config, &aws, claim.clone()).await?;
        let queue = queues.first().cloned();
        let queue = queue.ok_or_else(|| StartError::Invalid("target: not set".to_owned()))?;
        let mut pipelines = Vec::new();
        let settings = config.running_pipelines().cloned();
        for ((plan, queue), settings) in plans.into_iter().zip(queues).zip(settings) {
            let pipeline = plan.open(&config, &aws, queue, claim.as_ref()).await?;
            let buffer = target::coalesce_buffer(&config, &settings);
            let pipeline = pipeline.long_lived(buffer, shared(&observers));
            pipelines.push((Arc::new(pipeline), settings.batch));
        }
        storage::warn_if_exposed(&config, claim.as_deref());
        // A process without ingest listens too: it answers whether it is alive.
        let (listener, address) = bind(config.listen).await?;
        let rejections = RejectionLog::new();
        let store = pipelines
            .iter()
            .find_map(|(pipeline, _)| pipeline.target.store());
        let router = router::Resources {
            aws: &aws,
            address,
            queue: queue.clone(),
            store: store.cloned(),
            prometheus: prometheus.clone(),
            rejections: rejections.clone(),
        };
        Ok(Topology {
            router: router.build(&config.ingest),
            config,
            queue,
            pipelines,
            listener,
            address,
            rejections,
            prometheus,
        })
    }

    /// The address that the proxy listens on. With port 0 configured, it has the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `shutdown` completes or the process cannot go on, and returns after everything has stopped. Each time that
    /// `reload` completes, the rules are read and the files are opened again.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()>,
        reload: impl AsyncFnMut(),
    ) -> StopReason {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(self.prometheus.run_upkeep(stop.clone()));
        let (queue, until) = (self.queue.clone(), stop.clone());
        tasks.spawn(async move { queue.enforce_retention(&until).await });
        tasks.spawn(serve::watch_rejections(self.rejections, stop.clone()));
        let visibility_timeout = self.config.queue.visibility_timeout();
        let mut pipelines = Vec::new();
        for (pipeline, batch) in self.pipelines {
            tasks.spawn(serve::watch_target(pipeline.clone(), stop.clone()));
            tasks.spawn(serve::work(WorkerResources {
                pipeline: pipeline.clone(),
                batch,
                visibility_timeout,
                stop: stop.clone(),
            }));
            pipelines.push(pipeline);
        }
        if pipelines.is_empty() {
            tasks.spawn(serve::watch_queue(self.queue.clone(), stop.clone()));
        }
        let max_connections = self.config.max_connections;
        tasks.spawn(serve::listen(
            self.listener,
            self.router,
            max_connections,
            stop.clone(),
        ));
        info!(
            address = %self.address,
            target = names(&pipelines),
            data_dir = %self.config.data_dir.display(),
            "listening"
        );
        let running = Running {
            stop,
            tasks,
            queue: self.queue,
            pipelines,
        };
        running.supervise(shutdown, reload).await
    }
}

/// Checks the settings of each target, and reads its secret and rules. Reports the errors of all targets.
async fn plan_targets(
    config: &Config,
    aws: &Aws,
    transforms: &Transforms,
) -> Result<Vec<TargetPlan>, StartErrors> {
    let pipelines = config.running_pipelines();
    let checks = pipelines.map(|pipeline| target::check_settings(config, &pipeline.target));
    let mut errors: Vec<StartError> = checks.filter_map(Result::err).collect();
    let plans = config.running_pipelines().map(|pipeline| {
        let options = rule_options(config, pipeline, transforms.clone());
        TargetPlan::read(pipeline, aws, options)
    });
    let mut read = Vec::new();
    for plan in join_all(plans).await {
        match plan {
            Ok(plan) => read.push(plan),
            Err(StartErrors(found)) => errors.extend(found),
        }
    }
    match errors.is_empty() {
        true => Ok(read),
        false => Err(StartErrors(errors)),
    }
}

/// The observers for one more pipeline.
fn shared(observers: &[Arc<dyn Observer>]) -> Vec<Box<dyn Observer>> {
    let boxed = |observer: &Arc<dyn Observer>| Box::new(observer.clone()) as Box<dyn Observer>;
    observers.iter().map(boxed).collect()
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::io(&format!("listen: {address}"), &error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The names of the targets, for the log. `None` where the process only accepts events.
fn names(pipelines: &[Arc<Pipeline>]) -> Option<String> {
    let names = pipelines
        .iter()
        .map(|pipeline| pipeline.target.name().as_str());
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| names.join(", "))
}
