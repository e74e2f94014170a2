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

use crate::config::Config;
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
    queue: Queue,
    /// One for each target.
    pipelines: Vec<Arc<Pipeline>>,
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
        let queue = open_queue(&config, &aws, claim.clone()).await?;
        let mut pipelines = Vec::new();
        for plan in plans {
            let pipeline = plan
                .open(&config, &aws, queue.clone(), claim.as_ref())
                .await?;
            let buffer = target::coalesce_buffer(&config);
            pipelines.push(Arc::new(pipeline.long_lived(buffer, shared(&observers))));
        }
        storage::warn_if_exposed(&config, claim.as_deref());
        // A process without ingest listens too: it answers whether it is alive.
        let (listener, address) = bind(config.listen).await?;
        let rejections = RejectionLog::new();
        let store = pipelines
            .iter()
            .find_map(|pipeline| pipeline.target.store());
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
        tasks.spawn(serve::watch(
            self.queue.clone(),
            self.pipelines.clone(),
            self.rejections,
            stop.clone(),
        ));
        for pipeline in &self.pipelines {
            tasks.spawn(serve::work(WorkerResources {
                pipeline: pipeline.clone(),
                queue: self.queue.clone(),
                config: self.config.clone(),
                stop: stop.clone(),
            }));
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
            target = names(&self.pipelines),
            data_dir = %self.config.data_dir.display(),
            "listening"
        );
        let running = Running {
            stop,
            tasks,
            queue: self.queue,
            pipelines: self.pipelines,
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
    let targets = config.targets();
    let checks = targets
        .iter()
        .map(|target| target::check_settings(config, target));
    let mut errors: Vec<StartError> = checks.filter_map(Result::err).collect();
    let plans = targets.iter().map(|target| {
        let options = rule_options(config, target, transforms.clone());
        TargetPlan::read(config, target, aws, options)
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
