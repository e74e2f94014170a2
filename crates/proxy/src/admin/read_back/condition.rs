//! Whether an event has the names that a query asks for. Pure.

use openlineage::{Identity, Json};
use uuid::Uuid;

/// The names of a query. All that are given have to match, each exactly.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// The name of the job.
    pub(super) job: Option<String>,
    /// The id of the run.
    pub(super) run: Option<Uuid>,
    /// The namespace of the job where one is asked for, or else that of the dataset, or else that of any of both.
    pub(super) namespace: Option<String>,
    /// The name of an input, an output, or the dataset of a DatasetEvent.
    pub(super) dataset: Option<String>,
}

impl Names {
    pub(super) fn is_empty(&self) -> bool {
        let Names {
            job,
            run,
            namespace,
            dataset,
        } = self;
        job.is_none() && run.is_none() && namespace.is_none() && dataset.is_none()
    }

    /// Whether the event with this text has these names.
    pub(super) fn match_event(&self, text: &str) -> bool {
        let names = [&self.job, &self.namespace, &self.dataset];
        if names
            .into_iter()
            .flatten()
            .any(|name| !may_contain(text, name))
        {
            return false;
        }
        let Ok(event) = Json::parse(text) else {
            return false;
        };
        self.has_run(event) && self.has_names(event)
    }

    fn has_run(&self, event: Json<'_>) -> bool {
        let Some(run) = self.run else { return true };
        let id = event.at(&["run", "runId"]).and_then(Json::string);
        id.and_then(|id| Uuid::try_parse(&id).ok()) == Some(run)
    }

    fn has_names(&self, event: Json<'_>) -> bool {
        let job = event.get("job").and_then(Identity::of);
        let datasets = || {
            let lists = ["inputs", "outputs"].into_iter();
            let listed = lists.filter_map(move |list| event.get(list));
            let listed = listed.flat_map(Json::items).chain(event.get("dataset"));
            listed.filter_map(Identity::of)
        };
        let in_namespace =
            |it: &Identity| self.namespace.as_ref().is_none_or(|n| *n == it.namespace);
        let is_job = |name: &String| job.iter().any(|it| it.name == *name && in_namespace(it));
        match (&self.job, &self.dataset) {
            (Some(name), None) => is_job(name),
            (Some(name), Some(dataset)) => is_job(name) && datasets().any(|it| it.name == *dataset),
            (None, Some(dataset)) => datasets().any(|it| it.name == *dataset && in_namespace(&it)),
            (None, None) => {
                self.namespace.is_none()
                    || job.iter().any(in_namespace)
                    || datasets().any(|it| in_namespace(&it))
            }
        }
    }
}

/// Whether a JSON text may contain a string: false is certain. Much cheaper than parsing. Only some characters have to be
/// written with an escape, but `\u` and `\/` can stand for others.
fn may_contain(text: &str, name: &str) -> bool {
    let is_plain = |c: char| c != '"' && c != '\\' && !c.is_control();
    text.contains(name)
        || !name.chars().all(is_plain)
        || text.contains("\\u")
        || text.contains("\\/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"run":{"runId":"01A1FAA6-e194-708b-a993-cc010cbe1ae4"},"job":{"namespace":"air","name":"d\u0061g.load"},
        "inputs":[{"namespace":"pg","name":"a"}],"outputs":[{"namespace":"s3","name":"b \"c\""}],"x":{"name":"other","namespace":"none"}}"#;

    fn matches(job: &str, run: &str, namespace: &str, dataset: &str) -> bool {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let names = Names {
            job: given(job),
            run: given(run).map(|run| run.parse().unwrap()),
            namespace: given(namespace),
            dataset: given(dataset),
        };
        names.match_event(EVENT)
    }

    #[test]
    fn a_name_matches_where_the_specification_has_it_and_nowhere_else() {
        assert!(matches("dag.load", "", "air", ""));
        assert!(!matches("dag.load", "", "pg", ""), "of another one");
        assert!(!matches("dag", "", "", ""), "a part of it");
        assert!(!matches("other", "", "", ""), "not a position of a job");
        assert!(matches("", "", "", "a") && matches("", "", "", "b \"c\""));
        assert!(matches("", "", "s3", "b \"c\"") && !matches("", "", "s3", "a"));
        assert!(matches("dag.load", "", "air", "a") && !matches("dag.load", "", "", "none"));
        assert!(matches("", "", "pg", "") && matches("", "", "air", ""));
        assert!(!matches("", "", "none", ""));
    }

    #[test]
    fn a_run_matches_whatever_the_case_of_its_id() {
        assert!(matches("", "01a1faa6-e194-708b-a993-cc010cbe1ae4", "", ""));
        assert!(!matches("", "01a1faa6-e194-708b-a993-cc010cbe1ae5", "", ""));
    }

    #[test]
    fn a_dataset_event_matches_by_its_dataset() {
        let names = Names {
            job: None,
            run: None,
            namespace: Some("pg".to_owned()),
            dataset: Some("a".to_owned()),
        };
        assert!(names.match_event(r#"{"dataset":{"namespace":"pg","name":"a"}}"#));
        assert!(!names.match_event(r#"{"dataset":{"namespace":"pg","name":"b"},"y":"a"}"#));
        assert!(!names.match_event("pg a"));
    }
}
