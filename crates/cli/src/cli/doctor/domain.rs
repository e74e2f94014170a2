//! Checks the domain of DataZone: that it can be read, and whether its version or its key ask for permissions of their own.

use aws::Aws;

use super::Step;
use super::parts::{datazone, unseen};
use crate::cli::stack::Stack;

const STEP: &str = "domain";

/// Checks the domain, if DataZone is the target.
pub(super) async fn step(aws: &Aws, stack: &Stack) -> anyhow::Result<Option<Step>> {
    let Some(domain) = stack.optional("DomainId") else {
        return Ok(None);
    };
    let client = datazone(aws, stack).await;
    let list = client.list_lineage_events().domain_identifier(domain);
    if let Err(error) = list.max_results(1).send().await {
        return Ok(Some(unseen(STEP, &error, "datazone:ListLineageEvents")));
    }
    Ok(Some(
        match client.get_domain().identifier(domain).send().await {
            Ok(found) => {
                let version = found.domain_version().map(|version| version.as_str());
                judged(domain, version, found.kms_key_identifier(), stack)
            }
            Err(error) => unseen(STEP, &error, "datazone:GetDomain"),
        },
    ))
}

fn judged(domain: &str, version: Option<&str>, key: Option<&str>, stack: &Stack) -> Step {
    let version = version.map_or(String::new(), |version| format!(", of version {version}"));
    let found = format!("{domain} lists its lineage events{version}");
    let own = stack.parameter("DomainKmsKeyArn");
    match key {
        // The role that posts has to be allowed to encrypt and decrypt with that key (Amazon SageMaker Unified Studio user guide, "Permissions
        // required for data lineage").
        Some(key) if stack.parameter("TargetRoleArn").is_some() => {
            let found = format!("{found}, encrypted with {key}");
            let advice = "TargetRoleArn needs kms:Encrypt, kms:Decrypt, kms:GenerateDataKey and kms:DescribeKey on that key, which cannot be checked from here";
            match own {
                Some(own) if own == key => Step::good(STEP, found),
                Some(_) | None => Step::unsure(STEP, found, advice),
            }
        }
        Some(key) if own != Some(key) => {
            let found = format!("{found}, encrypted with {key}, which the functions may not use");
            Step::bad(
                STEP,
                found,
                format!("deploy with DomainKmsKeyArn={key}, and let its policy trust the account"),
            )
        }
        Some(key) => Step::good(STEP, format!("{found}, encrypted with {key}")),
        None => Step::good(STEP, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn a_key_that_the_functions_may_not_use_is_named() {
        const KEY: &str = "arn:aws:kms:eu-west-1:1:key/k";
        let verdict = |key: Option<&str>, parameters: &[(&str, &str)]| {
            let stack = Stack::with("s", parameters, &[]);
            judged("dzd_1", Some("V2"), key, &stack).verdict
        };
        assert_eq!(verdict(None, &[]), Verdict::Good);
        assert_eq!(verdict(Some(KEY), &[]), Verdict::Bad);
        assert_eq!(
            verdict(Some(KEY), &[("DomainKmsKeyArn", "other")]),
            Verdict::Bad
        );
        assert_eq!(
            verdict(Some(KEY), &[("DomainKmsKeyArn", KEY)]),
            Verdict::Good
        );
        assert_eq!(
            verdict(Some(KEY), &[("TargetRoleArn", "r")]),
            Verdict::Unsure
        );
    }
}
