//! The HTTP service of `serve`: the routes of ingest and of administration, behind one guard.

use std::net::SocketAddr;
use std::sync::Arc;

use aws::Aws;
use axum::Router;
use axum::middleware;
use page::Page;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::admin::{self, Admin, Hosts, check_host};
use crate::config::{self, Auth, KeyRole};
use crate::history::CurrentHistory;
use crate::http::{self, Guard, Keys, Paths, RejectionLog};
use crate::ingest::{self, Ingest};
use crate::page::{ProxyEvents, ProxyLine, ProxyQueue, ProxyRules, attributed};
use crate::queue::{Form, Queue};
use crate::telemetry::Prometheus;

/// What the routes need.
pub(super) struct Resources<'a> {
    pub(super) aws: &'a Aws,
    /// The address that the proxy listens on.
    pub(super) address: SocketAddr,
    pub(super) queue: Queue,
    /// The form of events that is read back if a query names none.
    pub(super) form: Form,
    /// What happened to events, if that is recorded.
    pub(super) history: Option<CurrentHistory>,
    pub(super) prometheus: Prometheus,
    pub(super) rejections: RejectionLog,
    /// The queue, as the page sees it.
    pub(super) shown: Arc<ProxyQueue>,
    /// The events, likewise.
    pub(super) events: Arc<ProxyEvents>,
    /// The rules, likewise.
    pub(super) rules: Arc<ProxyRules>,
    /// Ends responses that do not end by themselves.
    pub(super) stop: CancellationToken,
}

impl Resources<'_> {
    /// Builds the service.
    pub(super) fn build(self, config: &config::Ingest) -> Router {
        let paths = Paths {
            get: &admin::PATHS,
            post: &ingest::PATHS,
        };
        let rejections = self.rejections.clone();
        http::app(self.routes(config), paths, &config.path_prefix, rejections)
    }

    /// Builds the routes.
    fn routes(self, config: &config::Ingest) -> Router {
        if !can_read(&config.auth) {
            info!("no key has the role read or metrics: /metrics and the events are closed");
        }
        let prefix = &config.path_prefix;
        let guard = Guard::new(Keys::new(&config.auth, self.aws));
        let hosts = Hosts::new(self.address.ip(), &config.allowed_hosts);
        let page = config.page.then(|| {
            let line = ProxyLine {
                guard: guard.clone(),
                is_private: !guard.has_keys() && self.address.ip().is_loopback(),
                history: self.history.clone(),
            };
            let page = Page {
                line: Arc::new(line),
                events: self.events.clone(),
                queue: self.shown,
                rules: self.rules,
                prefix: prefix.clone(),
                stop: self.stop,
            };
            let named = middleware::from_fn_with_state(hosts.clone(), check_host);
            let routes = page::router(page, |routes| routes.route_layer(named));
            routes.route_layer(middleware::map_response(attributed))
        });
        let admin = Admin {
            queue: self.queue.clone(),
            prometheus: self.prometheus,
            form: self.form,
            history: self.history,
            events: self.events,
            hosts,
            guard: guard.clone(),
        };
        let ingest = Ingest::new(config, self.queue, guard);
        let routes = ingest::routes(ingest, prefix).merge(admin.routes(prefix));
        page.into_iter().fold(routes, Router::merge)
    }
}

/// Whether anyone may read, as far as is known: the roles of keys in a secret are not.
fn can_read(auth: &Auth) -> bool {
    let has_reader = auth.keys.iter().any(|key| key.may(KeyRole::Metrics));
    auth.keys.is_empty() || has_reader || auth.secret_id.is_some() || auth.anonymous
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use openlineage::Level;
    use tower::ServiceExt;

    use super::*;
    use crate::queue::Embedded;

    const PREFIX: &str = "/lineage";

    /// All routes, as they are on a loopback address without keys.
    async fn routes(folder: &std::path::Path) -> Router {
        let queue = Embedded::own(folder, Duration::from_secs(10))
            .await
            .unwrap();
        let config = config::Ingest {
            path_prefix: PREFIX.to_owned(),
            level: Level::Repair,
            max_body_size: 1_000,
            max_decompressed_size: 1_000,
            max_body_memory: 10_000,
            allowed_hosts: Vec::new(),
            auth: Auth::default(),
            page: true,
        };
        let (stop, pipelines) = (CancellationToken::new(), Arc::default());
        let shown = ProxyQueue::new(Vec::new(), Arc::clone(&pipelines), Vec::new(), stop.clone());
        let rules = ProxyRules {
            targets: Vec::new(),
            pipelines,
            tally: crate::pipeline::RuleTally::default(),
            log: None,
            history: None,
            turn: Arc::new(tokio::sync::Semaphore::new(1)),
        };
        let resources = Resources {
            shown: Arc::new(shown),
            events: Arc::new(ProxyEvents {
                log: None,
                targets: Vec::new(),
                pipelines: Arc::default(),
            }),
            rules: Arc::new(rules),
            aws: &Aws::new(),
            address: ([127, 0, 0, 1], 5_000).into(),
            queue: Queue::Embedded(queue),
            form: Form::Accepted,
            history: None,
            prometheus: Prometheus::empty(),
            rejections: RejectionLog::new(),
            stop,
        };
        resources.routes(&config)
    }

    /// The paths of the routes of a router. axum has no list of them, but shows them when it is debugged.
    fn paths_of(router: &Router) -> BTreeSet<String> {
        let shown = format!("{router:?}");
        let quoted = shown.split('"').skip(1).step_by(2);
        let paths = quoted.filter(|text| text.starts_with('/') && !text.contains("__private"));
        let mut paths: BTreeSet<String> = paths.map(str::to_owned).collect();
        paths.remove("/"); // that of the fallback
        paths
    }

    async fn status(routes: &Router, method: &str, path: &str, host: &str) -> StatusCode {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("host", host).body(Body::empty()).unwrap();
        routes.clone().oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn no_route_is_read_under_the_name_of_another_site() {
        let folder = tempfile::tempdir().unwrap();
        let routes = routes(folder.path()).await;
        let listed = admin::PATHS
            .iter()
            .chain(&admin::MARQUEZ_PATHS)
            .chain(&page::PATHS)
            .chain(&ingest::PATHS);
        let mut listed: BTreeSet<String> = listed.map(|path| format!("{PREFIX}{path}")).collect();
        listed.insert(PREFIX.to_owned());
        assert_eq!(paths_of(&routes), listed, "a route that no PATHS lists");
        for path in listed {
            let path = path.replace(['{', '}'], "");
            let is_one_of = |all: &[&str]| all.iter().any(|one| path == format!("{PREFIX}{one}"));
            let expected = match () {
                // Load balancers ask for health by an address or a name of their own; the response tells nothing.
                () if is_one_of(&admin::HEALTH_PATHS) => StatusCode::OK,
                // What only posts has nothing to read.
                () if is_one_of(&ingest::PATHS)
                    && !is_one_of(&page::PATHS)
                    && !is_one_of(&admin::MARQUEZ_PATHS) =>
                {
                    StatusCode::METHOD_NOT_ALLOWED
                }
                () => StatusCode::MISDIRECTED_REQUEST,
            };
            for host in ["evil.example:5000", "127.0.0.1.evil.example", "10.0.0.1"] {
                for method in ["GET", "HEAD"] {
                    let found = status(&routes, method, &path, host).await;
                    assert_eq!(found, expected, "{method} {path} {host}");
                }
            }
        }
    }
}
