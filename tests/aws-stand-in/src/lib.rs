//! What cannot run here: DataZone's lineage events, the two Redshift look-ups and its Data API, and the versions of Glue's
//! tables, after their service models; and roles of STS, for tests in one process.
//!
//! Strict where the service is (path, blob, client token, 300,000 bytes, 20 a second, every error of the model), and
//! failing on demand. Used by the tests and benches, in their process or as the binary `aws-stand-in`.

mod crawlers;
mod datazone;
mod domains;
mod dynamodb;
mod faults;
mod glue;
mod lineage_events;
mod logs;
mod redshift;
mod redshift_data;
mod settings;
mod sts;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::SystemTimeSource;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use crawlers::Crawlers;
pub use faults::{Fault, Kind};
pub use glue::GlueFault;
pub use logs::{LogEvent, LogGroup};
pub use redshift::{Cluster, Workgroup};
pub use redshift_data::StatementFault;
pub use settings::Settings;
pub use sts::{AssumableRole, Session};

/// An event that was posted.
#[derive(Debug, Clone, Serialize)]
pub struct Post {
    /// The id it was given.
    pub id: String,
    /// The domain.
    pub domain: String,
    /// The client token, if one was sent.
    pub client_token: Option<String>,
    /// The credential of its signature: `KEY/DATE/REGION/datazone/aws4_request`.
    pub signed_by: String,
    /// The event as it came.
    pub body: String,
    /// Whether the same event had been posted with the same token: then it is no new event.
    pub repeat: bool,
    /// When, in milliseconds since 1970.
    pub received_at_ms: u64,
}

/// A stand-in that listens on a port of its own, until it is dropped.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    shared: Shared,
    task: JoinHandle<()>,
}

/// What requests share.
pub(crate) type Shared = Arc<Inner>;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) state: Mutex<Account>,
}

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) settings: Settings,
    pub(crate) limiter: Option<Arc<DefaultDirectRateLimiter>>,
    pub(crate) posts: Vec<Post>,
    /// Index into `posts` by client token.
    pub(crate) tokens: HashMap<String, usize>,
    /// Answers by operation and status.
    pub(crate) calls: BTreeMap<String, u64>,
    /// Tables of DynamoDB.
    pub(crate) tables: dynamodb::Tables,
    /// Tables of Glue.
    pub(crate) catalog: glue::Catalog,
    /// Updates of tables that kept the old version.
    pub(crate) archived: u64,
    /// Statements of the Data API.
    pub(crate) statements: redshift_data::Statements,
    /// Roles that were assumed, in order.
    pub(crate) sessions: Vec<Session>,
}

impl Inner {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Account> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, operation: &str, status: u16) {
        *self
            .lock()
            .calls
            .entry(format!("{operation} {status}"))
            .or_default() += 1;
    }
}

impl Account {
    /// Whether a role may do that at Glue or Redshift.
    pub(crate) fn allows(&self, action: &str) -> bool {
        let allowed = self.settings.allowed.as_ref();
        allowed.is_none_or(|allowed| allowed.contains(action))
    }

    fn new(settings: Settings) -> Account {
        let limiter = limiter(settings.rate);
        Account {
            settings,
            limiter,
            posts: Vec::new(),
            tokens: HashMap::new(),
            calls: BTreeMap::new(),
            tables: dynamodb::Tables::new(),
            catalog: glue::Catalog::new(),
            archived: 0,
            statements: redshift_data::Statements::default(),
            sessions: Vec::new(),
        }
    }
}

impl StandIn {
    /// Listens on `address`; port 0 takes a free one.
    pub async fn start(address: SocketAddr, settings: Settings) -> anyhow::Result<StandIn> {
        let shared = Arc::new(Inner {
            state: Mutex::new(Account::new(settings)),
        });
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let router = router(shared.clone());
        let listener = listener.tap_io(|connection| {
            let _ = connection.set_nodelay(true); // slower without, but not wrong
        });
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await; // ends only with the task
        });
        Ok(StandIn {
            address,
            shared,
            task,
        })
    }

    /// For `AWS_ENDPOINT_URL_DATAZONE` and the like.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A configuration with which every service is called here.
    pub fn aws(&self) -> aws::Aws {
        let key = Credentials::new("AKIDEXAMPLE", "s3cr3t", None, None, "stand-in");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .time_source(SystemTimeSource::new())
            .credentials_provider(SharedCredentialsProvider::new(key))
            .endpoint_url(self.url());
        aws::Aws::from(config.build())
    }

    /// Everything that was posted, repeats included, in order.
    pub fn posts(&self) -> Vec<Post> {
        self.shared.lock().posts.clone()
    }

    /// Answers so far, by operation and status: `GetTable 200`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.shared.lock().calls.clone()
    }

    /// The roles that were assumed so far, each time, in order.
    pub fn sessions(&self) -> Vec<Session> {
        self.shared.lock().sessions.clone()
    }

    /// A table of Glue, as GetTable answers it.
    pub fn table(&self, database: &str, name: &str) -> Option<serde_json::Value> {
        glue::described(&self.shared.lock(), database, name)
    }

    /// Puts a table into Glue, as others would: a `TableInput`.
    pub fn put_table(&self, database: &str, input: serde_json::Map<String, serde_json::Value>) {
        glue::put(&mut self.shared.lock(), database, input);
    }

    /// How many updates of tables kept the old version.
    pub fn archived_tables(&self) -> u64 {
        self.shared.lock().archived
    }

    /// The statements of the Data API so far, in order.
    pub fn statements(&self) -> Vec<String> {
        redshift_data::texts(&self.shared.lock())
    }

    /// Ends the sessions of the Data API, as their time does.
    pub fn end_sessions(&self) {
        redshift_data::end_sessions(&mut self.shared.lock());
    }

    /// Changes settings.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        let mut inside = self.shared.lock();
        change(&mut inside.settings);
        inside.limiter = limiter(inside.settings.rate);
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn limiter(rate: u32) -> Option<Arc<DefaultDirectRateLimiter>> {
    NonZeroU32::new(rate).map(|rate| Arc::new(RateLimiter::direct(Quota::per_second(rate))))
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v2/domains/{domain}", get(domains::get))
        .route(
            "/v2/domains/{domain}/lineage/events",
            post(datazone::post_lineage_event).get(lineage_events::list),
        )
        .route(
            "/v2/domains/{domain}/lineage/events/{id}",
            get(lineage_events::get),
        )
        .route("/", post(by_target))
        .route("/_stand-in/posts", get(posts))
        .route("/_stand-in/calls", get(calls))
        .route("/_stand-in/settings", post(change))
        .route("/_stand-in/reset", post(reset))
        .layer(axum::extract::DefaultBodyLimit::max(64 << 20))
        .with_state(shared)
}

/// The services whose operations are named in a header or in the body.
async fn by_target(state: State<Shared>, headers: HeaderMap, body: String) -> Response {
    let target = headers.get("x-amz-target");
    let target = target.and_then(|value| value.to_str().ok());
    let shared = &state.0;
    if sts::is_assume_role(&body) {
        let response = sts::assume_role(&mut shared.lock(), &body);
        shared.count("AssumeRole", response.status().as_u16());
        return response;
    }
    if let Some(response) = sts::stranger(&shared.lock(), &headers) {
        return response;
    }
    let Some((service, operation)) = target.and_then(|target| target.split_once('.')) else {
        return redshift::look_up(state, headers, body).await;
    };
    let prefix = match service {
        "AWSGlue" => Some("glue"),
        "RedshiftData" => Some("redshift-data"),
        "RedshiftServerless" => Some("redshift-serverless"),
        _ => None,
    };
    let action = prefix.map(|prefix| format!("{prefix}:{operation}"));
    if let Some(action) = action
        && !shared.lock().allows(&action)
    {
        let message = format!("not authorized to perform: {action}");
        let body = Json(json!({"__type": "AccessDeniedException", "message": message}));
        shared.count(operation, StatusCode::BAD_REQUEST.as_u16());
        return (StatusCode::BAD_REQUEST, body).into_response();
    }
    let response = match service {
        "DynamoDB_20120810" => dynamodb::call(&mut shared.lock(), operation, &body),
        "AWSGlue" => glue::call(&mut shared.lock(), operation, &body),
        "Logs_20140328" => logs::call(&mut shared.lock(), operation, &body),
        "RedshiftData" => redshift_data::call(&mut shared.lock(), operation, &body),
        _ => return redshift::look_up(state, headers, body).await,
    };
    shared.count(operation, response.status().as_u16());
    response
}

async fn posts(State(shared): State<Shared>) -> Json<Vec<Post>> {
    Json(shared.lock().posts.clone())
}

async fn calls(State(shared): State<Shared>) -> Json<BTreeMap<String, u64>> {
    Json(shared.lock().calls.clone())
}

/// Any subset of the settings; the others stay.
async fn change(
    State(shared): State<Shared>,
    Json(changes): Json<serde_json::Value>,
) -> Result<(), String> {
    let mut inside = shared.lock();
    let mut merged = serde_json::to_value(&inside.settings).map_err(|error| error.to_string())?;
    if let (Some(merged), Some(changes)) = (merged.as_object_mut(), changes.as_object()) {
        merged.extend(changes.clone());
    }
    inside.settings = serde_json::from_value(merged).map_err(|error| error.to_string())?;
    inside.limiter = limiter(inside.settings.rate);
    Ok(())
}

/// Forgets posts, calls and faults; domain, rate, warehouses and what IAM denies stay.
async fn reset(State(shared): State<Shared>) {
    let mut inside = shared.lock();
    let settings = Settings {
        faults: Vec::new(),
        lookups_denied: false,
        lookups_hang: None,
        lookups_throttled: false,
        age_ms: 0,
        reads_denied: false,
        processing_ms: 0,
        processing_fails: None,
        latency_ms: 0,
        glue_faults: Vec::new(),
        glue_writers: 0,
        redshift_faults: Vec::new(),
        redshift_hangs: None,
        roles: BTreeMap::new(),
        owner: None,
        ..inside.settings.clone()
    };
    *inside = Account::new(settings);
}
