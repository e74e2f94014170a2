//! The ingest function: API Gateway in front, SQS behind, the same router as `serve`.

use lambda_http::tower::ServiceExt;
use lambda_http::{Error, Request, service_fn};
use proxy::config::settings::Settings;
use proxy::config::{Config, Role};
use proxy::ingest::{Ingest, router};
use proxy::{setup, telemetry};

fn main() -> std::process::ExitCode {
    proxy::bootstrap::main(start())
}

async fn start() -> Result<(), Error> {
    let config = Config::read(Settings::environment(std::env::vars()), Role::Ingest)?;
    telemetry::log_to_cloudwatch(&config.log);
    let metrics = telemetry::count_for_cloudwatch(&config.metrics_namespace, "ingest")?;
    let aws = setup::aws(&config).await;
    let queue = setup::queue(&config, aws.as_ref()).await?;
    let ingest = Ingest::new(&config.ingest, queue, setup::keys(&config, aws.as_ref()));
    let router = router(ingest, &config.ingest.path_prefix);
    lambda_http::run(service_fn(move |request: Request| {
        let router = router.clone();
        async move {
            let answer = router.oneshot(request).await;
            metrics.flush(std::io::stdout())?;
            Ok::<_, Error>(answer?)
        }
    }))
    .await
}
