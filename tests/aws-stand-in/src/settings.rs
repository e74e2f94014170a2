//! What the stand-in is and does, and how a test changes it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    AssumableRole, Cluster, Crawlers, Fault, GlueFault, LogGroup, StatementFault, Workgroup,
};

/// What the stand-in is and does; each can be changed while it runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The one domain that there is.
    pub domain: String,
    /// The customer key that it is encrypted with.
    pub domain_key: Option<String>,
    /// Posts a second, in bursts of as many; 0 for no limit.
    pub rate: u32,
    /// How long each answer takes.
    pub latency_ms: u64,
    /// What goes wrong, the first that matches.
    pub faults: Vec<Fault>,
    /// Serverless workgroups by name.
    pub workgroups: BTreeMap<String, Workgroup>,
    /// Provisioned clusters by identifier.
    pub clusters: BTreeMap<String, Cluster>,
    /// Whether look-ups are refused.
    pub lookups_denied: bool,
    /// Whether only GetWorkgroup is.
    pub workgroups_denied: bool,
    /// Whether only DescribeClusters is.
    pub clusters_denied: bool,
    /// Whether look-ups of names that contain this are never answered.
    pub lookups_hang: Option<String>,
    /// Whether look-ups are throttled.
    pub lookups_throttled: bool,
    /// Whether posts are refused, before any fault.
    pub posts_denied: bool,
    /// How much longer ago than in truth events were posted, for those who look at old ones.
    pub age_ms: u64,
    /// Whether events may not be listed and read.
    pub reads_denied: bool,
    /// How long an event is processed after it was accepted.
    pub processing_ms: u64,
    /// Events that contain this text are FAILED in the end.
    pub processing_fails: Option<String>,
    /// Errors of Glue, the first that matches.
    pub glue_faults: Vec<GlueFault>,
    /// Before so many updates of tables of Glue somebody else writes the table.
    pub glue_writers: u32,
    /// Crawlers of Glue, with what they keep.
    pub crawlers: Crawlers,
    /// Log groups of CloudWatch Logs by name.
    pub log_groups: BTreeMap<String, LogGroup>,
    /// The rows that statements of Redshift's Data API answer from, by view, as GetStatementResult has them.
    pub redshift_views: BTreeMap<String, serde_json::Value>,
    /// Failures of those statements, the first that matches.
    pub redshift_faults: Vec<StatementFault>,
    /// The rows of a page.
    pub redshift_page: usize,
    /// How often a statement is asked for until it has ended, at most 3.
    pub redshift_waits: usize,
    /// Statements that contain this text run until they are cancelled.
    pub redshift_hangs: Option<String>,
    /// What a role may do at Glue and Redshift, as IAM names actions: `glue:GetTables`. Everything else there is refused.
    pub allowed: Option<BTreeSet<String>>,
    /// The roles that STS lets the caller assume, by ARN.
    pub roles: BTreeMap<String, AssumableRole>,
    /// The role that owns what Glue and Redshift have: they refuse everyone else, as services of another account do.
    pub owner: Option<String>,
    /// How many items of a batch of DynamoDB are left out, up to half of them.
    pub unprocessed: usize,
}

impl Settings {
    /// Returns settings with a Redshift warehouse of each kind: `wg.eu-west-1` and `dwh.us-east-1`.
    #[must_use]
    pub fn warehouses() -> Settings {
        let workgroup = Workgroup {
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            port: 5439,
        };
        let cluster = Cluster {
            address: "dwh.abc123.us-east-1.redshift.amazonaws.com".into(),
            port: 5439,
        };
        Settings {
            workgroups: [("wg".to_owned(), workgroup)].into(),
            clusters: [("dwh".to_owned(), cluster)].into(),
            ..Settings::default()
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            domain: "dzd_standin".to_owned(),
            domain_key: None,
            rate: 20,
            latency_ms: 0,
            faults: Vec::new(),
            workgroups: BTreeMap::new(),
            clusters: BTreeMap::new(),
            lookups_denied: false,
            workgroups_denied: false,
            clusters_denied: false,
            lookups_hang: None,
            lookups_throttled: false,
            posts_denied: false,
            age_ms: 0,
            reads_denied: false,
            processing_ms: 0,
            processing_fails: None,
            glue_faults: Vec::new(),
            glue_writers: 0,
            crawlers: Crawlers::default(),
            log_groups: BTreeMap::new(),
            redshift_views: BTreeMap::new(),
            redshift_faults: Vec::new(),
            redshift_page: 100,
            redshift_waits: 1,
            redshift_hangs: None,
            allowed: None,
            roles: BTreeMap::new(),
            owner: None,
            unprocessed: 0,
        }
    }
}
