//! A role of AWS to assume, as two settings describe it: its ARN, and the external id that its trust policy may ask for.

use crate::{AccountId, Format, TextCheck};

/// The longest ARN of IAM: 2048 characters
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>, `RoleArn`).
const LONGEST_ARN: usize = 2_048;

/// `arn:aws:iam::123456789012:role/name`, in any partition, with a path or without.
pub enum RoleArn {}

/// What a role in another account may ask of those who assume it, as a [`CheckedText`](crate::CheckedText).
pub enum ExternalId {}

impl Format for RoleArn {
    type Value = String;

    fn expected() -> String {
        "a role such as arn:aws:iam::123456789012:role/name".to_owned()
    }

    fn parse(text: &str) -> Result<String, String> {
        match is_role(text) {
            true => Ok(text.to_owned()),
            false => Err(format!("expected {}, found {text:?}", Self::expected())),
        }
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", "", account, resource] => {
            text.len() <= LONGEST_ARN
                && partition.starts_with("aws")
                && AccountId::is_valid(account)
                && resource.strip_prefix("role/").is_some_and(is_path_and_name)
        }
        _ => false,
    }
}

/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>: `Path`, `RoleName`.
fn is_path_and_name(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or_default();
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| is_word(byte, b"+=,.@-"))
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl TextCheck for ExternalId {
    const EXPECTED: &'static str =
        "an external id: 2 to 1224 letters, digits and characters of _+=,.@:/-";

    /// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>: `ExternalId`.
    fn is_valid(text: &str) -> bool {
        (2..=1_224).contains(&text.len()) && text.bytes().all(|byte| is_word(byte, b"+=,.@:/-"))
    }
}

/// `\w` of AWS's patterns, or one of these.
fn is_word(byte: u8, others: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || others.contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_the_arn_of_one() {
        for role in [
            "arn:aws:iam::123456789012:role/x",
            "arn:aws-us-gov:iam::123456789012:role/a/path/name_+=,.@-1",
        ] {
            assert_eq!(RoleArn::parse(role), Ok(role.to_owned()));
        }
        for wrong in [
            "lineage",
            "arn:aws:iam::12:role/x",
            "arn:gcp:iam::123456789012:role/x",
            "arn:aws:iam::123456789012:user/x",
            "arn:aws:iam:eu-west-1:123456789012:role/x",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/path/",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam::123456789012:role/x\"",
            "arn:aws:sts::123456789012:assumed-role/x/session",
        ] {
            let error = RoleArn::parse(wrong).unwrap_err();
            assert!(error.contains("role such as"), "{wrong}: {error}");
        }
        let long = format!("arn:aws:iam::123456789012:role/{}x", "p/".repeat(1_024));
        assert!(RoleArn::parse(&long).is_err());
    }

    #[test]
    fn an_external_id_has_the_characters_and_the_length_of_sts() {
        for id in ["12", "team-a/prod:1_+=,.@", &"x".repeat(1_224)] {
            assert!(ExternalId::is_valid(id), "{id}");
        }
        for id in ["", "1", "a b", "ä1", "a\"b", "a;b", &"x".repeat(1_225)] {
            assert!(!ExternalId::is_valid(id), "{id}");
        }
    }
}
