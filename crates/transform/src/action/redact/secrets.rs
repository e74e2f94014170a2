//! Connection secrets in any text: users and passwords in URLs, and settings whose name shows that the value is secret.
//!
//! Recognises names, not values: a password on its own stays. In doubt it redacts, as in `where token = 'x'`. Less is
//! redacted in namespaces ([`namespace`]), because they identify datasets. URLs are in `urls.rs`. Called for every string
//! of an event.

use std::borrow::Cow;
use std::collections::HashSet;

use openlineage::{Edits, Json};

use super::mask::STARS;
use super::settings::{self, Prose};
use super::urls::{is_host, without_urls};
use super::{command, shapes};

/// The most rounds, each as long as the text: redacting one value can reveal another. Two or three are usual.
const ROUNDS: usize = 8;

/// The most levels of JSON in strings of JSON that are searched; a configuration in a facet has one or two. Each level is
/// searched as often as there are levels around it.
const LEVELS: usize = 8;

/// Removes users and passwords from URLs in `text`, and replaces secrets, recognised by name, position or
/// shape:
///
/// - the values of settings, options, headers and SQL clauses with secret names: between quotes, brackets or
///   braces, or up to the next `;`, `&`, white space or quote, and in a segment of a path (`/token=x/a`) up to the next `/`;
/// - passwords of well-known commands (`curl -u user:x`, `mysql -px`, `redis-cli -a x`);
/// - keys and tokens with a known form (AWS, GitHub, Slack, …), JSON web tokens, private keys.
///
/// A password on its own, or in a sentence, is not recognised.
pub fn connection_secrets(text: &str) -> String {
    hidden(text, Prose::Any).into_owned()
}

/// Like [`connection_secrets`]; borrowed if nothing changes.
pub(super) fn hidden(text: &str, prose: Prose) -> Cow<'_, str> {
    hidden_in_levels(text, prose, LEVELS)
}

/// Hides the secrets of a text that may have so many levels of JSON in strings of JSON.
fn hidden_in_levels(text: &str, prose: Prose, levels: usize) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    replace(&mut text, |text| nested(text, prose, levels, None));
    let before = text.clone();
    let mut has_changed = false;
    let mut text = until_settled(text, |text| {
        #[cfg(test)]
        tests::SEARCHED.set(tests::SEARCHED.get() + text.len());
        // A key of several words before the setting that contains it, which would match first.
        let found = replace(text, without_urls)
            | replace(text, shapes::hidden)
            | replace(text, |text| settings::hidden(text, prose))
            | replace(text, command::hidden);
        has_changed |= found;
        found
    });
    // What was hidden may have made other strings, or JSON of the text, with secrets in its strings. Strings that were there
    // before are settled: to search them again would double the work with each level.
    if has_changed && replace(&mut text, |text| nested(text, prose, levels, Some(&before))) {
        return Cow::Owned(STARS.to_owned());
    }
    text
}

/// Repeats a round until it finds nothing. A text that is not settled by then is hidden as a whole: what is left of it
/// would be hidden by the next round.
fn until_settled<'t>(
    mut text: Cow<'t, str>,
    mut round: impl FnMut(&mut Cow<'t, str>) -> bool,
) -> Cow<'t, str> {
    for _ in 0..ROUNDS {
        if !round(&mut text) {
            return text;
        }
    }
    Cow::Owned(STARS.to_owned())
}

/// A text that is JSON, without the secrets of its strings, which have lines and quotes of their own (a configuration in
/// YAML, a command). Each level of escapes is a level here; JSON with strings below the last one is hidden as a whole.
/// Strings of `settled`, if that is JSON, stay.
fn nested<'t>(text: &'t str, prose: Prose, levels: usize, settled: Option<&str>) -> Cow<'t, str> {
    let Some(root) = json(text) else {
        return Cow::Borrowed(text);
    };
    let Some(levels) = levels.checked_sub(1) else {
        return Cow::Owned(STARS.to_owned());
    };
    let settled: HashSet<Cow<'_, str>> = settled
        .and_then(json)
        .map(|root| strings(root).into_iter().map(|(_, plain)| plain).collect())
        .unwrap_or_default();
    let mut edits = Edits::new(text);
    for (value, plain) in strings(root) {
        if !settled.contains(&plain)
            && let Cow::Owned(new) = hidden_in_levels(&plain, prose, levels)
            && new != *plain
        {
            edits.replace_string(value, &new);
        }
    }
    match edits.is_empty() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(edits.apply()),
    }
}

/// Parses a text that may be JSON with escapes in its strings.
fn json(text: &str) -> Option<Json<'_>> {
    let may_be = text.starts_with(['{', '[']) && text.contains('\\');
    may_be.then(|| Json::parse(text).ok()).flatten()
}

/// The strings with escapes of a value, at any depth, and what they say.
fn strings(root: Json<'_>) -> Vec<(Json<'_>, Cow<'_, str>)> {
    let (mut found, mut open) = (Vec::new(), vec![root]);
    while let Some(value) = open.pop() {
        open.extend(value.members().into_iter().map(|member| member.value));
        open.extend(value.items());
        let escaped = value.text().starts_with('"') && value.text().contains('\\');
        if let Some(plain) = value.string().filter(|_| escaped) {
            found.push((value, plain));
        }
    }
    found
}

/// Returns a namespace without user and password, and without the values of secret settings after its first `?` or `;`.
/// Everything else stays: two namespaces must not become one because of a word in them.
pub(super) fn namespace(text: &str) -> Cow<'_, str> {
    until_settled(Cow::Borrowed(text), |text| replace(text, namespace_once))
}

/// One user may hide another.
fn namespace_once(text: &str) -> Cow<'_, str> {
    // A list continues after a slash: that is not a password.
    if text.split_once("://").is_some_and(|(_, rest)| {
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        path.split_once(',')
            .is_some_and(|(_, list)| list.contains('@'))
    }) {
        return Cow::Borrowed(text);
    }
    let (address, rest) = text.split_at(text.find([';', '?']).unwrap_or(text.len()));
    // The mark may belong to a password: `x://u:p?q@h`.
    let without = match settled(text, address) {
        true => format!("{}{rest}", without_urls(address)),
        false => without_urls(text).into_owned(),
    };
    let at = without.find([';', '?']).unwrap_or(without.len());
    let (address, rest) = without.split_at(at);
    let new = format!("{address}{}", settings::hidden(rest, Prose::Any));
    match new == text {
        true => Cow::Borrowed(text),
        false => Cow::Owned(new),
    }
}

/// Whether the host is in the address itself, and not half of a user and password.
fn settled(text: &str, address: &str) -> bool {
    let authority = address.split_once("://").map_or("", |(_, rest)| rest);
    let first = authority.split('/').next().unwrap_or_default();
    !text.contains('@') || authority.contains('@') || first.split(',').all(is_host)
}

pub(super) fn replace<'t>(text: &mut Cow<'t, str>, by: impl Fn(&str) -> Cow<'_, str>) -> bool {
    let new = match by(text) {
        Cow::Owned(new) if new != **text => new,
        Cow::Owned(_) | Cow::Borrowed(_) => return false,
    };
    *text = Cow::Owned(new);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn users_and_passwords_go_from_urls() {
        for (text, expected) in [
            ("postgres://u:p@h:5432/d", "postgres://h:5432/d"),
            (
                "jdbc:mysql://root:pa@ss@h/d and x://a:b@c",
                "jdbc:mysql://h/d and x://c",
            ),
            ("redis://:pw@h", "redis://h"),
            ("pg://u:pa/s#s?@h:1/d", "pg://h:1/d"),
            ("https://ghp_token@github.com/x", "https://github.com/x"),
            (
                "see http://h/r?to=pg://u:p@h2/d",
                "see http://h/r?to=pg://h2/d",
            ),
            (
                "jdbc:oracle:thin:scott/tiger@//h:1521/s",
                "jdbc:oracle:thin:@//h:1521/s",
            ),
            ("mongodb://u:p@h1:1,h2:2/db", "mongodb://h1:1,h2:2/db"),
        ] {
            assert_eq!(connection_secrets(text), expected);
        }
    }

    #[test]
    fn settings_that_are_named_like_secrets_lose_their_value() {
        for (text, expected) in [
            (
                "jdbc:x://h/d?user=me&Password=p%20w&ssl=true",
                "jdbc:x://h/d?user=me&Password=***&ssl=true",
            ),
            (
                "jdbc:sqlserver://h;user=me;pwd=p;x=1",
                "jdbc:sqlserver://h;user=me;pwd=***;x=1",
            ),
            (
                "s3://b/k?X-Amz-Signature=ab12&X-Amz-Expires=60",
                "s3://b/k?X-Amz-Signature=***&X-Amz-Expires=60",
            ),
            (
                "AWS_SECRET_ACCESS_KEY=abc ./run --token=t",
                "AWS_SECRET_ACCESS_KEY=*** ./run --token=***",
            ),
            (
                "https://a.blob/x?sv=1&sig=abc%3D&se=2",
                "https://a.blob/x?sv=1&sig=***&se=2",
            ),
            (
                "copy t credentials 'aws_secret_access_key=a/b+c'",
                "copy t credentials '***'",
            ),
            (
                "password = 'it''s' user = 'me'",
                "password = '***' user = 'me'",
            ),
            (
                r#"{"db.password": "a\"b", "user": "me"}"#,
                r#"{"db.password": "***", "user": "me"}"#,
            ),
            (
                r#"{\"password\": \"ab\", \"user\": \"me\"}"#,
                r#"{\"password\": \"***\", \"user\": \"me\"}"#,
            ),
            ("url=jdbc:x://h?password=p", "url=jdbc:x://h?password=***"),
            ("password: x, user: me", "password: ***, user: me"),
            ("password = x", "password = ***"),
            (
                "run --password x --token y -v",
                "run --password *** --token *** -v",
            ),
            (
                "-H Authorization: Bearer abc.d -v",
                "-H Authorization: *** -v",
            ),
            ("Authorization=Basic YTpi", "Authorization=***"),
            (
                "create user u identified by 'x'",
                "create user u identified by '***'",
            ),
            ("alter user u PASSWORD 'x'", "alter user u PASSWORD '***'"),
            (
                "c?pass=a&passcode=b&authkey=c&sas=d",
                "c?pass=***&passcode=***&authkey=***&sas=***",
            ),
            ("Driver=x;PWD={a;b}};c};UID=me", "Driver=x;PWD=***;UID=me"),
            ("s3://b/t/token=web/day=1/a", "s3://b/t/token=***/day=1/a"),
            ("snowflake://token@acc.eu/db", "snowflake://acc.eu/db"),
            (
                "AccountKey=abc==;EndpointSuffix=x",
                "AccountKey=***;EndpointSuffix=x",
            ),
        ] {
            assert_eq!(connection_secrets(text), expected);
        }
    }

    #[test]
    fn what_holds_no_secret_stays() {
        for text in [
            "abfss://container@account.dfs.core.windows.net/a:b",
            "s3://bucket/path@v1/x:y@z",
            "postgres://h:5432/d?x=a@b",
            "http://[::1]:8080/a@b",
            "design=x&user=me;assigned=1",
            "password is not here",
            "2026-01-01T00:00:00Z",
            "urn:x:y@z",
            "password=",
            "token_type=web&max_tokens=5&next_page_token=t.x",
            "syntax error at token: select",
            r#"{"password": null}"#,
            "fs.s3a.aws.credentials.provider=com.x.Provider",
            "arn:aws:secretsmanager:eu-west-1:1:secret:x",
        ] {
            assert_eq!(connection_secrets(text), text);
        }
    }

    #[test]
    fn a_namespace_loses_only_what_can_be_no_part_of_a_name() {
        for (text, expected) in [
            ("postgres://u:p@h:5432", "postgres://h:5432"),
            ("x://u:p?q;r@h", "x://h"),
            ("snowflake://token@acc", "snowflake://acc"),
            (
                "jdbc:x://h;user=me;password=p",
                "jdbc:x://h;user=me;password=***",
            ),
            (
                "mongodb+srv://u:p@h/?authSource=a&password=p",
                "mongodb+srv://h/?authSource=a&password=***",
            ),
            ("jdbc:oracle:thin:u/p@h:1:s", "jdbc:oracle:thin:@h:1:s"),
            ("s3://b/refresh_token=prod/x", "s3://b/refresh_token=prod/x"),
            ("password=a", "password=a"),
            ("jdbc://h:x/y,owner@b.c", "jdbc://h:x/y,owner@b.c"),
            (
                "abfss://c@a.dfs.core.windows.net",
                "abfss://c@a.dfs.core.windows.net",
            ),
        ] {
            assert_eq!(namespace(text), expected);
        }
    }

    #[test]
    fn a_text_in_which_each_round_finds_more_is_hidden_as_a_whole() {
        let more = |text: &mut Cow<'_, str>| {
            text.to_mut().push('x');
            true
        };
        let hidden = until_settled(Cow::Borrowed("secret"), more);
        // Owned, as `nested` takes a borrowed text for unchanged.
        assert_eq!(hidden, Cow::<str>::Owned(STARS.to_owned()));
        assert!(matches!(hidden, Cow::Owned(_)));
        assert_eq!(until_settled(Cow::Borrowed("plain"), |_| false), "plain");
        assert_eq!(connection_secrets(STARS), STARS);
    }

    thread_local! {
        /// The bytes of all texts that a round has searched.
        pub(super) static SEARCHED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    /// JSON in strings of JSON, each level with a secret of its own, in a string without escapes: its rounds find that.
    fn levels(levels: usize) -> String {
        (0..levels).fold("x".repeat(5_000), |inner, level| {
            serde_json::json!({"note": format!("password=ZQ{level}"), "inner": inner}).to_string()
        })
    }

    #[test]
    fn a_level_of_json_in_json_is_searched_as_often_as_there_are_levels_around_it() {
        for count in 1..=LEVELS {
            SEARCHED.set(0);
            let text = levels(count);
            let hidden = connection_secrets(&text);
            assert!(!hidden.contains("ZQ") && hidden.contains("xxx"), "{hidden}");
            // Each level and the text within: a round that finds something, and one that does not.
            let most = 2 * (count + 1) * text.len();
            assert!(
                SEARCHED.get() <= most,
                "{count}: {} of {most}",
                SEARCHED.get()
            );
        }
    }

    #[test]
    fn more_levels_of_json_in_json_than_are_searched_are_hidden_as_a_whole() {
        let hidden = connection_secrets(&levels(LEVELS + 2));
        assert!(
            !hidden.contains("ZQ") && !hidden.contains("xxx"),
            "{hidden}"
        );
        assert!(hidden.contains("note"), "{hidden}");
        assert_eq!(connection_secrets(&hidden), hidden);
    }

    proptest! {
        #[test]
        fn no_secret_is_left_in_any_of_its_places(
            secret in r"ZQ[a-zA-Z0-9!$()*+,./?:@#%^~_-]{1,10}", around in "[a-z =,(]{0,6}", place in 0..9usize,
        ) {
            prop_assume!(!secret.contains("//"));
            let text = match place {
                0 => format!("jdbc:postgresql://user:{secret}@host:5432/db"),
                1 => format!("x://h/d?password={secret}&a=b"),
                2 => format!("x://h;PWD={secret};a=b"),
                3 => format!("x token='{secret}' y"),
                4 => format!("{{\"client_secret\": \"{secret}\"}}"),
                5 => format!("AWS_SECRET_ACCESS_KEY={secret}"),
                6 => format!("jdbc:oracle:thin:u/{secret}@h:1:s"),
                7 => format!("https://{}@h", secret.replace(['/', '?', '#'], "")),
                _ => format!("https://h/k?X-Amz-Security-Token={secret}&sig={secret}"),
            };
            let hidden = connection_secrets(&format!("{around} {text} {around}"));
            prop_assert!(!hidden.contains("ZQ"), "{}", hidden);
        }

        #[test]
        fn twice_is_as_once(
            text in "(https?|x|://|u|:|p|@|h|/|\\?|#|;|&|=|pwd|password|sig| |'|\"|\\\\|\n|jdbc:oracle:thin:|1|é){0,16}",
        ) {
            let once = connection_secrets(&text);
            prop_assert_eq!(connection_secrets(&once), once);
            let once = namespace(&text).into_owned();
            prop_assert_eq!(namespace(&once).into_owned(), once);
        }
    }
}
