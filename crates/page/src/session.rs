//! Sessions: whoever has logged in with a key is known by a cookie from then on.
//!
//! A session is in memory, by the SHA-256 of its id, with the SHA-256 of its key. The key is looked up again for each request,
//! so a key that is withdrawn, or loses a role, ends or limits its sessions at once. A login ends the session before it.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// How long a session lasts, whether it is used or not: a working day. Its cookie lasts as long.
const LIFE: Duration = Duration::from_secs(12 * 3_600);

/// The most sessions: one more ends that which was used longest ago.
const MOST: usize = 1_000;

/// How many wrong keys are noted in a second, by all together. A key has 95 bits or more, so that this is not what protects it; and
/// a right one is always taken, so that nobody locks others out.
const FAILURES: usize = 5;
const FAILURES_IN: Duration = Duration::from_secs(1);

/// The name of the cookie. Cookies do not tell ports apart, so two proxies on one host have each their own.
const COOKIE: &str = "lineage_session";

/// The SHA-256 of a key or of the id of a session.
type Hash = [u8; 32];

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<Hash, Session>>,
    failures: Mutex<VecDeque<Instant>>,
}

#[derive(Debug)]
struct Session {
    key: Hash,
    opened_at: Instant,
    used_at: Instant,
}

impl Session {
    fn has_ended(&self, now: Instant) -> bool {
        now.duration_since(self.opened_at) >= LIFE
    }
}

impl Sessions {
    /// Counts a wrong key. Whether there are too many now.
    pub(crate) fn has_too_many_failures(&self, now: Instant) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |at: &Instant| now.duration_since(*at) >= FAILURES_IN;
        while failures.front().is_some_and(is_old) {
            failures.pop_front();
        }
        let too_many = failures.len() >= FAILURES;
        if !too_many {
            failures.push_back(now);
        }
        too_many
    }

    /// Opens a session for the key of this hash. Returns its id, unless the system has no random bytes.
    pub(crate) fn open(&self, key: Hash, now: Instant) -> Option<String> {
        let mut id = [0; 32];
        getrandom::fill(&mut id).ok()?;
        let id = hex::encode(id);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| !session.has_ended(now));
        if open.len() >= MOST {
            let oldest = open.iter().min_by_key(|(_, session)| session.used_at);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                open.remove(&oldest);
            }
        }
        let session = Session {
            key,
            opened_at: now,
            used_at: now,
        };
        open.insert(hash(&id), session);
        Some(id)
    }

    /// Returns the hash of the key of the session that a request belongs to.
    pub(crate) fn key(&self, headers: &HeaderMap, now: Instant) -> Option<Hash> {
        let id = hash(&id_of(headers)?);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get_mut(&id)?;
        if session.has_ended(now) {
            open.remove(&id);
            return None;
        }
        session.used_at = now;
        Some(session.key)
    }

    /// Ends the session that a request belongs to.
    pub(crate) fn close(&self, headers: &HeaderMap) {
        if let Some(id) = id_of(headers) {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.remove(&hash(&id));
        }
    }
}

/// Returns the cookie of a session.
pub(crate) fn cookie(headers: &HeaderMap, prefix: &str, id: &str) -> Option<HeaderValue> {
    set_cookie(headers, prefix, &format!("{}={id}", name(headers)), LIFE)
}

/// Returns the cookie that removes that of a session.
pub(crate) fn no_cookie(headers: &HeaderMap, prefix: &str) -> Option<HeaderValue> {
    set_cookie(
        headers,
        prefix,
        &format!("{}=", name(headers)),
        Duration::ZERO,
    )
}

/// Returns a cookie that only this site gets, and no script. It comes with a link from another site, so that a link into the page
/// opens it; but not with a form of one, and only forms change something.
pub(crate) fn set_cookie(
    headers: &HeaderMap,
    prefix: &str,
    cookie: &str,
    age: Duration,
) -> Option<HeaderValue> {
    let secure = if is_behind_tls(headers) {
        "; Secure"
    } else {
        ""
    };
    let age = age.as_secs();
    let text = format!("{cookie}; Path={prefix}/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).ok()
}

/// Returns the value of a cookie.
pub(crate) fn cookie_of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok());
    let mut cookies = cookies.flat_map(|value| value.split(';'));
    cookies.find_map(|cookie| {
        let (found, value) = cookie.trim().split_once('=')?;
        (found == name).then_some(value)
    })
}

fn id_of(headers: &HeaderMap) -> Option<String> {
    cookie_of(headers, &name(headers)).map(str::to_owned)
}

/// Returns the name of the cookie under the port by which the browser knows this site.
fn name(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let port = host.and_then(|host| host.rsplit_once(':')?.1.parse::<u16>().ok());
    port.map_or_else(|| COOKIE.to_owned(), |port| format!("{COOKIE}_{port}"))
}

/// Whether the browser came by TLS, as the proxy in front says. If that is not true, the browser drops the cookie, and nothing
/// else happens.
pub(crate) fn is_behind_tls(headers: &HeaderMap) -> bool {
    let says = |name: &str, text: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.to_ascii_lowercase().contains(text))
    };
    says("x-forwarded-proto", "https") || says("forwarded", "proto=https")
}

/// The SHA-256 of a key or an id.
pub(crate) fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = header::HeaderName::from_static(name);
            (name, value.parse().unwrap())
        });
        pairs.collect()
    }

    fn with(id: &str) -> HeaderMap {
        headers(&[("cookie", &format!("a=b; {COOKIE}={id}; c=d"))])
    }

    #[test]
    fn a_session_is_known_by_its_cookie_until_it_is_closed() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let id = sessions.open([7; 32], now).unwrap();
        assert_eq!(id.len(), 64);
        assert_eq!(sessions.key(&with(&id), now), Some([7; 32]));
        let other = sessions.open([8; 32], now).unwrap();
        sessions.close(&with(&id));
        assert_eq!(sessions.key(&with(&id), now), None);
        assert_eq!(sessions.key(&with(&other), now), Some([8; 32]));
        assert_eq!(sessions.key(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_session_ends_with_its_cookie_even_if_it_is_used_all_the_time() {
        let (sessions, begin) = (Sessions::default(), Instant::now());
        let id = sessions.open([7; 32], begin).unwrap();
        let minute = Duration::from_secs(60);
        let lasted =
            (0..=24 * 60).find(|n| sessions.key(&with(&id), begin + minute * *n).is_none());
        assert_eq!(lasted, Some(12 * 60));
    }

    #[test]
    fn one_session_too_many_ends_the_one_that_was_used_longest_ago() {
        let (sessions, begin) = (Sessions::default(), Instant::now());
        let at = |n: usize| begin + Duration::from_millis(n as u64);
        let ids: Vec<String> = (0..=MOST)
            .map(|n| sessions.open([7; 32], at(n)).unwrap())
            .collect();
        assert!(sessions.key(&with(&ids[0]), at(MOST)).is_none());
        assert!(sessions.key(&with(&ids[1]), at(MOST)).is_some());
        assert_eq!(sessions.open.lock().unwrap().len(), MOST);
    }

    #[test]
    fn five_wrong_keys_are_noted_in_a_second() {
        let (sessions, begin) = (Sessions::default(), Instant::now());
        let noted = |ms| {
            let now = begin + Duration::from_millis(ms);
            (0..20)
                .filter(|_| !sessions.has_too_many_failures(now))
                .count()
        };
        assert_eq!([0, 999, 1_000, 1_500].map(noted), [5, 0, 5, 0]);
    }

    #[test]
    fn a_cookie_is_for_this_site_alone_and_secure_behind_tls() {
        let plain = headers(&[("host", "localhost:5000")]);
        let cookie = |headers: &HeaderMap| {
            let cookie = super::cookie(headers, "/lineage", "x").unwrap();
            cookie.to_str().unwrap().to_owned()
        };
        assert_eq!(
            cookie(&plain),
            "lineage_session_5000=x; Path=/lineage/; Max-Age=43200; HttpOnly; SameSite=Lax"
        );
        for secure in [
            headers(&[("x-forwarded-proto", "https"), ("host", "a.example")]),
            headers(&[("forwarded", "for=1.2.3.4;proto=https")]),
        ] {
            assert!(cookie(&secure).ends_with("SameSite=Lax; Secure"));
            assert!(cookie(&secure).starts_with("lineage_session=x"));
        }
    }
}
