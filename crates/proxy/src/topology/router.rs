//! The HTTP service of `serve`: the routes of ingest and of administration, behind one guard.

use std::net::SocketAddr;

use aws::Aws;
use axum::Router;
use tracing::info;

use crate::admin::{self, Admin, Hosts};
use crate::config::{self, Auth, KeyRole};
use crate::history::CurrentHistory;
use crate::http::{self, Guard, Keys, Paths, RejectionLog};
use crate::ingest::{self, Ingest};
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
}

impl Resources<'_> {
    /// Builds the service.
    pub(super) fn build(self, config: &config::Ingest) -> Router {
        if !can_read(&config.auth) {
            info!("no key has the role read or metrics: /metrics and the events are closed");
        }
        let prefix = &config.path_prefix;
        let guard = Guard::new(Keys::new(&config.auth, self.aws));
        let admin = Admin {
            queue: self.queue.clone(),
            prometheus: self.prometheus,
            form: self.form,
            history: self.history,
            hosts: Hosts::new(self.address.ip(), &config.allowed_hosts),
            guard: guard.clone(),
        };
        let ingest = Ingest::new(config, self.queue, guard);
        let routes = ingest::routes(ingest, prefix).merge(admin.routes(prefix));
        let paths = Paths {
            get: &admin::PATHS,
            post: &ingest::PATHS,
        };
        http::app(routes, paths, prefix, self.rejections)
    }
}

/// Whether anyone may read, as far as is known: the roles of keys in a secret are not.
fn can_read(auth: &Auth) -> bool {
    let has_reader = auth.keys.iter().any(|key| key.may(KeyRole::Metrics));
    auth.keys.is_empty() || has_reader || auth.secret_id.is_some() || auth.anonymous
}
