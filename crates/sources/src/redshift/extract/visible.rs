//! What the reader may not see of a history: views that are denied, and the statements of others. Said once.

use std::collections::BTreeSet;

use super::{OWN_LABEL, Run};
use crate::{Finding, FindingRule};

impl Run<'_> {
    /// Says once which views cannot be read. One that can be again is forgotten.
    pub(super) fn invisible(&mut self) {
        for (view, reason) in &self.poll.history.invisible {
            if self.state.invisible.insert(view.name().to_owned()) {
                self.findings.push(Finding {
                    rule: FindingRule::NotVisible,
                    place: view.name().to_owned(),
                    message: format!("done without: {reason}"),
                });
            }
        }
    }

    /// Says once if no statement of others was seen. Returns whether nothing has to be said any more.
    pub(super) fn visibility(&mut self) -> bool {
        let queries = || self.poll.history.queries.values();
        let own: BTreeSet<i64> = queries()
            .filter(|query| query.label == OWN_LABEL)
            .map(|query| query.user)
            .collect();
        let sees_others = queries().any(|query| !own.contains(&query.user));
        if sees_others || self.state.visibility_known || own.is_empty() {
            return sees_others || self.state.visibility_known;
        }
        self.findings.push(Finding {
            rule: FindingRule::NotVisible,
            place: "sys_query_history".to_owned(),
            message: "only statements of the user that reads are seen: if others ran any, grant the role sys:monitor to it".to_owned(),
        });
        true
    }
}
