use std::time::Duration;

use aws::Aws;
use axum::body::Body;
use axum::http::StatusCode;
use tower::ServiceExt;

use super::*;
use crate::config::Auth;
use crate::http::Keys;
use crate::queue::Embedded;

const PREFIX: &str = "/lineage";

/// All routes, as they are on a loopback address without keys.
async fn routes(folder: &std::path::Path) -> Router {
    let queue = Embedded::own(folder, Duration::from_secs(10))
        .await
        .unwrap();
    let auth = Auth {
        anonymous: true,
        ..Auth::default()
    };
    let admin = Admin {
        queue: Queue::Embedded(queue),
        prometheus: Prometheus::empty(),
        form: Form::Accepted,
        history: None,
        hosts: Hosts::new([127, 0, 0, 1].into(), &[]),
        guard: Guard::new(Keys::new(&auth, &Aws::new())),
    };
    admin.routes(PREFIX)
}

/// The paths of the routes of a router. axum has no list of them, but shows them when it is debugged.
fn paths_of(router: &Router) -> Vec<String> {
    let shown = format!("{router:?}");
    let quoted = shown.split('"').skip(1).step_by(2);
    let mut paths: Vec<String> = quoted
        .filter(|text| text.starts_with('/') && !text.contains("__private"))
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    paths.retain(|path| path != "/"); // that of the fallback
    paths
}

#[tokio::test]
async fn no_route_is_read_under_the_name_of_another_site() {
    let folder = tempfile::tempdir().unwrap();
    let routes = routes(folder.path()).await;
    let paths = paths_of(&routes);
    let mut listed = PATHS.map(|path| format!("{PREFIX}{path}"));
    listed.sort();
    assert_eq!(paths, listed, "a route that PATHS does not list");
    for path in paths {
        // Load balancers ask for health by an address or a name of their own; the response tells nothing.
        let is_open = HEALTH_PATHS.iter().any(|open| path.ends_with(open));
        for host in ["evil.example:5000", "127.0.0.1.evil.example", "10.0.0.1"] {
            for method in ["GET", "HEAD"] {
                let request = Request::builder()
                    .method(method)
                    .uri(&path)
                    .header("host", host);
                let request = request.body(Body::empty()).unwrap();
                let response = routes.clone().oneshot(request).await.unwrap();
                let expected = match is_open {
                    true => StatusCode::OK,
                    false => StatusCode::MISDIRECTED_REQUEST,
                };
                assert_eq!(response.status(), expected, "{method} {path} {host}");
            }
        }
    }
}
