//! A deployed stack: what its outputs say of it. Used by the commands that take `--stack`.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::Aws;
use aws::cloudformation::DescribeStacks;
use proxy::aws_error::summarize;

/// For one call: a person waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Why a stack cannot be operated: it is not there, or it is not one of ours.
#[derive(Debug, thiserror::Error)]
#[error("stack {name}: {why}")]
pub(super) struct Unknown {
    name: String,
    why: String,
}

/// A stack and its outputs.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub(super) name: String,
    /// `CREATE_COMPLETE` and the like.
    pub(super) status: String,
    outputs: BTreeMap<String, String>,
}

/// The AWS configuration of whoever runs the command.
pub(super) fn aws() -> Aws {
    Aws::with_operation_timeout(PATIENCE)
}

impl Stack {
    /// Looks the stack up, by its name or id.
    pub(super) async fn find(aws: &Aws, name: &str) -> Result<Stack, Unknown> {
        let unknown = |why: String| Unknown {
            name: name.to_owned(),
            why,
        };
        if aws.config().await.region().is_none() {
            let why = "in which region? Set AWS_REGION, or a profile with one".to_owned();
            return Err(unknown(why));
        }
        let describe = DescribeStacks {
            stack_name: Some(name.to_owned()),
            next_token: None,
        };
        let answer = aws.client().send(&describe).await;
        let answer = answer.map_err(|error| unknown(summarize(&error)))?;
        let stack = answer.stacks.into_iter().next();
        let stack = stack.ok_or_else(|| unknown("there is none of that name".to_owned()))?;
        Ok(Stack {
            name: name.to_owned(),
            status: stack.status,
            outputs: stack.outputs.into_iter().collect(),
        })
    }

    /// An output that every stack of ours has.
    pub(super) fn output(&self, key: &str) -> Result<&str, Unknown> {
        self.optional(key).ok_or_else(|| Unknown {
            name: self.name.clone(),
            why: format!(
                "it has no output {key} (status {}): is it one of lineage-proxy, and complete?",
                self.status
            ),
        })
    }

    /// An output that some stacks have.
    pub(super) fn optional(&self, key: &str) -> Option<&str> {
        self.outputs.get(key).map(String::as_str)
    }
}
