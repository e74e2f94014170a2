//! Secrets in texts as clients write them, and what holds none.

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
