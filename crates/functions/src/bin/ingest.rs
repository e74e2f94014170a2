//! The ingest function: API Gateway in front, SQS behind, the same router as `serve`.

use aws::Aws;
use functions::{gateway, metrics};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, Error, LambdaEvent, Request, Service, lambda_runtime, service_fn};
use proxy::config::{Config, Role, Sources};
use proxy::ingest::{Ingest, router};
use proxy::{setup, telemetry};

fn main() -> std::process::ExitCode {
    functions::bootstrap::main(start())
}

async fn start() -> Result<(), Error> {
    let config = Config::read(Sources::from_env(), Role::Ingest)?;
    telemetry::log_to_cloudwatch(&config.log);
    let collector = metrics::install(&config.metrics_namespace, "ingest")?;
    let aws = Aws::new();
    let queue = setup::queue(&config, &aws, None).await?;
    let ingest = Ingest::new(&config.ingest, queue, setup::keys(&config, &aws));
    let router = router(ingest, &config.ingest.path_prefix);
    let adapter = Adapter::from(service_fn(move |request: Request| {
        let router = router.clone();
        async move {
            let answer = router.oneshot(gateway::with_peer(request)).await;
            metrics::flush(collector);
            Ok::<_, Error>(answer?)
        }
    }));
    // What `lambda_http::run` does, but for what it would panic at.
    let handler = move |event: LambdaEvent<LambdaRequest>| {
        let mut adapter = adapter.clone();
        adapter.call(gateway::fit(event))
    };
    lambda_runtime::run(service_fn(handler)).await
}
