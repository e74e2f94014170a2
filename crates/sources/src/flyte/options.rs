//! How events are named: settings that are checked before they get here.

use std::fmt;

use regex::Regex;

/// How what Flyte reports is named.
#[derive(Debug, Clone)]
pub struct FlyteOptions {
    /// The host of the cluster: jobs are in the namespace `flyte://{cluster}`.
    pub cluster: String,
    /// How executions are named.
    pub workflow_name: WorkflowName,
    /// How tasks are named.
    pub task_name: TaskName,
    /// How the data that tasks exchange is named.
    pub dataset_naming: DatasetNaming,
    /// The part of a URI that names a dataset; what follows it changes with each run.
    pub dataset_prefix: Option<Regex>,
}

/// How executions are named, in the events of the execution and as the parent of its tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WorkflowName {
    /// `{project}.{domain}.execution`. The same in each event, since no event of a task, and in two of the three flavours
    /// none of an execution, names the workflow: a run has one job.
    #[default]
    Execution,
    /// After the launch plan where the event names it, or else the module of the task, or else as `Execution`. Telling, but
    /// the events of one run may have several names.
    LaunchPlan,
}

/// How the data that tasks exchange is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DatasetNaming {
    /// By its URI, which is a new one in each execution.
    #[default]
    Physical,
    /// By the node that wrote it and the variable, which is the same in each execution.
    Logical,
}

/// How the job of a task is named: text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskName(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Project,
    Domain,
    Module,
    Task,
    Node,
}

/// What the placeholders stand for.
pub(super) struct TaskNameValues<'a> {
    pub(super) project: &'a str,
    pub(super) domain: &'a str,
    pub(super) module: &'a str,
    pub(super) task: &'a str,
    pub(super) node: &'a str,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskNameError {
    /// It has a placeholder that there is not.
    #[error(
        "{{{0}}} is not a placeholder: there are {{project}}, {{domain}}, {{module}}, {{task}} and {{node}}"
    )]
    Placeholder(String),
    /// A brace has no partner.
    #[error("a brace has no partner")]
    Brace,
    /// All tasks would have one name.
    #[error("it has neither {{task}} nor {{node}}, so that all tasks would be one job")]
    Constant,
}

impl Default for TaskName {
    /// `{project}.{domain}.{module}.{task}`.
    fn default() -> TaskName {
        let dot = || Part::Text(".".to_owned());
        let parts = [
            Part::Project,
            dot(),
            Part::Domain,
            dot(),
            Part::Module,
            dot(),
            Part::Task,
        ];
        TaskName(parts.to_vec())
    }
}

impl TaskName {
    /// Reads a template such as `{module}.{task}`.
    ///
    /// # Errors
    ///
    /// It has another placeholder, a brace without a partner, or none that tells tasks apart.
    pub fn parse(template: &str) -> Result<TaskName, TaskNameError> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(TaskNameError::Brace)?;
            parts.push(Part::Text(text.to_owned()));
            parts.push(match name {
                "project" => Part::Project,
                "domain" => Part::Domain,
                "module" => Part::Module,
                "task" => Part::Task,
                "node" => Part::Node,
                name => return Err(TaskNameError::Placeholder(name.to_owned())),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        let is_stray = |part: &Part| matches!(part, Part::Text(text) if text.contains('}'));
        if parts.iter().any(is_stray) {
            return Err(TaskNameError::Brace);
        }
        parts.retain(|part| *part != Part::Text(String::new()));
        match parts.contains(&Part::Task) || parts.contains(&Part::Node) {
            true => Ok(TaskName(parts)),
            false => Err(TaskNameError::Constant),
        }
    }

    pub(super) fn fill(&self, values: &TaskNameValues<'_>) -> String {
        let value = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Project => values.project.to_owned(),
            Part::Domain => values.domain.to_owned(),
            Part::Module => values.module.to_owned(),
            Part::Task => values.task.to_owned(),
            Part::Node => values.node.to_owned(),
        };
        self.0.iter().map(value).collect()
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Project => f.write_str("{project}"),
            Part::Domain => f.write_str("{domain}"),
            Part::Module => f.write_str("{module}"),
            Part::Task => f.write_str("{task}"),
            Part::Node => f.write_str("{node}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_shown_as_it_was_written() {
        let default = "{project}.{domain}.{module}.{task}";
        assert_eq!(TaskName::default().to_string(), default);
        assert_eq!(TaskName::parse(default).unwrap(), TaskName::default());
        for text in ["{task}", "x{module}-{node}y"] {
            assert_eq!(TaskName::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_template_says_why() {
        let error = |text| TaskName::parse(text).unwrap_err();
        assert_eq!(
            error("{task}.{x}"),
            TaskNameError::Placeholder("x".to_owned())
        );
        for text in ["{task", "{task}}", "task}{task}"] {
            assert_eq!(error(text), TaskNameError::Brace, "{text}");
        }
        for text in ["", "x", "{project}"] {
            assert_eq!(error(text), TaskNameError::Constant, "{text}");
        }
    }
}
