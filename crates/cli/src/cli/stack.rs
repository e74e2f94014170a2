//! Reads a deployed stack, its parameters and its outputs. Used by the commands that take `--stack`.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::Aws;
use aws::cloudformation::DescribeStacks;
use proxy::aws_error::summarize;

/// The timeout of one call, for which a user waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A stack that does not exist, or that is not a stack of lineage-proxy.
#[derive(Debug, thiserror::Error)]
#[error("stack {name}: {why}")]
pub(super) struct StackError {
    name: String,
    why: String,
}

/// A stack, its parameters and its outputs.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub(super) name: String,
    /// `CREATE_COMPLETE` and the like.
    pub(super) status: String,
    parameters: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
}

/// Returns access to AWS with the credentials of the user.
pub(super) fn aws() -> Aws {
    Aws::with_operation_timeout(PATIENCE)
}

impl Stack {
    /// Finds the stack by its name or id.
    pub(super) async fn find(aws: &Aws, name: &str) -> Result<Stack, StackError> {
        let unknown = |why: String| StackError {
            name: name.to_owned(),
            why,
        };
        if aws.config().await.region().is_none() {
            let why =
                "no region is configured: set AWS_REGION, or a region in the profile".to_owned();
            return Err(unknown(why));
        }
        let describe = DescribeStacks {
            stack_name: Some(name.to_owned()),
            next_token: None,
        };
        let answer = aws.client().send(&describe).await;
        let answer = answer.map_err(|error| unknown(summarize(&error)))?;
        let stack = answer.stacks.into_iter().next();
        let stack = stack.ok_or_else(|| unknown("there is no stack with that name".to_owned()))?;
        Ok(Stack::from(stack).found_as(name))
    }

    /// Names the stack as it is found again: by its name, to which other stacks refer, or by the id that was given if it was
    /// deleted, which has no name any more.
    fn found_as(self, given: &str) -> Stack {
        let name = match self.status == "DELETE_COMPLETE" {
            true => given.to_owned(),
            false => self.name,
        };
        Stack { name, ..self }
    }

    /// Returns all stacks of the region, which `cloudformation:DescribeStacks` on every stack allows.
    pub(super) async fn all(aws: &Aws) -> Result<Vec<Stack>, aws::Error> {
        let mut pages = aws.client().pages(DescribeStacks::default());
        let mut stacks = Vec::new();
        while let Some(page) = pages.next().await {
            stacks.extend(page?.stacks.into_iter().map(Stack::from));
        }
        Ok(stacks)
    }

    /// Returns a parameter that some stacks have, unless it is empty.
    pub(super) fn parameter(&self, key: &str) -> Option<&str> {
        let value = self.parameters.get(key).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// Returns an output that every stack of lineage-proxy has.
    pub(super) fn output(&self, key: &str) -> Result<&str, StackError> {
        self.optional(key).ok_or_else(|| StackError {
            name: self.name.clone(),
            why: format!(
                "it has no output {key} (status {}): is it a stack of lineage-proxy, and is its deployment complete?",
                self.status
            ),
        })
    }

    /// Returns an output that some stacks have.
    pub(super) fn optional(&self, key: &str) -> Option<&str> {
        self.outputs.get(key).map(String::as_str)
    }
}

impl From<aws::cloudformation::Stack> for Stack {
    fn from(stack: aws::cloudformation::Stack) -> Stack {
        Stack {
            name: stack.name,
            status: stack.status,
            parameters: stack.parameters.into_iter().collect(),
            outputs: stack.outputs.into_iter().collect(),
        }
    }
}

#[cfg(test)]
impl Stack {
    /// A stack for tests, without a call.
    pub(super) fn with(name: &str, parameters: &[(&str, &str)], outputs: &[(&str, &str)]) -> Stack {
        let owned = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            pairs.collect()
        };
        Stack {
            name: name.to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            parameters: owned(parameters),
            outputs: owned(outputs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_that_was_found_by_its_id_has_the_name_that_others_refer_to() {
        let id = "arn:aws:cloudformation:eu-west-1:111122223333:stack/main/0a1b";
        let found = Stack::with("main", &[], &[]).found_as(id);
        assert_eq!(found.name, "main");
        let deleted = Stack {
            status: "DELETE_COMPLETE".to_owned(),
            ..Stack::with("main", &[], &[])
        };
        assert_eq!(deleted.found_as(id).name, id);
    }
}
