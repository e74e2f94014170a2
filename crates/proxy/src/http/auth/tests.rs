//! Keys as clients present them.

use axum::response::IntoResponse;

use super::*;

const KEY: &str = "0123456789abcdef";

fn key(name: &str, text: &str, roles: &[KeyRole]) -> Key {
    Key {
        name: name.into(),
        hash: config::hash(text).unwrap(),
        roles: roles.iter().copied().collect(),
        limit: None,
    }
}

fn keys(keys: Vec<Key>, anonymous: bool) -> Keys {
    let auth = config::Auth {
        keys,
        anonymous,
        ..Default::default()
    };
    Keys::new(&auth, &Aws::new())
}

fn bearers(keys: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for key in keys {
        let value = format!("Bearer {key}");
        headers.append(header::AUTHORIZATION, value.parse().unwrap());
    }
    headers
}

/// Whose request is admitted, or the status it is rejected with.
async fn admitted(keys: &Keys, presented: &[&str], role: KeyRole) -> String {
    match keys.admit(&bearers(presented), role).await {
        Ok(Some(Sender(name))) => name.to_string(),
        Ok(None) => "anyone".to_owned(),
        Err(Denial {
            rejection: Rejection::MissingKey,
            ..
        }) => "401".to_owned(),
        Err(Denial {
            rejection: rejection @ (Rejection::UnknownKey(_) | Rejection::MissingRole { .. }),
            ..
        }) => format!("403 {rejection}"),
        Err(Denial { rejection, .. }) => format!("{rejection:?}"),
    }
}

#[tokio::test]
async fn one_good_key_among_several_headers_is_enough() {
    let keys = keys(vec![key("etl", KEY, &[KeyRole::Send])], false);
    assert_eq!(admitted(&keys, &[], KeyRole::Send).await, "401");
    assert_eq!(
        admitted(&keys, &["wrong"], KeyRole::Send).await,
        "403 the key is not known"
    );
    assert_eq!(admitted(&keys, &["wrong", KEY], KeyRole::Send).await, "etl");
    let mut headers = HeaderMap::new();
    headers.insert(
        header::AUTHORIZATION,
        format!("bearer  {KEY}").parse().unwrap(),
    );
    assert!(keys.admit(&headers, KeyRole::Send).await.is_ok());
}

#[tokio::test]
async fn headers_that_a_gateway_joined_are_several_keys_and_a_key_with_commas_is_one() {
    let odd = "0123456789,abc, def,bearer";
    let entries = vec![
        key("etl", KEY, &[KeyRole::Send]),
        key("odd", odd, &[KeyRole::Send]),
    ];
    let keys = keys(entries, false);
    let admitted = async |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        match keys.admit(&headers, KeyRole::Send).await {
            Ok(sender) => sender.map(|Sender(name)| name.to_string()),
            Err(_) => None,
        }
    };
    let etl = Some("etl".to_owned());
    assert_eq!(admitted(&format!("Bearer {KEY},Bearer {KEY}")).await, etl);
    assert_eq!(admitted(&format!("Bearer wrong, bearer {KEY}")).await, etl);
    assert_eq!(admitted(&format!("Basic dTpw,Bearer {KEY}")).await, etl);
    assert_eq!(admitted(&format!("Bearer {KEY} , Basic dTpw")).await, None);
    assert_eq!(admitted(&format!("Bearer {KEY},{KEY}")).await, None);
    let of_odd = Some("odd".to_owned());
    assert_eq!(admitted(&format!("Bearer {odd}")).await, of_odd);
    assert_eq!(
        admitted(&format!("Bearer x,Bearer {odd},Bearer y")).await,
        of_odd
    );
    // A stranger chooses how long a header is, and not how much is hashed.
    let mut headers = HeaderMap::new();
    let many = "Bearer x,".repeat(500);
    headers.insert(header::AUTHORIZATION, many.parse().unwrap());
    headers.append(header::AUTHORIZATION, many.parse().unwrap());
    assert_eq!(presented(&headers).len(), MAX_PRESENTED);
}

#[tokio::test]
async fn each_role_opens_its_own_routes_and_no_other() {
    use KeyRole::{Metrics, Operate, Read, Send};
    let all = [("s", Send), ("r", Read), ("m", Metrics), ("o", Operate)];
    let text = |name: &str| format!("{KEY}{name}");
    let some = all
        .map(|(name, role)| key(name, &text(name), &[role]))
        .to_vec();
    let keys = keys(some, false);
    for (name, has) in all {
        for role in [Send, Read, Metrics, Operate] {
            let good = has == role || (has, role) == (Read, Metrics);
            let expected = match good {
                true => name.to_owned(),
                false => format!("403 the key {name} does not have the role {}", role.name()),
            };
            assert_eq!(admitted(&keys, &[&text(name)], role).await, expected);
        }
    }
    // Of two keys, the one that may counts, in whatever order.
    assert_eq!(admitted(&keys, &[&text("s"), &text("r")], Read).await, "r");
    assert_eq!(admitted(&keys, &[&text("r"), &text("s")], Read).await, "r");
}

#[tokio::test]
async fn a_key_with_a_limit_is_rejected_above_it_by_its_name_and_no_other_key_is() {
    let limited = Key {
        limit: config::RateLimit::new(2),
        ..key("etl", KEY, &[KeyRole::Send])
    };
    let other = "fedcba9876543210";
    let entries = vec![limited, key("dbt", other, &[KeyRole::Send])];
    let keys = keys(entries, false);
    let admit = async |text: &str| keys.admit(&bearers(&[text]), KeyRole::Send).await;
    for _ in 0..2 {
        assert!(admit(KEY).await.is_ok());
    }
    // More than one, in case that half a second has passed.
    let denied = [admit(KEY).await, admit(KEY).await, admit(KEY).await];
    let denied = denied.into_iter().find_map(Result::err).unwrap();
    assert_eq!(denied.sender.unwrap().0.as_ref(), "etl");
    let response = denied.rejection.into_response();
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["retry-after"]
        ),
        (429, &"1".parse().unwrap())
    );
    assert!(admit(other).await.is_ok());
}

#[test]
fn a_secret_has_a_bounded_number_of_keys() {
    let secret = |count: usize| {
        let lines = (0..count).map(|n| format!("0123456789abcdef-{n}\n"));
        super::keys(&lines.collect::<String>()).map(|keys| keys.len())
    };
    assert_eq!(secret(200).ok(), Some(200));
    let error = secret(201).unwrap_err().to_string();
    assert_eq!(error, "expected at most 200 keys, found 201");
}

#[tokio::test]
async fn anonymous_senders_may_not_read_where_a_key_with_a_reading_role_exists() {
    use KeyRole::{Metrics, Operate, Read, Send};
    let open = keys(Vec::new(), false);
    for (role, who) in [
        (Send, "anyone"),
        (Read, "anyone"),
        (Metrics, "anyone"),
        (Operate, "401"),
    ] {
        assert_eq!(admitted(&open, &[], role).await, who);
    }
    let half = keys(vec![key("grafana", KEY, &[Metrics])], true);
    assert_eq!(admitted(&half, &[], Send).await, "anyone");
    assert_eq!(admitted(&half, &[], Read).await, "401");
    assert_eq!(admitted(&half, &[KEY], Metrics).await, "grafana");
    assert!(admitted(&half, &[KEY], Read).await.starts_with("403"));
}
