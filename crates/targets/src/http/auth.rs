//! How requests are authenticated. The credential is read again from time to time and after it was rejected, so that a new
//! one takes effect without a restart. Nothing that is kept of a response contains the credential in use.

mod session;

use std::sync::Arc;
use std::time::Duration;

use aws::{Aws, Signer};
use reqwest::Client;
use reqwest::header::HeaderName;
use settings::SecretText;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use super::token::{Grant, TokenEndpoint};
use crate::response::{ResponseDetail, words};
use crate::secret::{Credential, SecretError, SecretSource};
use crate::{Failure, OpenError, Reason, Scope};

pub(crate) use session::Session;

/// When a credential is read again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RereadPolicy {
    /// How often, if it may have changed.
    pub(crate) every: Duration,
    /// The least time between two reads after rejections, so that a target that rejects every request causes few reads.
    pub(crate) after_rejection: Duration,
}

/// Soon enough for a rotated secret, and rarely enough that Secrets Manager costs next to nothing.
pub(crate) const REREADS: RereadPolicy = RereadPolicy {
    every: Duration::from_secs(300),
    after_rejection: Duration::from_secs(10),
};

/// How long before its end a token is replaced.
const EARLY: Duration = Duration::from_secs(120);

/// After how long a failed read is repeated while the old credential may still be valid.
const RETRY: Duration = Duration::from_secs(30);

/// How a credential becomes part of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    /// `Authorization: Bearer`, if there is a credential.
    Bearer,
    /// A header of its own.
    Header(HeaderName),
    /// `Authorization: Basic` with this user name; the credential is the password.
    Basic { username: String },
    /// A parameter of the query.
    Query { name: String },
    /// `Authorization: Bearer` with a token that the credential is exchanged for.
    Token(TokenEndpoint),
    /// A signature with the AWS credentials of the process.
    SigV4 {
        service: String,
        region: Option<String>,
    },
}

/// The credential of a target, and how it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthConfig {
    pub(crate) method: Method,
    /// The setting that names the credential, and where that is.
    pub(crate) secret: Option<(&'static str, SecretSource)>,
}

impl AuthConfig {
    /// Reads the credential, if there is one.
    pub(crate) async fn credential(&self, aws: &Aws) -> Result<Option<Credential>, OpenError> {
        match &self.secret {
            Some((setting, source)) => source.read_first(aws, setting).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Authenticates requests. Clones share the credential.
#[derive(Clone)]
pub(crate) struct Authenticator {
    shared: Arc<Shared>,
}

struct Shared {
    config: AuthConfig,
    aws: Aws,
    /// Requests tokens.
    client: Client,
    response: ResponseDetail,
    /// The credentials that are part of the URL.
    of_url: Vec<String>,
    rereads: RereadPolicy,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    /// Why the last read failed, and until when there is no other: each event would wait for the same failure.
    failed: Option<(Failure, Instant)>,
}

struct Current {
    session: Arc<Session>,
    read_at: Instant,
    /// When it is read again.
    due: Option<Instant>,
    /// Until when it is valid.
    expires: Option<Instant>,
}

impl Method {
    /// Whether tokens come from a server beside this machine, which no proxy may stand in for.
    pub(crate) fn asks_this_machine(&self) -> bool {
        match self {
            Method::Token(endpoint) => endpoint.grant == Grant::GoogleMetadata,
            Method::Bearer
            | Method::Header(_)
            | Method::Basic { .. }
            | Method::Query { .. }
            | Method::SigV4 { .. } => false,
        }
    }
}

impl AuthConfig {
    /// Whether requests carry a credential.
    pub(crate) fn has_credential(&self) -> bool {
        let is_made = matches!(self.method, Method::SigV4 { .. } | Method::Token(_));
        is_made || self.secret.is_some()
    }
}

impl Authenticator {
    pub(crate) fn new(
        config: AuthConfig,
        client: Client,
        aws: &Aws,
        response: ResponseDetail,
        of_url: Vec<String>,
        rereads: RereadPolicy,
    ) -> Authenticator {
        Authenticator {
            shared: Arc::new(Shared {
                config,
                aws: aws.clone(),
                client,
                response,
                of_url,
                rereads,
                state: Mutex::default(),
            }),
        }
    }

    /// Checks what is known of the credential without reading it.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        if let Some((setting, SecretSource::Text(text))) = &self.shared.config.secret {
            let session = self.shared.session(text, None);
            session.map_err(|message| invalid(setting, message))?;
        }
        Ok(())
    }

    /// Starts with a credential that was read. A token is requested with the first event: its endpoint may be unavailable now.
    pub(crate) async fn open(&self, credential: &Credential) -> Result<(), OpenError> {
        let shared = &self.shared;
        let Some((setting, _)) = &shared.config.secret else {
            return Ok(());
        };
        if !shared.is_token() {
            let session = shared.session(&credential.0, None);
            let session = session.map_err(|message| invalid(setting, message))?;
            shared.state.lock().await.current = Some(shared.current_of(session, None));
        }
        Ok(())
    }

    /// What requests are authenticated with now.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, Failure> {
        let shared = &self.shared;
        let mut state = shared.state.lock().await;
        let now = Instant::now();
        if let Some(kept) = &mut state.current {
            if kept.due.is_none_or(|due| now < due) {
                return Ok(kept.session.clone());
            }
            if kept.expires.is_none_or(|end| now < end) {
                // The other events use the old one meanwhile, and wait for nothing.
                let again = now + RETRY;
                kept.due = Some(kept.expires.map_or(again, |end| again.min(end)));
                let old = kept.session.clone();
                drop(state);
                return Ok(shared.refresh(old).await);
            }
        }
        if let Some((failure, until)) = &state.failed
            && now < *until
        {
            return Err(failure.clone());
        }
        match shared.read().await {
            Ok(read) => Ok(state.keep(read)),
            Err(failure) => {
                let until = Instant::now() + shared.rereads.after_rejection;
                state.failed = Some((failure.clone(), until));
                Err(failure)
            }
        }
    }

    /// Reads the credential again because the target rejected it. Returns what to try now, if it is another one.
    pub(crate) async fn renew(&self, rejected: &Arc<Session>) -> Option<Arc<Session>> {
        let shared = &self.shared;
        let mut state = shared.state.lock().await;
        let kept = state.current.as_mut()?;
        if !Arc::ptr_eq(&kept.session, rejected) {
            return Some(kept.session.clone()); // another event was faster
        }
        let now = Instant::now();
        if !shared.can_change() || now.duration_since(kept.read_at) < shared.rereads.after_rejection
        {
            return None;
        }
        kept.read_at = now;
        match shared.read().await {
            Ok(read) => {
                let is_new = read.session.credential != rejected.credential;
                let session = state.keep(read);
                if is_new {
                    info!("credential was rejected and has changed; using the new one");
                }
                is_new.then_some(session)
            }
            Err(failure) => {
                warn!(error = %failure.message, "credential was rejected and could not be read again");
                None
            }
        }
    }
}

impl State {
    fn keep(&mut self, read: Current) -> Arc<Session> {
        let session = read.session.clone();
        self.current = Some(read);
        self.failed = None;
        session
    }
}

impl Shared {
    /// Reads the credential again while the old one is valid. Returns the old one if that fails.
    async fn refresh(&self, old: Arc<Session>) -> Arc<Session> {
        let read = match self.read().await {
            Ok(read) => read,
            Err(failure) => {
                warn!(error = %failure.message, "failed to read credential again; using the old one");
                return old;
            }
        };
        let mut state = self.state.lock().await;
        match &state.current {
            // Replaced after a rejection: what was read here may be older.
            Some(kept) if !Arc::ptr_eq(&kept.session, &old) => kept.session.clone(),
            Some(_) | None => state.keep(read),
        }
    }

    /// Whether a token or a signature is sent instead of the credential, which expires.
    fn is_token(&self) -> bool {
        match self.config.method {
            Method::Token(_) | Method::SigV4 { .. } => true,
            Method::Bearer | Method::Header(_) | Method::Basic { .. } | Method::Query { .. } => {
                false
            }
        }
    }

    /// Whether another read can return something else.
    fn can_change(&self) -> bool {
        let secret = self.config.secret.as_ref();
        self.is_token() || secret.is_some_and(|(_, source)| source.can_change())
    }

    async fn read(&self) -> Result<Current, Failure> {
        let secret = match &self.config.secret {
            Some((_, source)) => source.read(&self.aws).await.map_err(unread)?,
            None => SecretText::new(String::new()),
        };
        let permission =
            |message: String| Failure::new(Reason::Permission, Scope::Target, &message);
        match &self.config.method {
            Method::Token(endpoint) => {
                let token = endpoint.token(&self.client, &secret).await?;
                let masked = SecretText::new(endpoint.masked(&secret));
                let session = self
                    .session(&token.text, Some(&masked))
                    .map_err(permission)?;
                Ok(self.current_of(session, Some(token.lifetime)))
            }
            Method::SigV4 { service, region } => {
                let signer = Signer::new(&self.aws, service, region.as_deref()).await;
                let signer = signer.map_err(|error| {
                    let reason = match error.may_pass() {
                        true => Reason::Unavailable,
                        false => Reason::Permission,
                    };
                    Failure::new(reason, Scope::Target, &words(&error.to_string()))
                })?;
                let lifetime = signer.lifetime();
                let secrets: Vec<&str> = signer.secrets().collect();
                let session = Session {
                    header: None,
                    query: None,
                    filter: self.filter(&secrets),
                    credential: Some(SecretText::new(secrets.concat())),
                    signer: Some(signer.clone()),
                };
                Ok(self.current_of(session, lifetime))
            }
            Method::Bearer | Method::Header(_) | Method::Basic { .. } | Method::Query { .. } => {
                let session = self.session(&secret, None).map_err(permission)?;
                Ok(self.current_of(session, None))
            }
        }
    }

    fn current_of(&self, session: Session, lifetime: Option<Duration>) -> Current {
        let now = Instant::now();
        let due = match lifetime {
            Some(lifetime) => Some(lifetime.saturating_sub(EARLY).max(lifetime / 2)),
            None => self.can_change().then_some(self.rereads.every),
        };
        Current {
            session: Arc::new(session),
            read_at: now,
            due: due.and_then(|due| now.checked_add(due)),
            expires: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
        }
    }
}

fn invalid(setting: &'static str, message: String) -> OpenError {
    OpenError::Invalid { setting, message }
}

fn unread(error: SecretError) -> Failure {
    let reason = match error.is_transient {
        true => Reason::Unavailable,
        false => Reason::Permission,
    };
    let message = format!("credential: {}", error.message);
    Failure::new(reason, Scope::Target, &message)
}
