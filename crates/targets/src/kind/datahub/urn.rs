//! URNs: DataHub's names of entities, escaped and checked. Pure.
//!
//! The characters that delimit the parts of a URN are percent-encoded, and no others, as DataHub's own client does
//! (`datahub/utilities/urn_encoder.py`). The limit is that of the server (`ValidationApiUtils.java`).

use std::fmt::{self, Display, Formatter};

/// The longest URN that the server accepts, in bytes of its form as a parameter of a URL.
const MAX_LENGTH: usize = 512;

/// The kind of an entity that proposals are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum EntityType {
    Dataset,
    DataFlow,
    DataJob,
    DataProcessInstance,
}

/// The URN of an entity that proposals are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Urn {
    pub(super) entity: EntityType,
    text: String,
}

/// Why something has no URN. Contains nothing of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidUrn {
    #[error("its name is empty")]
    Empty,
    #[error("its URN is longer than {MAX_LENGTH} bytes, DataHub's limit")]
    TooLong,
}

impl EntityType {
    pub(super) const fn name(self) -> &'static str {
        match self {
            EntityType::Dataset => "dataset",
            EntityType::DataFlow => "dataFlow",
            EntityType::DataJob => "dataJob",
            EntityType::DataProcessInstance => "dataProcessInstance",
        }
    }
}

impl Urn {
    /// A dataset. `name` has the platform instance in it, if there is one.
    pub(super) fn dataset(
        platform: &str,
        name: &str,
        environment: &str,
    ) -> Result<Urn, InvalidUrn> {
        not_empty(&[platform, name])?;
        let (platform, name) = (platform_urn(platform), encode(name));
        let text = format!("urn:li:dataset:({platform},{name},{environment})");
        Urn::checked(EntityType::Dataset, text)
    }

    /// A flow of an orchestrator.
    pub(super) fn flow(orchestrator: &str, flow: &str, cluster: &str) -> Result<Urn, InvalidUrn> {
        not_empty(&[orchestrator, flow, cluster])?;
        let [orchestrator, flow, cluster] = [orchestrator, flow, cluster].map(encode);
        let text = format!("urn:li:dataFlow:({orchestrator},{flow},{cluster})");
        Urn::checked(EntityType::DataFlow, text)
    }

    /// A job of a flow.
    pub(super) fn job(flow: &Urn, job: &str) -> Result<Urn, InvalidUrn> {
        not_empty(&[job])?;
        let text = format!("urn:li:dataJob:({flow},{})", encode(job));
        Urn::checked(EntityType::DataJob, text)
    }

    /// A run of a job.
    pub(super) fn run(id: &str) -> Urn {
        Urn {
            entity: EntityType::DataProcessInstance,
            text: format!("urn:li:dataProcessInstance:{}", encode(id)),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    fn checked(entity: EntityType, text: String) -> Result<Urn, InvalidUrn> {
        match length(&text) > MAX_LENGTH {
            true => Err(InvalidUrn::TooLong),
            false => Ok(Urn { entity, text }),
        }
    }
}

impl Display for Urn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A platform.
pub(super) fn platform_urn(platform: &str) -> String {
    format!("urn:li:dataPlatform:{}", encode(platform))
}

/// An instance of a platform.
pub(super) fn platform_instance_urn(platform: &str, instance: &str) -> String {
    let (platform, instance) = (platform_urn(platform), encode(instance));
    format!("urn:li:dataPlatformInstance:({platform},{instance})")
}

/// A column. The server does not limit its length.
pub(super) fn field_urn(dataset: &Urn, field: &str) -> String {
    format!("urn:li:schemaField:({dataset},{})", encode(field))
}

/// A tag.
pub(super) fn tag_urn(tag: &str) -> Option<String> {
    simple("tag", tag)
}

/// A user.
pub(super) fn user_urn(user: &str) -> Option<String> {
    simple("corpuser", user)
}

/// A group of users.
pub(super) fn group_urn(group: &str) -> Option<String> {
    simple("corpGroup", group)
}

fn simple(entity: &str, id: &str) -> Option<String> {
    let id = id.trim(); // the server refuses white space at the end of a URN
    let text = format!("urn:li:{entity}:{}", encode(id));
    (!id.is_empty() && length(&text) <= MAX_LENGTH).then_some(text)
}

fn not_empty(parts: &[&str]) -> Result<(), InvalidUrn> {
    match parts.iter().any(|part| part.is_empty()) {
        true => Err(InvalidUrn::Empty),
        false => Ok(()),
    }
}

/// Encodes what delimits the parts of a URN. `%` is not encoded, as DataHub does not either: a name that came encoded is the
/// same entity.
fn encode(part: &str) -> String {
    let mut encoded = String::with_capacity(part.len());
    for c in part.chars() {
        match c {
            ',' => encoded.push_str("%2C"),
            '(' => encoded.push_str("%28"),
            ')' => encoded.push_str("%29"),
            '\u{241f}' => encoded.push_str("%E2%90%9F"),
            other => encoded.push(other),
        }
    }
    encoded
}

/// The length as the server counts it: that of Java's `URLEncoder`.
fn length(urn: &str) -> usize {
    let of = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' | b' ' => 1,
        _ => 3,
    };
    urn.bytes().map(of).sum()
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_part_is_encoded_once_and_can_be_decoded(part in "[^%]{0,40}") {
            let encoded = encode(&part);
            let reserved = [',', '(', ')', '\u{241f}'];
            prop_assert!(!encoded.contains(reserved));
            prop_assert_eq!(encode(&encoded), encoded.clone());
            prop_assert_eq!(percent_decode_str(&encoded).decode_utf8().unwrap(), part);
        }

        #[test]
        fn a_urn_has_its_parts_and_no_others(name in "[^%]{1,20}") {
            let urn = Urn::dataset("p", &name, "PROD").map(|urn| urn.text);
            prop_assume!(urn.is_ok());
            let urn = urn.unwrap();
            let inner = urn.strip_prefix("urn:li:dataset:(").unwrap().strip_suffix(')').unwrap();
            let parts: Vec<&str> = inner.split(',').collect();
            prop_assert_eq!(parts.len(), 3);
            prop_assert_eq!(percent_decode_str(parts[1]).decode_utf8().unwrap(), name);
        }
    }

    #[test]
    fn a_urn_that_the_server_refuses_is_an_error() {
        assert_eq!(Urn::dataset("p", "", "PROD"), Err(InvalidUrn::Empty));
        let slashes = "/".repeat(150);
        assert_eq!(
            Urn::dataset("p", &slashes, "PROD"),
            Err(InvalidUrn::TooLong)
        );
        let letters = "a".repeat(150);
        assert!(Urn::dataset("p", &letters, "PROD").is_ok());
    }
}
