//! Which names of settings, options and members say that their value is a secret.
//!
//! One list of words for every place: settings in texts, options of commands, members of JSON. A name is read word by
//! word (`spark.db.password`, `AWS_SECRET_ACCESS_KEY`, `clientSecret`), so that `token_type` is not taken for `token`.

/// What the name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Nothing,
    /// A secret, where something is plainly set: `token`, `sig`. In prose these words mean other things too.
    Perhaps,
    /// A secret, whatever the value looks like.
    Secret,
    /// A password, of which digits alone are one too.
    Password,
}

const PASSWORDS: [&str; 6] = [
    "password",
    "passwords",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
];

const SECRETS: [&str; 12] = [
    "secret",
    "secrets",
    "credential",
    "credentials",
    "authorization",
    "authkey",
    "accesskey",
    "accountkey",
    "apikey",
    "privatekey",
    "sharedkey",
    "secretkey",
];

/// Before the word `key`.
const KEYS: [&str; 8] = [
    "access", "account", "api", "private", "shared", "auth", "signing", "master",
];

/// Secrets only as the last word.
const LAST: [&str; 5] = ["token", "pass", "sig", "signature", "sas"];

/// A last word that says something about a secret, but is none.
const ABOUT: [&str; 14] = [
    "type", "types", "count", "length", "size", "enabled", "required", "policy", "ttl", "timeout",
    "expires", "expiry", "provider", "endpoint",
];

/// Tokens that only say where a list goes on.
const PLACES: [&str; 3] = ["page", "continuation", "cursor"];

/// What `name` says.
pub(super) fn says(name: &str) -> Says {
    let words = words(name);
    let Some(last) = words.last() else {
        return Says::Nothing;
    };
    if ABOUT.contains(&last.as_str()) {
        return Says::Nothing;
    }
    // Also run together: `dbpassword`, `PGPASSWORD`.
    let ends =
        |list: &[&str]| (words.iter()).any(|word| list.iter().any(|secret| word.ends_with(secret)));
    let pair = |(one, two): (&String, &String)| {
        two == "key" && KEYS.contains(&one.as_str()) || one == "azure" && two == "sas"
    };
    let mut pairs = words.iter().zip(words.iter().skip(1));
    let before = words.iter().rev().nth(1).map_or("", String::as_str);
    if ends(&PASSWORDS) {
        Says::Password
    } else if ends(&SECRETS) || pairs.any(pair) {
        Says::Secret
    } else if last == "token" && PLACES.contains(&before) {
        Says::Nothing
    } else if LAST.contains(&last.as_str()) || last.ends_with("token") {
        Says::Perhaps
    } else {
        Says::Nothing
    }
}

/// The words in lower case, without the numbers at their ends.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let next_is_lower = chars.peek().is_some_and(|next| next.is_lowercase());
        let starts =
            c.is_uppercase() && (before.is_lowercase() || before.is_uppercase() && next_is_lower);
        if !c.is_alphanumeric() || starts {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    for word in &mut words {
        word.truncate(word.trim_end_matches(|c: char| c.is_ascii_digit()).len());
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_word_by_word() {
        for (names, expected) in [
            (
                "password db_password spark.redshift.password PGPASSWORD dbPassword PWD password2 passcode user_passwd",
                Says::Password,
            ),
            (
                "spark.hadoop.fs.s3a.secret.key spark.hadoop.fs.s3a.access.key AWS_SECRET_ACCESS_KEY clientSecret apiKey \
                 api_key AWSAccessKeyId Authorization fs.azure.account.key.acc.dfs.core.windows.net AccountKey authkey credentials",
                Says::Secret,
            ),
            (
                "token access_token X-Amz-Security-Token authToken sig X-Amz-Signature pass sas",
                Says::Perhaps,
            ),
            (
                "tokens max_tokens token_type tokenizer next_page_token design compass secretary passenger \
                 fs.s3a.aws.credentials.provider key primary_key password_policy user name",
                Says::Nothing,
            ),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(says(name), expected, "{name}");
            }
        }
    }
}
