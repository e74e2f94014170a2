//! Keys as clients present them.

use super::*;

const KEY: &str = "0123456789abcdef";

fn key(name: &str, text: &str, roles: &[KeyRole]) -> Key {
    Key {
        name: name.into(),
        hash: config::hash(text).unwrap(),
        roles: roles.iter().copied().collect(),
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
