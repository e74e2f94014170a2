//! `Idempotency-Key`: a client that may send an event again says who the event is, and it is queued once.
//!
//! The header is that of <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07>: a text in
//! quotes, which clients often leave out. Here it has to be a UUID, so that a text that a client sends with each event, such as
//! its own name, is an error and does not swallow all events but the first. What one sender names is nothing to another: no
//! key can keep out the events of a second one.

use axum::extract::Request;
use sources::Identity;
use uuid::Uuid;

use crate::http::{Rejection, Sender};

const HEADER: &str = "idempotency-key";

const EXPECTED: &str = "Idempotency-Key: expected one UUID, another one for each event";

/// Returns the identity that a request gives its event, if it gives one.
pub(super) fn identity(request: &Request) -> Result<Option<Uuid>, Rejection> {
    let mut values = request.headers().get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let refused = || Rejection::BadRequest(EXPECTED);
    if values.next().is_some() {
        return Err(refused());
    }
    let text = value.to_str().map_err(|_| refused())?.trim();
    let inside = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let key = Uuid::try_parse(inside.unwrap_or(text)).map_err(|_| refused())?;
    let key = key.to_string();
    let identity = match request.extensions().get::<Sender>() {
        Some(Sender(name)) => Identity::of(&["idempotency-key", "sender", name, &key]),
        None => Identity::of(&["idempotency-key", "anonymous", &key]),
    };
    Ok(Some(identity.uuid()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    const KEY: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";

    fn of(values: &[&str], sender: Option<&str>) -> Result<Option<Uuid>, Rejection> {
        let mut request = Request::builder();
        for value in values {
            request = request.header(HEADER, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        if let Some(sender) = sender {
            request.extensions_mut().insert(Sender(sender.into()));
        }
        identity(&request)
    }

    #[test]
    fn a_key_is_one_uuid_with_or_without_quotes() {
        let plain = of(&[KEY], None).unwrap();
        assert!(plain.is_some());
        let quoted = format!("\"{}\"", KEY.to_uppercase());
        assert_eq!(of(&[&quoted], None).unwrap(), plain);
        assert_eq!(of(&[], None).unwrap(), None);
        for wrong in [&["my client"][..], &[""], &[KEY, KEY], &["\u{e9}"]] {
            assert!(of(wrong, None).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_of_one_sender_is_not_that_of_another() {
        let senders = [None, Some(""), Some("etl"), Some("airflow")];
        let identities = senders.map(|sender| of(&[KEY], sender).unwrap().unwrap());
        let different: std::collections::BTreeSet<Uuid> = identities.into_iter().collect();
        assert_eq!(different.len(), senders.len());
    }
}
