//! A metadata service of DataHub that keeps what it is told, and is strict about the protocol.
//!
//! It follows `AspectResource.java`, the templates of patches, and the models of <https://github.com/datahub-project/datahub>:
//! a proposal that the real service would not understand is answered with 400 and listed in [`FakeGms::violations`]. Elements
//! of patched arrays are kept by their path, as the templates do while they apply a patch.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::StatusCode;
use axum::http::request::Parts;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// An aspect, as it was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AspectWrites {
    /// The last value that replaced it.
    pub upsert: Option<Value>,
    /// What patches added, by path.
    pub patched: BTreeMap<String, Value>,
    /// How often it was written.
    pub times: u32,
}

/// What was written, by the URN of the entity and the name of the aspect.
pub type Aspects = BTreeMap<(String, String), AspectWrites>;

/// A metadata service.
pub struct FakeGms {
    /// Where it listens, without a path.
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    token: Option<String>,
    aspects: Aspects,
    /// Events of the time series, by what identifies one: entity, time and message id.
    run_events: BTreeMap<(String, u64, String), Value>,
    violations: Vec<String>,
    calls: Vec<usize>,
    answer: Option<Answer>,
}

/// Decides the status of a call, instead of 200, by its body.
type Answer = Box<dyn Fn(&str) -> Option<u16> + Send>;

/// The aspects of each entity that the proxy may write (`entity-registry.yml`).
const ENTITIES: [(&str, &[&str]); 4] = [
    (
        "dataset",
        &[
            "status",
            "dataPlatformInstance",
            "datasetProperties",
            "schemaMetadata",
            "upstreamLineage",
            "ownership",
            "globalTags",
        ],
    ),
    (
        "dataFlow",
        &[
            "dataFlowInfo",
            "status",
            "dataPlatformInstance",
            "ownership",
            "globalTags",
        ],
    ),
    (
        "dataJob",
        &[
            "dataJobInfo",
            "dataJobInputOutput",
            "status",
            "dataPlatformInstance",
            "ownership",
            "globalTags",
        ],
    ),
    (
        "dataProcessInstance",
        &[
            "dataProcessInstanceProperties",
            "dataProcessInstanceRelationships",
            "dataProcessInstanceInput",
            "dataProcessInstanceOutput",
            "dataProcessInstanceRunEvent",
        ],
    ),
];

/// The only aspect that is a time series.
const RUN_EVENT: &str = "dataProcessInstanceRunEvent";

impl FakeGms {
    /// Starts a service that anyone may write to.
    pub async fn start() -> FakeGms {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        let handle = async move |request: axum::extract::Request| {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let body = String::from_utf8_lossy(&body);
            let (status, answer) = shared.lock().unwrap().call(&parts, &body);
            (StatusCode::from_u16(status).unwrap(), answer.to_string())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .fallback(handle)
            .layer(axum::extract::DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        FakeGms { url, state }
    }

    /// Requires this token from now on.
    pub fn require(&self, token: &str) {
        self.lock().token = Some(token.to_owned());
    }

    /// Answers calls with the status that a function chooses by the body, and as usual where it chooses none.
    pub fn answer(&self, answer: impl Fn(&str) -> Option<u16> + Send + 'static) {
        self.lock().answer = Some(Box::new(answer));
    }

    /// Returns what was written.
    pub fn aspects(&self) -> Aspects {
        self.lock().aspects.clone()
    }

    /// Returns an aspect of an entity; an empty one if it was never written.
    pub fn aspect(&self, urn: &str, aspect: &str) -> AspectWrites {
        let key = (urn.to_owned(), aspect.to_owned());
        self.lock().aspects.get(&key).cloned().unwrap_or_default()
    }

    /// Returns the events of runs, in the order of their run and time.
    pub fn run_events(&self) -> Vec<Value> {
        self.lock().run_events.values().cloned().collect()
    }

    /// Returns what was wrong with calls.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// Returns the number of proposals of each call that was accepted.
    pub fn calls(&self) -> Vec<usize> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl fmt::Debug for FakeGms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeGms")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl State {
    fn call(&mut self, parts: &Parts, body: &str) -> (u16, Value) {
        let error = |status: u16, message: &str| {
            let exception = "com.linkedin.restli.server.RestLiServiceException";
            (
                status,
                json!({"exceptionClass": exception, "message": message, "status": status}),
            )
        };
        if let Some(token) = &self.token {
            let header = parts.headers.get("authorization");
            if header.and_then(|value| value.to_str().ok()) != Some(&format!("Bearer {token}")) {
                return error(401, "Unauthorized");
            }
        }
        if let Some(status) = self.answer.as_ref().and_then(|answer| answer(body)) {
            return error(status, body); // it echoes what it was sent
        }
        match proposals(parts, body) {
            Ok(proposals) => {
                self.calls.push(proposals.len());
                proposals
                    .into_iter()
                    .for_each(|proposal| self.write(proposal));
                (200, json!({"value": "success"}))
            }
            Err(violation) => {
                self.violations.push(violation.clone());
                error(400, &violation)
            }
        }
    }

    fn write(&mut self, proposal: Proposal) {
        if proposal.aspect == RUN_EVENT {
            let time = proposal.value["timestampMillis"].as_u64().unwrap();
            let message_id = proposal.value["messageId"].as_str().unwrap_or_default();
            let key = (proposal.urn, time, message_id.to_owned());
            self.run_events.insert(key, proposal.value);
            return;
        }
        let written = self
            .aspects
            .entry((proposal.urn, proposal.aspect))
            .or_default();
        written.times += 1;
        if !proposal.is_patch {
            written.upsert = Some(proposal.value);
            return;
        }
        let keyed = proposal.value["patch"].as_array();
        for operation in keyed.or(proposal.value.as_array()).unwrap() {
            let path = operation["path"].as_str().unwrap().to_owned();
            match operation["op"].as_str().unwrap() {
                "add" => written.patched.insert(path, operation["value"].clone()),
                _ => written.patched.remove(&path),
            };
        }
    }
}

/// A proposal that was understood.
struct Proposal {
    urn: String,
    aspect: String,
    is_patch: bool,
    value: Value,
}

/// Reads the proposals of a call, or says what is wrong with it.
fn proposals(parts: &Parts, body: &str) -> Result<Vec<Proposal>, String> {
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    ensure(parts.method == "POST", "the method")?;
    ensure(parts.uri.path() == "/aspects", "the path")?;
    ensure(
        parts.uri.query() == Some("action=ingestProposalBatch"),
        "the action",
    )?;
    ensure(
        header("x-restli-protocol-version") == Some("2.0.0"),
        "the protocol",
    )?;
    ensure(
        header("content-type") == Some("application/json"),
        "the content type",
    )?;
    ensure(body.len() <= 16_000_000, "the size")?;
    let body: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let members: BTreeSet<&str> = body
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    ensure(
        members == ["async", "proposals"].into(),
        "the members of the call",
    )?;
    ensure(body["async"] == "false", "async")?;
    let proposals = body["proposals"].as_array().ok_or("the proposals")?;
    ensure(
        (1..=200).contains(&proposals.len()),
        "the number of proposals",
    )?;
    let read: Vec<Proposal> = proposals.iter().map(proposal).collect::<Result<_, _>>()?;
    let aspects: BTreeSet<(&str, &str)> = (read.iter())
        .filter(|proposal| proposal.aspect != RUN_EVENT)
        .map(|proposal| (&*proposal.urn, &*proposal.aspect))
        .collect();
    let others = read.iter().filter(|proposal| proposal.aspect == RUN_EVENT);
    ensure(
        aspects.len() + others.count() == read.len(),
        "an aspect twice",
    )?;
    Ok(read)
}

fn proposal(json: &Value) -> Result<Proposal, String> {
    let text = |value: &Value, name: &str| -> Result<String, String> {
        let text = value[name].as_str();
        text.map(str::to_owned)
            .ok_or(format!("no text {name} in {json}"))
    };
    let (entity, urn) = (text(json, "entityType")?, text(json, "entityUrn")?);
    let aspect = text(json, "aspectName")?;
    let aspects = ENTITIES.iter().find(|(name, _)| *name == entity);
    let (_, aspects) = aspects.ok_or(format!("the entity {entity}"))?;
    ensure(
        aspects.contains(&&*aspect),
        &format!("{aspect} of {entity}"),
    )?;
    ensure(urn.starts_with(&format!("urn:li:{entity}:")), &urn)?;
    let value = text(&json["aspect"], "value")?;
    ensure(value.is_ascii(), "bytes that are no ASCII")?;
    let value: Value = serde_json::from_str(&value).map_err(|error| error.to_string())?;
    let content_type = text(&json["aspect"], "contentType")?;
    let is_patch = match (text(json, "changeType")?.as_str(), content_type.as_str()) {
        ("UPSERT", "application/json") => false,
        ("PATCH", "application/json-patch+json") => true,
        (change, content_type) => return Err(format!("{change} with {content_type}")),
    };
    if is_patch {
        let keyed = ["ownership", "globalTags"].contains(&aspect.as_str());
        let operations = if keyed { &value["patch"] } else { &value };
        ensure(
            keyed == value["arrayPrimaryKeys"].is_object(),
            "the keys of arrays",
        )?;
        for operation in operations.as_array().ok_or("no operations")? {
            ensure(
                operation["op"] == "add" || operation["op"] == "remove",
                "an operation",
            )?;
            let path = text(operation, "path")?;
            ensure(path.starts_with('/'), "a path")?;
            // `TemplateUtil.java` creates the objects above the last part of a path, which it splits with Java's `split`: parts
            // at the end that are empty are dropped. The patch then fails, because the object above its last part is missing.
            let is_created = operation["op"] == "remove" || !path.ends_with('/');
            ensure(is_created, "the path of a patch ends with an empty part")?;
            let keys = path
                .split('/')
                .nth(1)
                .and_then(|array| value["arrayPrimaryKeys"][array].as_array());
            let parts = path.split('/').count() - 2; // before and after the name of the array
            ensure(
                keys.is_none_or(|keys| keys.len() == parts),
                "a path that does not have the keys of its array",
            )?;
        }
    }
    Ok(Proposal {
        urn,
        aspect,
        is_patch,
        value,
    })
}

fn ensure(is_right: bool, what: &str) -> Result<(), String> {
    is_right.then_some(()).ok_or(format!("wrong: {what}"))
}
