//! The settings of this source.

use ::sources::flyte::{DatasetNaming, FlyteOptions, TaskName, WorkflowName};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{CheckedText, Choice, Format, OneOf, Seconds, Setting, Size, Text, TextCheck};

use crate::SettingError;
use crate::sqs::{MAX_VISIBILITY_SECONDS, QueueUrl, SqsConfig, SqsSettings};

/// The most bytes of objects for one message. Flyte itself refuses outputs above 10 MB
/// (`flytepropeller`, `max-output-size-bytes`), and decoded they are some thirty times as large.
const MAX_LITERAL_BYTES: u64 = 10_000_000;

/// References to thousands of files.
const LITERAL_BYTES: u64 = 2_000_000;

/// The settings of a source of Flyte's events.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FlyteSettings {
    /// The URL of the queue that subscribes to the topic of Flyte. Required.
    pub queue_url: Option<Setting<CheckedText<QueueUrl>>>,
    /// The host of the Flyte cluster. Jobs are in the namespace `flyte://CLUSTER`, and run ids are made of it: choose it once.
    /// Required.
    pub cluster: Option<Setting<CheckedText<Cluster>>>,
    /// How executions are named: `execution` gives all events of a run the same job, `PROJECT.DOMAIN.execution`; `launch_plan`
    /// takes the launch plan or the module of the task, where an event has one.
    pub workflow_name: Setting<OneOf<Workflow>>,
    /// How tasks are named, with `{project}`, `{domain}`, `{module}`, `{task}` and `{node}`.
    pub task_name: Setting<TaskNameFormat>,
    /// How the data that tasks exchange is named: `physical` by its URI, which is a new one in each execution; `logical` by
    /// the node that wrote it.
    pub dataset_naming: Setting<OneOf<Naming>>,
    /// A regular expression for the beginning of URIs. What it matches is the dataset, and what follows is left out.
    pub dataset_prefix: Option<Setting<UriPrefix>>,
    /// What the URIs of the objects begin with in which Flyte keeps inputs and outputs, such as `s3://BUCKET/metadata/`.
    /// Others are not read.
    pub literals: Option<Setting<CheckedText<S3Prefix>>>,
    /// The region of the bucket with these objects, if it differs from that of the process.
    pub bucket_region: Option<Setting<Text>>,
    /// The most bytes of objects that are read for one message, up to 10 MB. An event whose objects are larger has no datasets.
    pub max_literal_bytes: Setting<Size>,
    /// How long a received message is invisible to other receivers: longer than the queue of this process may be out of reach.
    pub visibility_timeout: Setting<Seconds<30, MAX_VISIBILITY_SECONDS>>,
    /// How long a request waits for a message.
    pub wait: Setting<Seconds<0, 20>>,
}

/// The settings of a source of Flyte's events, checked.
#[derive(Debug, Clone)]
pub struct FlyteConfig {
    /// How events are named.
    pub options: FlyteOptions,
    /// The queue.
    pub queue: SqsConfig,
    /// What the URIs of objects begin with that may be read.
    pub literals: Option<String>,
    /// The region of the objects, if it differs from that of the process.
    pub bucket_region: Option<String>,
    /// The most bytes of objects for one message.
    pub max_literal_bytes: usize,
}

/// The settings for messages that were saved.
#[derive(Debug, Clone)]
pub(crate) struct SavedFlyte {
    pub(crate) options: FlyteOptions,
    /// What the URIs of objects begin with that may be read.
    pub(crate) literals: Option<String>,
    /// The most bytes of objects for one message.
    pub(crate) max_literal_bytes: usize,
}

/// The host of a cluster, which becomes a part of namespaces.
pub enum Cluster {}

/// What URIs of S3 begin with.
pub enum S3Prefix {}

/// A template for names of tasks.
pub enum TaskNameFormat {}

/// A regular expression for the beginning of a URI.
pub enum UriPrefix {}

/// How executions are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Workflow {
    /// By a constant.
    #[default]
    Execution,
    /// By what an event says.
    LaunchPlan,
}

/// How data is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// By URI.
    #[default]
    Physical,
    /// By node.
    Logical,
}

impl Choice for Workflow {
    const CHOICES: &'static [(&'static str, Workflow)] = &[
        ("execution", Workflow::Execution),
        ("launch_plan", Workflow::LaunchPlan),
    ];
}

impl Choice for Naming {
    const CHOICES: &'static [(&'static str, Naming)] =
        &[("physical", Naming::Physical), ("logical", Naming::Logical)];
}

impl TextCheck for Cluster {
    const EXPECTED: &'static str = "a host name, with a port if need be";

    fn is_valid(text: &str) -> bool {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        !text.is_empty() && text.len() <= 255 && text.chars().all(is_plain)
    }
}

impl TextCheck for S3Prefix {
    const EXPECTED: &'static str = "a bucket and a prefix such as s3://BUCKET/metadata/";

    /// With the slash after the bucket: `s3://flyte` would also be the beginning of `s3://flyte-of-others/`.
    fn is_valid(text: &str) -> bool {
        let location = text
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/'));
        location.is_some_and(|(bucket, _)| aws::s3::is_bucket(bucket))
    }
}

impl Format for TaskNameFormat {
    type Value = TaskName;

    fn expected() -> String {
        "a name with placeholders such as {module}.{task}".to_owned()
    }

    fn values() -> String {
        "template".to_owned()
    }

    fn parse(text: &str) -> Result<TaskName, String> {
        TaskName::parse(text).map_err(|error| error.to_string())
    }

    fn show(value: &TaskName) -> String {
        value.to_string()
    }
}

impl Format for UriPrefix {
    type Value = Regex;

    fn expected() -> String {
        "a regular expression such as ^s3://lake/curated/[^/]+".to_owned()
    }

    fn values() -> String {
        "regular expression".to_owned()
    }

    fn parse(text: &str) -> Result<Regex, String> {
        Regex::new(text).map_err(|error| error.to_string())
    }

    fn show(value: &Regex) -> String {
        value.to_string()
    }
}

impl Default for FlyteSettings {
    fn default() -> FlyteSettings {
        let SqsSettings {
            queue_url,
            visibility_timeout,
            wait,
        } = SqsSettings::default();
        FlyteSettings {
            queue_url,
            cluster: None,
            workflow_name: Setting(Workflow::default()),
            task_name: Setting(TaskName::default()),
            dataset_naming: Setting(Naming::default()),
            dataset_prefix: None,
            literals: None,
            bucket_region: None,
            max_literal_bytes: Setting(LITERAL_BYTES),
            visibility_timeout,
            wait,
        }
    }
}

impl FlyteSettings {
    /// Checks that all settings are present that are required, and within their limits.
    ///
    /// # Errors
    ///
    /// The queue or the cluster is missing, or the limit of bytes is too high.
    pub fn validate(mut self) -> Result<FlyteConfig, Vec<SettingError>> {
        let queue_url = self.queue_url.take().map(Setting::into_value);
        let bucket_region = self.bucket_region.take().map(Setting::into_value);
        let (visibility_timeout, wait) = (*self.visibility_timeout, *self.wait);
        match (queue_url, self.saved()) {
            (Some(queue_url), Ok(saved)) => Ok(FlyteConfig {
                options: saved.options,
                queue: SqsConfig {
                    queue_url,
                    visibility_timeout,
                    wait,
                },
                literals: saved.literals,
                bucket_region,
                max_literal_bytes: saved.max_literal_bytes,
            }),
            (queue_url, saved) => {
                let missing = queue_url.is_none().then(|| required("queue_url"));
                let others = saved.err().unwrap_or_default();
                Err(missing.into_iter().chain(others).collect())
            }
        }
    }

    /// Checks the settings for messages that were saved: all but those of the queue and the bucket.
    pub(crate) fn saved(self) -> Result<SavedFlyte, Vec<SettingError>> {
        let cluster = self.cluster.map(Setting::into_value);
        let max_literal_bytes = usize::try_from(*self.max_literal_bytes).ok();
        let max_literal_bytes =
            max_literal_bytes.filter(|_| *self.max_literal_bytes <= MAX_LITERAL_BYTES);
        let (Some(cluster), Some(max_literal_bytes)) = (&cluster, max_literal_bytes) else {
            let too_many = SettingError {
                setting: "max_literal_bytes",
                problem: "is more than 10 MB".to_owned(),
            };
            let errors = [
                cluster.is_none().then(|| required("cluster")),
                max_literal_bytes.is_none().then_some(too_many),
            ];
            return Err(errors.into_iter().flatten().collect());
        };
        Ok(SavedFlyte {
            options: FlyteOptions {
                cluster: cluster.clone(),
                workflow_name: match *self.workflow_name {
                    Workflow::Execution => WorkflowName::Execution,
                    Workflow::LaunchPlan => WorkflowName::LaunchPlan,
                },
                task_name: self.task_name.into_value(),
                dataset_naming: match *self.dataset_naming {
                    Naming::Physical => DatasetNaming::Physical,
                    Naming::Logical => DatasetNaming::Logical,
                },
                dataset_prefix: self.dataset_prefix.map(Setting::into_value),
            },
            literals: self.literals.map(Setting::into_value),
            max_literal_bytes,
        })
    }
}

fn required(setting: &'static str) -> SettingError {
    SettingError {
        setting,
        problem: "is required".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(section: Value) -> FlyteSettings {
        serde_json::from_value(section).unwrap()
    }

    #[test]
    fn what_is_missing_or_too_large_is_reported_together() {
        let errors = read(json!({"max_literal_bytes": "11 MB"}))
            .validate()
            .unwrap_err();
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "queue_url: is required",
                "cluster: is required",
                "max_literal_bytes: is more than 10 MB"
            ]
        );
    }

    #[test]
    fn a_value_that_cannot_be_says_what_was_expected() {
        for section in [
            json!({"queue_url": "events"}),
            json!({"cluster": "https://flyte"}),
            json!({"task_name": "{tusk}"}),
            json!({"task_name": "{project}"}),
            json!({"dataset_prefix": "("}),
            json!({"dataset_naming": "both"}),
            json!({"literals": "s3://bucket"}),
            json!({"literals": "gs://bucket/"}),
            json!({"visibility_timeout": 5}),
            json!({"queue": "x"}),
        ] {
            assert!(
                serde_json::from_value::<FlyteSettings>(section.clone()).is_err(),
                "{section}"
            );
        }
    }

    #[test]
    fn settings_become_options() {
        let section = json!({
            "queue_url": "https://sqs.eu-west-1.amazonaws.com/111122223333/flyte",
            "cluster": "flyte.example.com",
            "task_name": "{module}.{task}",
            "dataset_naming": "logical",
            "dataset_prefix": "^s3://lake/[^/]+",
            "literals": "s3://flyte-meta/metadata/",
        });
        let config = read(section).validate().unwrap();
        assert_eq!(config.options.dataset_naming, DatasetNaming::Logical);
        assert_eq!(config.options.task_name.to_string(), "{module}.{task}");
        assert_eq!(config.max_literal_bytes, 2_000_000);
    }
}
