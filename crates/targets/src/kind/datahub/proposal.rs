//! A proposal: one change of one aspect of an entity, and its form in a request. Pure.
//!
//! <https://github.com/datahub-project/datahub/blob/master/metadata-models/src/main/pegasus/com/linkedin/mxe/MetadataChangeProposal.pdl>

use serde_json::{Value, json};

use super::urn::Urn;

/// An aspect that the proxy writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Aspect {
    Status,
    PlatformInstance,
    DatasetProperties,
    SchemaMetadata,
    UpstreamLineage,
    FlowInfo,
    JobInfo,
    JobInputOutput,
    Ownership,
    GlobalTags,
    RunProperties,
    RunRelationships,
    RunInput,
    RunOutput,
    RunEvent,
}

/// What becomes of an aspect.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// It is replaced.
    Upsert(Value),
    /// Values are added to it. The proxy never removes one: an event says what a run read and wrote, and nothing about what
    /// other runs and other sources say.
    Patch(Vec<Addition>),
}

/// A value that a patch adds, or replaces, at a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Addition {
    pub(super) path: String,
    value: Value,
}

/// One change of one aspect of an entity.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Proposal {
    pub(super) urn: Urn,
    pub(super) aspect: Aspect,
    pub(super) change: Change,
}

impl Aspect {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Aspect::Status => "status",
            Aspect::PlatformInstance => "dataPlatformInstance",
            Aspect::DatasetProperties => "datasetProperties",
            Aspect::SchemaMetadata => "schemaMetadata",
            Aspect::UpstreamLineage => "upstreamLineage",
            Aspect::FlowInfo => "dataFlowInfo",
            Aspect::JobInfo => "dataJobInfo",
            Aspect::JobInputOutput => "dataJobInputOutput",
            Aspect::Ownership => "ownership",
            Aspect::GlobalTags => "globalTags",
            Aspect::RunProperties => "dataProcessInstanceProperties",
            Aspect::RunRelationships => "dataProcessInstanceRelationships",
            Aspect::RunInput => "dataProcessInstanceInput",
            Aspect::RunOutput => "dataProcessInstanceOutput",
            Aspect::RunEvent => "dataProcessInstanceRunEvent",
        }
    }

    /// Whether each proposal is kept, by its time, and none replaces another.
    pub(super) fn is_time_series(self) -> bool {
        self == Aspect::RunEvent
    }

    /// What identifies an element of an array, where users and other sources add elements that only their attribution tells
    /// apart. DataHub's own client sends the same (`datahub/specific/aspect_helpers/{ownership,tags}.py`), but for owners with
    /// those last that may be empty. A server before <https://github.com/datahub-project/datahub/pull/17449> splits a path with
    /// Java's `split`, which drops empty parts from the end, and answers 500; empty parts before others are kept. For the
    /// arrays of other aspects the server knows the keys (`UpstreamLineageTemplate.java`, `DataJobInputOutputTemplate.java`).
    fn array_keys(self) -> Option<Value> {
        match self {
            Aspect::Ownership => {
                Some(json!({"owners": ["attribution\u{241f}source", "typeUrn", "owner", "type"]}))
            }
            Aspect::GlobalTags => Some(json!({"tags": ["attribution\u{241f}source", "tag"]})),
            Aspect::Status
            | Aspect::PlatformInstance
            | Aspect::DatasetProperties
            | Aspect::SchemaMetadata
            | Aspect::UpstreamLineage
            | Aspect::FlowInfo
            | Aspect::JobInfo
            | Aspect::JobInputOutput
            | Aspect::RunProperties
            | Aspect::RunRelationships
            | Aspect::RunInput
            | Aspect::RunOutput
            | Aspect::RunEvent => None,
        }
    }
}

impl Addition {
    /// Adds a value at a path of these parts.
    pub(super) fn new(path: &[&str], value: Value) -> Addition {
        let pointer = |part: &&str| format!("/{}", part.replace('~', "~0").replace('/', "~1"));
        Addition {
            path: path.iter().map(pointer).collect(),
            value,
        }
    }

    fn to_json(&self) -> Value {
        json!({"op": "add", "path": self.path, "value": self.value})
    }
}

impl Proposal {
    pub(super) fn upsert(urn: &Urn, aspect: Aspect, value: Value) -> Proposal {
        Proposal {
            urn: urn.clone(),
            aspect,
            change: Change::Upsert(value),
        }
    }

    /// A patch, if it adds anything.
    pub(super) fn patch(urn: &Urn, aspect: Aspect, additions: Vec<Addition>) -> Option<Proposal> {
        (!additions.is_empty()).then(|| Proposal {
            urn: urn.clone(),
            aspect,
            change: Change::Patch(additions),
        })
    }

    /// The proposal as a request has it.
    pub(super) fn to_json(&self) -> String {
        let (change_type, content_type, value) = match &self.change {
            Change::Upsert(value) => ("UPSERT", "application/json", value.to_string()),
            Change::Patch(additions) => {
                let patch: Vec<Value> = additions.iter().map(Addition::to_json).collect();
                let patch = match self.aspect.array_keys() {
                    Some(keys) => json!({"arrayPrimaryKeys": keys, "patch": patch}),
                    None => Value::from(patch),
                };
                ("PATCH", "application/json-patch+json", patch.to_string())
            }
        };
        let proposal = json!({
            "entityType": self.urn.entity.name(),
            "entityUrn": self.urn.as_str(),
            "changeType": change_type,
            "aspectName": self.aspect.name(),
            "aspect": {"value": ascii(&value), "contentType": content_type},
        });
        proposal.to_string()
    }
}

/// An object with one more member, if that has a value.
pub(super) fn with(object: Value, name: &str, value: Option<Value>) -> Value {
    let mut object = object;
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
    object
}

/// JSON with every character beyond ASCII escaped. The value of an aspect is bytes, which Rest.li writes as a text with one
/// character a byte (<https://linkedin.github.io/rest.li/how_data_is_serialized_for_transport>): a character beyond U+00FF is
/// an error to it, and one below would be half a character of UTF-8.
fn ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        match c.is_ascii() {
            true => escaped.push(c),
            false => {
                for unit in c.encode_utf16(&mut units) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_value_of_an_aspect_is_ascii_and_means_the_same(text in any::<String>()) {
            let value = json!({ "name": text });
            let escaped = ascii(&value.to_string());
            prop_assert!(escaped.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), value);
        }
    }

    #[test]
    fn a_patch_escapes_its_path() {
        let urn = Urn::dataset("s3", "b/k~1", "PROD").unwrap();
        let additions = vec![Addition::new(&["upstreams", urn.as_str()], json!({}))];
        let proposal = Proposal::patch(&urn, Aspect::UpstreamLineage, additions).unwrap();
        let json: Value = serde_json::from_str(&proposal.to_json()).unwrap();
        assert_eq!(json["changeType"], "PATCH");
        let patch: Value = serde_json::from_str(json["aspect"]["value"].as_str().unwrap()).unwrap();
        let path = "/upstreams/urn:li:dataset:(urn:li:dataPlatform:s3,b~1k~01,PROD)";
        assert_eq!(patch, json!([{"op": "add", "path": path, "value": {}}]));
    }
}
