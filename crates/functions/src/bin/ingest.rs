//! The ingest function: API Gateway in front of the router of `serve`, with SQS as the queue.

use aws::Aws;
use functions::{gateway, metrics};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, Error, LambdaEvent, Request, Service, lambda_runtime, service_fn};
use proxy::config::{Config, Layers, Role};
use proxy::http::{Guard, Keys};
use proxy::ingest::{Ingest, router};
use proxy::{telemetry, topology};

fn main() -> std::process::ExitCode {
    functions::bootstrap::main(start())
}

async fn start() -> Result<(), Error> {
    let config = Config::read(Layers::from_env(), Role::Ingest)?;
    telemetry::log_to_cloudwatch(&config.log);
    let collector = metrics::install(&config.metrics_namespace, "ingest")?;
    let aws = Aws::new();
    let queue = topology::open_queue(&config, &aws).await?;
    let guard = Guard::new(Keys::new(&config.ingest.auth, &aws));
    let ingest = Ingest::new(&config.ingest, queue.clone(), guard);
    let prefix = config.ingest.path_prefix;
    let router = router(ingest, queue, &prefix);
    let adapter = Adapter::from(service_fn(move |request: Request| {
        let router = router.clone();
        async move {
            let response = router.oneshot(gateway::with_peer(request)).await;
            metrics::flush(collector);
            Ok::<_, Error>(response?)
        }
    }));
    // As in `lambda_http::run`, but with a query that does not make it panic.
    let handler = move |event: LambdaEvent<LambdaRequest>| {
        let mut adapter = adapter.clone();
        let event = gateway::with_prefix(gateway::with_valid_query(event), &prefix);
        adapter.call(event)
    };
    lambda_runtime::run(service_fn(handler)).await
}
