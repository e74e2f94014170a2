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
use page::line::queue::SourceState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;
use transform::Transforms;

use crate::config::{Config, ConfigError};
use crate::history::Recorder;
use crate::http::RejectionLog;
use crate::page::{ProxyEvents, ProxyQueue, ProxyRules, TargetQueue};
use crate::pipeline::{Observer, RuleTally};
use crate::queue::{Form, Queue, SqsDeadLetters};
use crate::serve;
use crate::telemetry::Prometheus;

pub use check::{CheckReport, check, check_rules};
pub use error::{StartError, StartErrors};
pub use running::StopReason;
pub use sources::open_sender;
pub use storage::open_queue;
pub use target::{TargetPlan, read_all_rules, rule_options};

pub(crate) use delivery::OpenPipelines;
use delivery::{Delivery, Opener};
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
    pipelines: Arc<OpenPipelines>,
    /// The queue, as the page sees it.
    shown: Arc<ProxyQueue>,
    stop: CancellationToken,
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
        let opened = Box::pin(Topology::open(config, prometheus, observers, transforms)).await;
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
            let first_target = config.pipeline.target.name.as_str();
            let (recorder, observer) = Recorder::new(folder, config.history, first_target);
            opener.observers.push(Arc::new(observer));
            recorder
        });
        let tally = RuleTally::default();
        opener.observers.push(Arc::new(tally.clone()));
        let OpenQueues { ingest, targets } = storage.open_queues(config, aws).await?;
        let letters = storage.dead_letters(aws).await;
        let queues = shown_queues(config, &targets, letters.as_ref());
        let deliveries = Box::pin(opener.open(planned, targets)).await?;
        let sources = Sources::open(config, aws, &ingest, &storage).await?;
        storage::warn_if_exposed(config, storage.folder());
        storage.mention_old_history(config);
        // A process without ingest listens too: it answers whether it is alive.
        let (listener, address) = bind(config.listen).await?;
        let rejections = RejectionLog::new();
        let (stop, pipelines) = (CancellationToken::new(), Arc::<OpenPipelines>::default());
        let history = recorder.as_ref().map(Recorder::current);
        let log = match &ingest {
            Queue::Embedded(queue) => Some(queue.log().clone()),
            Queue::Sqs(_) | Queue::Memory(_) | Queue::Log(_) => None,
        };
        let store = storage::store(config);
        let of_target = |it: &TargetQueue| (it.name.clone(), store == Some(it.name.as_str()));
        let events = ProxyEvents {
            log: log.clone(),
            targets: queues.iter().map(of_target).collect(),
            pipelines: pipelines.clone(),
        };
        let rules = ProxyRules {
            targets: queues.iter().map(|it| (it.name.clone(), it.kind)).collect(),
            pipelines: pipelines.clone(),
            tally,
            log,
            history: history.clone(),
            turn: Arc::new(Semaphore::new(1)),
        };
        let shown = Arc::new(ProxyQueue::new(
            queues,
            pipelines.clone(),
            shown_sources(config),
            stop.clone(),
        ));
        let router = router::Resources {
            aws,
            address,
            queue: ingest.clone(),
            form: match store {
                Some(_) => Form::Stored,
                None => Form::Accepted,
            },
            history,
            prometheus: prometheus.clone(),
            rejections: rejections.clone(),
            shown: shown.clone(),
            rules: Arc::new(rules),
            events: Arc::new(events),
            stop: stop.clone(),
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
            pipelines,
            shown,
            stop,
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
        let stop = self.stop;
        let mut tasks = JoinSet::new();
        tasks.spawn(self.prometheus.run_upkeep(stop.clone()));
        let (queue, until) = (self.queue.clone(), stop.clone());
        tasks.spawn(async move { queue.enforce_retention(&until).await });
        tasks.spawn(serve::watch_rejections(self.rejections, stop.clone()));
        if self.deliveries.is_empty() && self.queue.can_receive() {
            tasks.spawn(serve::watch_queue(self.queue.clone(), stop.clone()));
        }
        tasks.spawn(self.shown.count(stop.clone()));
        let (opener, pipelines) = (Arc::new(self.opener), self.pipelines);
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

/// The queue of each target, for the page.
fn shown_queues(
    config: &Config,
    queues: &[Queue],
    letters: Option<&SqsDeadLetters>,
) -> Vec<TargetQueue> {
    let ours: Vec<&str> = (config.running_pipelines())
        .map(|pipeline| pipeline.target.name.as_str())
        .collect();
    let targets = config.pipelines().zip(queues);
    let shown = targets.map(|(pipeline, queue)| TargetQueue {
        name: pipeline.target.name.to_string(),
        kind: pipeline.target.kind.kind(),
        queue: queue.clone(),
        letters: letters.cloned(),
        is_ours: ours.contains(&pipeline.target.name.as_str()),
    });
    shown.collect()
}

/// The sources, for the page.
fn shown_sources(config: &Config) -> Vec<SourceState> {
    let sources = config.running_sources();
    let shown = sources.map(|source| SourceState {
        name: source.name.clone(),
        kind: source.kind.kind().name(),
        interval_seconds: source.interval.as_secs(),
    });
    shown.collect()
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
