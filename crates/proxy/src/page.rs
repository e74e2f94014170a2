//! The page of `serve`: implements what the page needs of the proxy. Events are in `page/events.rs`, the queue in `page/queue.rs`, the rules in
//! `page/rules.rs`. Mounted by `topology/router.rs`.

mod events;
mod in_force;
mod queue;
mod redrive;
mod rules;
mod texts;

use axum::response::{IntoResponse, Response};
use page::{Answer, Credentials, Denial, Denied, Line, Recorded, Role, UsedKey, Visitor};
use settings::{Format, PointInTime};

use crate::admin::names_this_machine;
use crate::config::KeyRole;
use crate::history::CurrentHistory;
use crate::http::guard::attribute;
use crate::http::{self, Guard, Rejection, Sender};
use crate::queue::now;

pub(crate) use events::ProxyEvents;
pub(crate) use queue::{ProxyQueue, TargetQueue};
pub(crate) use rules::ProxyRules;

/// The proxy, as the page sees it.
pub(crate) struct ProxyLine {
    /// Who may look and operate.
    pub(crate) guard: Guard,
    /// Whether anyone may operate who comes directly: without keys, on an address that only this machine reaches.
    pub(crate) is_private: bool,
    /// What happened to events, if that is recorded.
    pub(crate) history: Option<CurrentHistory>,
}

impl Line for ProxyLine {
    fn now(&self) -> i64 {
        now()
    }

    fn has_keys(&self) -> bool {
        self.guard.has_keys()
    }

    fn admit<'a>(
        &'a self,
        credentials: Credentials<'a>,
        role: Role,
    ) -> Answer<'a, Result<Visitor, Denied>> {
        Box::pin(self.admitted(credentials, role))
    }

    fn history(&self) -> Answer<'_, Recorded> {
        Box::pin(async {
            let Some(history) = &self.history else {
                return Recorded::Never(
                    "there is no history: history.age is 0, the queue is SQS, or this process only accepts events",
                );
            };
            match history.opened().await {
                Some(history) => Recorded::In(history),
                None => Recorded::Unavailable,
            }
        })
    }
}

impl ProxyLine {
    /// Admits who may operate, and to look also those who may only read.
    async fn admitted(&self, credentials: Credentials<'_>, role: Role) -> Result<Visitor, Denied> {
        let visitor = |sender: Option<Sender>, may_operate| Visitor {
            key: sender.map(|Sender(name)| name),
            may_view: true,
            may_operate,
        };
        let denial = match self.admit_key(credentials, KeyRole::Operate).await {
            Ok(sender) => return Ok(visitor(sender, true)),
            Err(_) if self.is_private && is_direct(credentials) => return Ok(visitor(None, true)),
            Err(denial) => denial,
        };
        match (role, &denial.rejection) {
            // The key may operate, and so look, but not now.
            (Role::View | Role::Operate, Rejection::RateLimited { .. }) => Err(denied(denial)),
            (Role::View, _) => {
                let may_read = self.admit_key(credentials, KeyRole::Read).await;
                may_read
                    .map(|sender| visitor(sender, false))
                    .map_err(denied)
            }
            (Role::Operate, _) if self.is_private => Err(denied(Rejection::Forwarded.into())),
            (Role::Operate, _) => Err(denied(denial)),
        }
    }

    async fn admit_key(
        &self,
        credentials: Credentials<'_>,
        role: KeyRole,
    ) -> Result<Option<Sender>, http::Denial> {
        match credentials {
            Credentials::Headers(headers) => self.guard.admit(headers, role).await,
            Credentials::Key(key) => self.guard.admit_hash(key, role).await,
        }
    }
}

/// Whether somebody on this machine sends the request, and no reverse proxy for somebody else. A proxy that neither passes the
/// name on nor adds a header cannot be told from a browser: see docs/operate.md.
fn is_direct(credentials: Credentials<'_>) -> bool {
    match credentials {
        Credentials::Headers(headers) => {
            let is_forwarded = headers.keys().any(|name| {
                let name = name.as_str();
                ["forwarded", "via", "x-real-ip"].contains(&name)
                    || name.starts_with("x-forwarded-")
            });
            !is_forwarded && names_this_machine(headers)
        }
        Credentials::Key(_) => false,
    }
}

/// Counts a request of the page by its key, and notes it for the log.
pub(crate) async fn attributed(mut response: Response) -> Response {
    let key = response.extensions_mut().remove::<UsedKey>();
    attribute(key.map(|UsedKey(name)| Sender(name)), response)
}

/// A time in milliseconds since 1970, in RFC 3339.
fn time_text(at: i64) -> String {
    PointInTime::show(&PointInTime::At(at))
}

fn denied(denial: http::Denial) -> Denied {
    let reason = match &denial.rejection {
        Rejection::MissingKey | Rejection::UnknownKey(_) => Denial::NoKey,
        Rejection::MissingRole { .. } => Denial::NoRole,
        Rejection::Forwarded => Denial::Forwarded,
        Rejection::RateLimited { .. } => Denial::TooMany,
        Rejection::TooLarge(_)
        | Rejection::Unsupported(_)
        | Rejection::Unreadable(_)
        | Rejection::BadRequest(_)
        | Rejection::InvalidEvent { .. }
        | Rejection::NotFound(_)
        | Rejection::MethodNotAllowed
        | Rejection::InvalidQuery(_)
        | Rejection::Misdirected(_)
        | Rejection::Unavailable(_)
        | Rejection::NoHistory
        | Rejection::NotReady(_) => Denial::Unavailable,
    };
    Denied {
        reason,
        key: denial.sender.map(|Sender(name)| name),
        response: denial.rejection.into_response(),
    }
}
