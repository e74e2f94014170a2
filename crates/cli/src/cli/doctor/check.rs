//! Invokes the check function for an hour in which there are no events: whether it may list them, by the role of the domain's
//! account if there is one, shows in no other way. Nothing is counted, and one line is logged.

use aws::Aws;
use aws::lambda::{Invocation, Invoke};
use serde_json::Value;

use super::Step;
use super::assumed_role::AssumedRole;
use super::parts::unseen;
use crate::cli::stack::Stack;

const STEP: &str = "check";

/// The time of an invocation, as EventBridge gives it: before DataZone existed.
const LONG_AGO: &str = r#"{"time":"2000-01-01T00:40:00Z"}"#;

/// Tries the check function, if the stack has one.
pub(super) async fn step(aws: &Aws, stack: &Stack) -> Option<Step> {
    let invoke = Invoke {
        function_name: stack.optional("CheckFunction")?.to_owned(),
        payload: LONG_AGO.into(),
    };
    Some(match aws.client().send(&invoke).await {
        Ok(invocation) => judged(&invocation, stack),
        Err(error) => unseen(STEP, &error, "lambda:InvokeFunction"),
    })
}

/// Why a function failed, if it did.
pub(super) fn failure(invocation: &Invocation) -> Option<String> {
    invocation.function_error.as_ref()?;
    let answer: Value = serde_json::from_slice(&invocation.payload).unwrap_or_default();
    let error = answer.get("errorMessage").and_then(Value::as_str);
    Some(error.unwrap_or("it failed without a message").to_owned())
}

fn judged(invocation: &Invocation, stack: &Stack) -> Step {
    let Some(error) = &failure(invocation) else {
        return Step::good(STEP, "it may list the events of the domain");
    };
    let role = (stack.optional("CheckRoleArn")).unwrap_or("the check function's role");
    let advice = match AssumedRole::Target.is_cause_of(error, stack) {
        true => AssumedRole::Target.advice(role, stack),
        false => format!(
            "let {role} (or TargetRoleArn) use datazone:ListLineageEvents on the domain, and the customer key of the domain if it has one (DomainKmsKeyArn); its log says more"
        ),
    };
    Step::bad(STEP, error, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn a_role_that_may_not_be_assumed_is_named_with_who_assumes_it() {
        let stack = Stack::with(
            "s",
            &[
                ("TargetRoleArn", "arn:aws:iam::2:role/poster"),
                ("TargetExternalId", "team-a"),
            ],
            &[("CheckRoleArn", "arn:aws:iam::1:role/s-CheckRole-a")],
        );
        let failed = |message: &str| {
            let error = serde_json::json!({"errorType": "e", "errorMessage": message});
            let invocation = Invocation {
                function_error: Some("Unhandled".to_owned()),
                payload: error.to_string().into(),
            };
            let step = judged(&invocation, &stack);
            (step.verdict, step.advice.unwrap_or_default())
        };
        let (verdict, advice) = failed("x is not authorized to perform: sts:AssumeRole");
        assert_eq!(verdict, Verdict::Bad);
        assert!(advice.starts_with(
            "let arn:aws:iam::2:role/poster trust arn:aws:iam::1:role/s-CheckRole-a:"
        ));
        assert!(advice.contains("the external id team-a or none"));
        let (_, advice) = failed("AccessDeniedException");
        assert!(advice.contains("datazone:ListLineageEvents"));
        assert_eq!(
            judged(&Invocation::default(), &stack).verdict,
            Verdict::Good
        );
    }
}
