//! The environments that DataHub knows: its `FabricType`
//! (<https://github.com/datahub-project/datahub/blob/master/li-utils/src/main/pegasus/com/linkedin/common/FabricType.pdl>).

use settings::Choice;

/// An environment of datasets, called fabric or origin in DataHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Environment(&'static str);

impl Environment {
    pub(super) const fn name(self) -> &'static str {
        self.0
    }
}

impl Default for Environment {
    fn default() -> Environment {
        Environment("PROD")
    }
}

impl Choice for Environment {
    const CHOICES: &'static [(&'static str, Environment)] = &[
        ("PROD", Environment("PROD")),
        ("DEV", Environment("DEV")),
        ("TEST", Environment("TEST")),
        ("QA", Environment("QA")),
        ("UAT", Environment("UAT")),
        ("EI", Environment("EI")),
        ("PRE", Environment("PRE")),
        ("STG", Environment("STG")),
        ("NON_PROD", Environment("NON_PROD")),
        ("CORP", Environment("CORP")),
        ("RVW", Environment("RVW")),
        ("PRD", Environment("PRD")),
        ("TST", Environment("TST")),
        ("SIT", Environment("SIT")),
        ("SBX", Environment("SBX")),
        ("SANDBOX", Environment("SANDBOX")),
        ("CERT", Environment("CERT")),
    ];
}
