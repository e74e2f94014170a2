//! `lineage-proxy keys`: generates keys, and the hashes for `auth.keys`.
//!
//! A key is never an argument, because arguments are visible in the process list and stay in the shell's history.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use proxy::config::hash;
use serde_json::json;

use super::{FINE, Output, print};
use crate::cli::tell;

/// The length of a new key in bytes: that of its hash.
const BYTES: usize = 32;

/// The longest key, in bytes: an HTTP head has 16 KB.
const LONGEST: usize = 8_192;

/// The exit status for an invalid key.
const WRONG: u8 = 2;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read a key from standard input, or prompt for it, and print `sha256:` and its hash.
    Hash,
    /// Generate a key; print it once, and its hash.
    Generate(Generate),
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Hash => match hash_line(&read_key()?) {
            Ok(hash) => print(hash)?,
            Err(error) => {
                tell(format_args!("lineage-proxy: {error:#}"));
                return Ok(ExitCode::from(WRONG));
            }
        },
        Command::Generate(Generate { output }) => {
            let mut bytes = [0; BYTES];
            getrandom::fill(&mut bytes).context("no random bytes")?;
            let key = hex::encode(bytes);
            let hash = hash_line(&key)?;
            match output {
                Output::Json => print(json!({"key": key, "hash": hash}))?,
                Output::Text => print(format!("key   {key}\nhash  {hash}"))?,
            }
        }
    }
    Ok(FINE)
}

fn read_key() -> anyhow::Result<String> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return rpassword::prompt_password("Key: ").context("no key was read");
    }
    let most = u64::try_from(LONGEST + 2).unwrap_or(u64::MAX);
    let mut text = String::new();
    input
        .lock()
        .take(most)
        .read_to_string(&mut text)
        .context("no key was read")?;
    Ok(text)
}

/// Returns `sha256:` and the hash of a key; a trailing line end is ignored.
fn hash_line(text: &str) -> anyhow::Result<String> {
    let key = text.strip_suffix('\n').unwrap_or(text);
    let key = key.strip_suffix('\r').unwrap_or(key);
    ensure!(!key.starts_with("sha256:"), "this is a hash already");
    // White space at the ends of a header is not part of the value, and a header cannot contain other characters.
    let sendable = key
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    ensure!(
        sendable && key.trim() == key,
        "a key is one line of ASCII without spaces at its ends"
    );
    ensure!(key.len() <= LONGEST, "longer than {LONGEST} characters");
    let hash = hash(key).map_err(|error| anyhow::anyhow!("the key is {error}"))?;
    Ok(format!("sha256:{}", hex::encode(hash)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hashed_without_the_end_of_its_line() {
        // printf 0123456789abcdef | sha256sum
        let expected = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";
        for text in [
            "0123456789abcdef",
            "0123456789abcdef\n",
            "0123456789abcdef\r\n",
        ] {
            assert_eq!(hash_line(text).unwrap(), expected);
        }
        for wrong in [
            "short",
            " 0123456789abcdef",
            "0123456789abcdef\n\n",
            "0123456789abcdéf",
            expected,
        ] {
            let error = hash_line(wrong).unwrap_err().to_string();
            assert!(!error.contains("0123456789"), "{error}");
        }
    }
}
