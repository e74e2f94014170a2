//! The roles that functions assume, by the parameters that name them: whether an error is about one, and what lets it be assumed.

use crate::cli::stack::Stack;

/// The action that STS names where a role may not be assumed. Both sides have to allow it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html>), and no call
/// predicts it: IAM's simulator evaluates no trust policy, and `sts:AssumeRole` answers for its own caller only.
const ASSUME_ROLE: &str = "sts:AssumeRole";

/// A role that functions of a stack assume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AssumedRole {
    /// That which posts to the target.
    Target,
    /// That which reads a source.
    Source,
}

impl AssumedRole {
    /// Whether an error says that the role may not be assumed. The SDK says only that it has no credentials: a function has its
    /// own in the environment, so it is those of the stack's role that it could not load.
    pub(super) fn is_cause_of(self, error: &str, stack: &Stack) -> bool {
        let has_role = stack.parameter(self.parameter()).is_some();
        error.contains(ASSUME_ROLE) || (has_role && error.contains("while loading credentials"))
    }

    /// What lets `assumer` assume it.
    pub(super) fn advice(self, assumer: &str, stack: &Stack) -> String {
        let role = stack.parameter(self.parameter());
        let role = role.unwrap_or(self.parameter());
        let (parameter, section) = match self {
            AssumedRole::Target => ("TargetExternalId", "A domain in another account"),
            AssumedRole::Source => ("ExternalId", "A source in another account"),
        };
        let external_id = match stack.parameter(parameter) {
            Some(id) => format!("the external id {id} or none"),
            None => format!("no external id, unless {parameter} has it"),
        };
        format!(
            "let {role} trust {assumer}: its account as the principal, the role in a condition on aws:PrincipalArn (docs/aws.md, \"{section}\"), and {external_id}; and let no permissions boundary or organization policy deny it"
        )
    }

    fn parameter(self) -> &'static str {
        match self {
            AssumedRole::Target => "TargetRoleArn",
            AssumedRole::Source => "RoleArn",
        }
    }
}
