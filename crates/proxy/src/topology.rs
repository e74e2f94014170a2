//! The topology of `serve`: opens everything that a configuration asks for, and runs it.
//!
//! ```text
//! HTTP ──▶ router ──▶ queue ──▶ a worker and a pipeline for each target
//! sources ──────────────┘
//! ```
//!
//! [`Topology::build`] opens everything that can fail. It begins with what only reads (settings, secrets, rules), so that
//! nothing is created and no target is opened before all errors there are known. [`Topology::run`] starts the listener and
//! the workers, and returns when they have stopped; `topology/running.rs` supervises them. A target that cannot be opened for
//! now is opened later (`topology/delivery.rs`). What runs is in `serve.rs`. Called
//! by the commands `serve` and `demo`; the Lambda functions open a queue and a target with the same functions.

mod check;
mod delivery;
mod error;
mod router;
mod running;
mod sources;
mod storage;
mod target;

use std::net::SocketAddr;
use std::sync::Arc;

use aws::Aws;
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;
use transform::Transforms;

use crate::config::{Config, ConfigError};
use crate::history::Recorder;
use crate::http::RejectionLog;
use crate::pipeline::Observer;
use crate::queue::{Form, Queue};
use crate::serve;
use crate::telemetry::Prometheus;

pub use check::{CheckReport, check, check_rules};
pub use error::{StartError, StartErrors};
pub use running::StopReason;
pub use sources::open_sender;
pub use storage::open_queue;
pub use target::{TargetPlan, read_all_rules, rule_options};

use delivery::{Delivery, OpenPipelines, Opener};
use running::RunningProxy;
use sources::Sources;
use storage::{OpenQueues, Storage};

/// The signal of a process whose file has reached the limit of its size (`RLIMIT_FSIZE`), on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// A proxy in which everything is open, but for targets that are opened later, and nothing runs yet.
pub struct Topology {
    opener: Opener,
    /// What ingest sends to. All pipelines receive from it.
    queue: Queue,
    /// One for each target.
    deliveries: Vec<Delivery>,
    sources: Option<Sources>,
    recorder: Option<Recorder>,
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
        let origins = config.origins.clone();
        let opened = Topology::open(config, prometheus, observers, transforms).await;
        opened.map_err(|errors| errors.located(&origins))
    }

    async fn open(
        config: Config,
        prometheus: Prometheus,
        observers: Vec<Arc<dyn Observer>>,
        transforms: Transforms,
    ) -> Result<Topology, StartErrors> {
        let mut opener = Opener {
            config,
            aws: Aws::new(),
            transforms,
            observers,
        };
        let (config, aws) = (&opener.config, &opener.aws);
        let planned = opener.plan().await?;
        // Without a handler the signal would end the process; with one, the write fails as on a full disk.
        let handler = signal(SignalKind::from_raw(SIGXFSZ));
        let failed = |error| ConfigError::general(format!("SIGXFSZ: {error}"));
        drop(handler.map_err(|error| StartError::Invalid(failed(error)))?);
        let storage = Storage::claim(config)?;
        let recorder = storage.history(config).map(|folder| {
            let (recorder, observer) = Recorder::new(folder, config.history);
            opener.observers.push(Arc::new(observer));
            recorder
        });
        let OpenQueues { ingest, targets } = storage.open_queues(config, aws).await?;
        let deliveries = opener.open(planned, targets).await?;
        let sources = Sources::open(config, aws, &ingest, &storage).await?;
        storage::warn_if_exposed(config, storage.folder());
        storage.mention_old_history(config);
        // A process without ingest listens too: it answers whether it is alive.
        let (listener, address) = bind(config.listen).await?;
        let rejections = RejectionLog::new();
        let router = router::Resources {
            aws,
            address,
            queue: ingest.clone(),
            form: match storage::store(config) {
                Some(_) => Form::Stored,
                None => Form::Accepted,
            },
            history: recorder.as_ref().map(Recorder::current),
            prometheus: prometheus.clone(),
            rejections: rejections.clone(),
        };
        Ok(Topology {
            router: router.build(&config.ingest),
            queue: ingest,
            opener,
            deliveries,
            sources,
            recorder,
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
        if self.deliveries.is_empty() && self.queue.can_receive() {
            tasks.spawn(serve::watch_queue(self.queue.clone(), stop.clone()));
        }
        let (opener, pipelines) = (Arc::new(self.opener), Arc::<OpenPipelines>::default());
        let targets = names(&self.deliveries);
        for delivery in self.deliveries {
            let (opener, pipelines) = (opener.clone(), pipelines.clone());
            tasks.spawn(delivery.run(opener, pipelines, stop.clone()));
        }
        let recorder = self.recorder.map(Recorder::start);
        let ledger = self.sources.map(|it| it.start(&mut tasks, &stop));
        tasks.spawn(serve::listen(
            self.listener,
            self.router,
            opener.config.max_connections,
            stop.clone(),
        ));
        info!(
            address = %self.address,
            targets,
            data_dir = %opener.config.data_dir.display(),
            "lineage-proxy is listening"
        );
        let running = RunningProxy {
            stop,
            tasks,
            queue: self.queue,
            ledger,
            recorder,
            pipelines,
        };
        running.supervise(shutdown, reload).await
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::io("listen", address, &error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The names of the targets, for the log. `None` where the process only accepts events.
fn names(deliveries: &[Delivery]) -> Option<String> {
    let names: Vec<&str> = deliveries.iter().map(Delivery::target).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
