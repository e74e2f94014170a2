//! Names of settings, options and members whose values are secrets.
//!
//! One list of words for all positions: settings in texts, options of commands, members of JSON. A name is split into
//! words (`spark.db.password`, `AWS_SECRET_ACCESS_KEY`, `clientSecret`), so that `token_type` is not read as `token`.

use std::sync::LazyLock;

use regex::Regex;

use crate::action::pattern;

/// What a name implies about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameHint {
    Harmless,
    /// A secret where it is plainly set: `token`, `sig`. In prose these words have other meanings.
    Possible,
    /// A secret, whatever the value.
    Secret,
    /// A password, which may consist of digits only.
    Password,
}

/// The longest path on Linux.
const PATH: usize = 4096;

const PASSWORDS: &str = "password passwords passwd pwd pswd passphrase passcode passwort kennwort keypass storepass sshpass";

const SECRETS: &str = "secret secrets credential credentials authorization authkey accesskey accountkey apikey privatekey \
     sharedkey secretkey cookie cookies fernetkey";

/// Before the word `key`.
const KEYS: &str = "access account api private pvt shared auth signing master encryption decryption session storage \
     subscription fernet hmac aes webhook app application ssh keystore functions deploy license";

/// Secrets only as the last word.
const LAST: &str = "token pass pw sig signature sas jwt bearer auth";

/// Words that end in `pass` and are not passwords.
const NO_PASS: &str = "compass bypass encompass surpass overpass multipass trespass";

/// A last word that describes a secret but is not one.
const ABOUT: &str = "type types count length size enabled required policy ttl timeout expires expiry provider endpoint \
     name names scope scopes path file filename arn url uri host mode method algorithm column field \
     prefix manager store source class alias version lifetime duration limit issuer audience scheme \
     format location expiration status changed change expired backend ref reference days hours minutes usage budget seconds ms interval dir directory folder sock \
     socket port user username label description comment rotation schedule nullable encoder";

/// Tokens that only mark where a list continues.
const PLACES: &str = "page continuation cursor";

/// Returns what `name` implies.
pub(super) fn name_hint(name: &str) -> NameHint {
    // Most names are not secrets; those that are contain one of these.
    if !hints(name) {
        return NameHint::Harmless;
    }
    let words = words(name);
    let Some(last) = words.last() else {
        return NameHint::Harmless;
    };
    if is_one(ABOUT, last) {
        return NameHint::Harmless;
    }
    // Also as one word: `dbpassword`, `PGPASSWORD`.
    let ends = |list: &str| {
        let secret = |word: &String| list.split(' ').any(|secret| word.ends_with(secret));
        words.iter().any(secret)
    };
    let pair = |(one, two): (&String, &String)| {
        two == "key" && is_one(KEYS, one) || one == "azure" && two == "sas"
    };
    let mut pairs = words.iter().zip(words.iter().skip(1));
    let before = words.iter().rev().nth(1).map_or("", String::as_str);
    if ends(PASSWORDS) || last.ends_with("pass") && last != "pass" && !is_one(NO_PASS, last) {
        NameHint::Password
    } else if ends(SECRETS) || pairs.any(pair) || before == "user" && last == "info" {
        // `basic.auth.user.info=user:password`.
        NameHint::Secret
    } else if last == "token" && is_one(PLACES, before) {
        NameHint::Harmless
    } else if is_one(LAST, last) || last.ends_with("token") {
        NameHint::Possible
    } else {
        NameHint::Harmless
    }
}

/// Whether a word is in a list, case-insensitive.
pub(super) fn is_one(list: &str, word: &str) -> bool {
    list.split(' ')
        .any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether `name` can name a secret.
pub(super) fn hints(name: &str) -> bool {
    HINTS.is_match(name)
}

/// A part of every name that implies anything, and of `IDENTIFIED BY`.
static HINTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        "(?i)pass|pwd|pswd|secret|credential|auth|key|cookie|token|kennwort|pw|sig|sas|jwt|bearer|info|identified",
    )
});

/// Values that name a way to authenticate, not a credential.
pub(super) fn is_method(value: &str) -> bool {
    const METHODS: &str = "none null true false yes no simple kerberos basic digest iam oauth oauth2 token sasl scram \
         ldap plain ssl saml default native anonymous password external jwt";
    is_one(METHODS, value)
}

/// `PWD` and `OLDPWD` as every shell sets them: a folder, not a password.
pub(super) fn is_folder(name: &str, value: &str) -> bool {
    let shell = ["PWD", "OLDPWD"].contains(&name);
    if !shell && !["pwd", "oldpwd", "INIT_CWD"].contains(&name) {
        return false;
    }
    let value = value.trim_matches(['"', '\'', '\\']);
    let drive = value
        .as_bytes()
        .get(1..3)
        .is_some_and(|two| two == b":\\" || two == b":/");
    let Some(path) = value.strip_prefix('/') else {
        return drive || value.starts_with("~/") || value == "~";
    };
    let first = path.split('/').next().unwrap_or_default();
    // A password can also start with a slash; a value that a shell sets is less likely to be one.
    const KNOWN: &str = "home opt usr var tmp etc mnt root srv app data workspace Users Volumes dbfs databricks local run \
         work code build github airflow private";
    first.is_empty()
        || KNOWN.split(' ').any(|known| known == first)
        || shell && !value.contains([' ', ';', '=', '+'])
}

/// A path to a secret (`GOOGLE_APPLICATION_CREDENTIALS=/etc/gcp.json`): nothing that base64 can be.
pub(super) fn is_file(value: &str) -> bool {
    const ENDS: [&str; 8] = [
        ".json", ".pem", ".p12", ".pfx", ".jks", ".crt", ".key", ".yaml",
    ];
    let path = value.starts_with(['/', '~']) || value.starts_with("./");
    path && value.len() < PATH
        && !value.contains([';', '&', '=', '@', ' '])
        && ENDS.iter().any(|end| value.ends_with(end))
}

/// Whether a value contradicts its name: a folder, a way to authenticate, the type of a column.
pub(super) fn is_harmless(name: &str, value: &str) -> bool {
    const TYPES: &str = "string varchar nvarchar text char int integer bigint boolean bool binary varbinary bytes \
         double timestamp date";
    let kind = value.split('(').next().unwrap_or_default();
    is_folder(name, value)
        || is_file(value)
        || name.to_ascii_lowercase().ends_with("auth") && is_method(value)
        || is_one(TYPES, kind)
}

/// Splits a name into words, in lower case and without trailing numbers.
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
                "password db_password spark.redshift.password PGPASSWORD dbPassword PWD password2 passcode user_passwd \
                 ssl.key.password dbpass",
                NameHint::Password,
            ),
            (
                "spark.hadoop.fs.s3a.secret.key spark.hadoop.fs.s3a.access.key AWS_SECRET_ACCESS_KEY clientSecret apiKey \
                 api_key AWSAccessKeyId Authorization fs.azure.account.key.acc.dfs.core.windows.net AccountKey authkey credentials \
                 basic.auth.user.info value.converter.basic.auth.user.info X-Subscription-Key",
                NameHint::Secret,
            ),
            (
                "token access_token X-Amz-Security-Token authToken sig X-Amz-Signature pass sas spark.redis.auth _auth",
                NameHint::Possible,
            ),
            (
                "tokens max_tokens token_type tokenizer next_page_token design compass secretary passenger \
                 fs.s3a.aws.credentials.provider key primary_key password_policy user name \
                 secretName secret.scope basic.auth.credentials.source key.converter primary.key token_count \
                 password_file tokenUri bypass partition_key author authority",
                NameHint::Harmless,
            ),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(name_hint(name), expected, "{name}");
            }
        }
    }
}
