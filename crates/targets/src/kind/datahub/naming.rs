//! The names of datasets, flows and jobs in DataHub: those that its own OpenLineage converter gives them, so that lineage from
//! both meets. Pure.
//!
//! The rules are those of `OpenLineageToDataHub.java` and `HdfsPathDataset.java` in
//! <https://github.com/datahub-project/datahub/tree/master/metadata-integration/java/openlineage-converter>. Where this differs,
//! docs/targets.md says so.

mod platform;

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use transform::Glob;

use super::environment::Environment;
use super::urn::{InvalidUrn, Urn};
use platform::{HIVE, dotted, glue, is_glue, physical};

/// What decides the names.
#[derive(Debug, Clone, Default)]
pub(super) struct Naming {
    pub(super) environment: Environment,
    pub(super) environments: ByNamespace<Environment>,
    pub(super) platform_instances: ByNamespace<String>,
    pub(super) platforms: BTreeMap<String, String>,
    pub(super) orchestrator: Option<String>,
    pub(super) job_platform_instance: Option<String>,
}

/// Values by globs of namespaces; the longest glob that matches counts.
#[derive(Debug, Clone)]
pub(super) struct ByNamespace<T>(Vec<(Glob, T)>);

/// A dataset in DataHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatasetName {
    pub(super) urn: Urn,
    pub(super) platform: String,
    pub(super) instance: Option<String>,
    /// The name, without the instance.
    pub(super) name: String,
}

/// A flow and one of its jobs in DataHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobName {
    pub(super) flow: Urn,
    pub(super) job: Urn,
    pub(super) orchestrator: String,
    /// The name of the flow that is shown.
    pub(super) flow_name: String,
    /// The name of the job that is shown.
    pub(super) job_name: String,
    /// The instance of the orchestrator, if it is configured.
    pub(super) instance: Option<String>,
}

/// What an event says about the orchestrator of its job.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OrchestratorHints<'t> {
    /// `processing_engine.name`, a run facet.
    pub(super) engine: Option<&'t str>,
    pub(super) producer: Option<&'t str>,
    /// `jobType.integration`, a job facet.
    pub(super) integration: Option<&'t str>,
}

/// The orchestrator of a job that names none in any way.
const NO_ORCHESTRATOR: &str = "openlineage";

impl<T> ByNamespace<T> {
    /// Fails with the glob that is too long.
    pub(super) fn new(
        pairs: impl IntoIterator<Item = (String, T)>,
    ) -> Result<ByNamespace<T>, String> {
        let pairs = pairs.into_iter();
        let globs = pairs.map(|(glob, value)| Ok((Glob::new(&glob)?, value)));
        let mut globs = globs.collect::<Result<Vec<_>, String>>()?;
        globs.sort_by_key(|(glob, _)| std::cmp::Reverse(glob.as_str().len()));
        Ok(ByNamespace(globs))
    }

    fn of(&self, namespace: &str) -> Option<&T> {
        let found = self.0.iter().find(|(glob, _)| glob.is_match(namespace));
        found.map(|(_, value)| value)
    }
}

impl<T> Default for ByNamespace<T> {
    fn default() -> ByNamespace<T> {
        ByNamespace(Vec::new())
    }
}

impl Naming {
    /// The name of a dataset. `table` is the namespace and the name of its last symlink of type TABLE, which replace its own.
    pub(super) fn dataset(
        &self,
        namespace: &str,
        name: &str,
        table: Option<(&str, &str)>,
    ) -> Result<DatasetName, InvalidUrn> {
        let (platform, name) = match table {
            Some((namespace, name)) if is_glue(namespace) => glue(namespace, name),
            Some((_, name)) => (HIVE.to_owned(), dotted(name)),
            None => physical(namespace, name),
        };
        let namespace = table.map_or(namespace, |(namespace, _)| namespace);
        let platform = self.platforms.get(&platform).cloned().unwrap_or(platform);
        let environment = self.environments.of(namespace).unwrap_or(&self.environment);
        let instance = self.platform_instances.of(namespace).cloned();
        if name.is_empty() {
            return Err(InvalidUrn::Empty);
        }
        let whole = match &instance {
            Some(instance) => format!("{instance}.{name}"),
            None => name.clone(),
        };
        Ok(DatasetName {
            urn: Urn::dataset(&platform, &whole, environment.name())?,
            platform,
            instance,
            name,
        })
    }

    /// The name of a job, whose flow is the text before the first dot of its name.
    pub(super) fn job(
        &self,
        namespace: &str,
        name: &str,
        origin: OrchestratorHints<'_>,
    ) -> Result<JobName, InvalidUrn> {
        let orchestrator = self.orchestrator(origin);
        let (flow_name, job_name) = match name.split_once('.') {
            Some((flow, job)) if !flow.is_empty() && !job.is_empty() => (flow, job),
            Some((flow, _)) if !flow.is_empty() => (flow, name),
            Some(_) | None => (name, name),
        };
        let cluster = self.job_platform_instance.as_deref().unwrap_or(namespace);
        let flow = Urn::flow(&orchestrator, flow_name, cluster)?;
        Ok(JobName {
            job: Urn::job(&flow, name)?,
            flow,
            orchestrator,
            flow_name: flow_name.to_owned(),
            job_name: job_name.to_owned(),
            instance: self.job_platform_instance.clone(),
        })
    }

    fn orchestrator(&self, origin: OrchestratorHints<'_>) -> String {
        let lower = |text: &str| Some(text.to_lowercase()).filter(|text| !text.is_empty());
        let configured = self.orchestrator.clone();
        configured
            .or_else(|| lower(origin.engine?))
            .or_else(|| of_producer(origin.producer?))
            .or_else(|| lower(origin.integration?))
            .unwrap_or_else(|| NO_ORCHESTRATOR.to_owned())
    }
}

/// The orchestrator that a producer stands for.
fn of_producer(producer: &str) -> Option<String> {
    if let Some(path) = producer.strip_prefix("https://github.com/OpenLineage/OpenLineage/")
        && let Some((_, last)) = path.rsplit_once('/')
        && !last.is_empty()
    {
        return Some(last.to_owned());
    }
    for (prefix, orchestrator) in [
        ("https://github.com/apache/airflow/", "airflow"),
        ("https://github.com/trinodb/trino/", "trino"),
    ] {
        if producer.starts_with(prefix) {
            return Some(orchestrator.to_owned());
        }
    }
    let end = producer.find(['?', '#']).unwrap_or(producer.len());
    let uri = producer.get(..end)?;
    let path = match uri.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None if uri.contains(':') => "", // a URI without a path, such as `urn:x`
        None => uri,
    };
    let last = path.rsplit('/').find(|segment| !segment.is_empty())?;
    let last = percent_decode_str(last).decode_utf8_lossy();
    Some(last.to_lowercase())
}

#[cfg(test)]
mod tests {
    use settings::{Format, OneOf};

    use super::*;

    fn dataset(namespace: &str, name: &str, table: Option<(&str, &str)>) -> String {
        let name = Naming::default().dataset(namespace, name, table);
        name.unwrap().urn.to_string()
    }

    /// Facts of the converter's own tests and of its source.
    #[test]
    fn datasets_have_the_names_that_the_converter_gives_them() {
        for (namespace, name, platform, expected) in [
            ("s3://my-bucket", "my/path", "s3", "my-bucket/my/path"),
            ("s3a://my-bucket", "/my/path/", "s3", "my-bucket/my/path"),
            ("gs://bkt", "a", "gcs", "bkt/a"),
            ("file", "/tmp/x", "file", "/tmp/x"),
            ("file://", "/tmp/x/", "file", "/tmp/x"),
            (
                "abfss://c@a.dfs.core.windows.net",
                "p/q",
                "abs",
                "c@a.dfs.core.windows.net/p/q",
            ),
            ("hdfs://host:8020", "/data/x", "hdfs", "/data/x"),
            ("s3://b", "a://c", "hdfs", "s3://b/a://c"),
            (
                "awsathena://athena.eu-west-1.amazonaws.com",
                "c.d.t",
                "athena",
                "c.d.t",
            ),
            ("sqlserver://h:1433", "d.dbo.t", "mssql", "d.dbo.t"),
            (
                "redshift://c.eu-west-1:5439",
                "dev.public.t",
                "redshift",
                "dev.public.t",
            ),
            ("bigquery", "p.d.t", "bigquery", "p.d.t"),
            // The converter has the whole namespace as the platform here.
            (
                "arn:aws:glue:us-east-1:123456789012",
                "table/db/t",
                "glue",
                "db.t",
            ),
            // As DataZone documents it.
            (
                "arn:aws:glue:us-east-1:123456789012:table",
                "db/t",
                "glue",
                "db.t",
            ),
        ] {
            let urn = format!("urn:li:dataset:(urn:li:dataPlatform:{platform},{expected},PROD)");
            assert_eq!(dataset(namespace, name, None), urn, "{namespace} {name}");
        }
    }

    #[test]
    fn a_symlink_to_a_table_replaces_the_path() {
        let table = Some(("aws:glue:us-east-1:123456789012", "table/db/t"));
        let urn = "urn:li:dataset:(urn:li:dataPlatform:glue,db.t,PROD)";
        assert_eq!(dataset("s3://b", "p", table), urn);
        let table = Some(("hive://metastore:9083", "db.t"));
        let urn = "urn:li:dataset:(urn:li:dataPlatform:hive,db.t,PROD)";
        assert_eq!(dataset("s3://b", "p", table), urn);
    }

    #[test]
    fn the_longest_glob_of_a_namespace_decides_environment_and_instance() {
        let pairs = |pairs: &[(&str, &str)]| {
            let owned = pairs
                .iter()
                .map(|(glob, text)| ((*glob).to_owned(), (*text).to_owned()));
            ByNamespace::new(owned).unwrap()
        };
        let naming = Naming {
            environments: ByNamespace::new([(
                "postgres://test*".to_owned(),
                OneOf::<Environment>::parse("TEST").unwrap(),
            )])
            .unwrap(),
            platform_instances: pairs(&[("postgres://*", "main"), ("postgres://test-1*", "one")]),
            platforms: [("postgres".to_owned(), "aurora".to_owned())].into(),
            ..Naming::default()
        };
        let urn = |namespace| naming.dataset(namespace, "d.s.t", None).unwrap().urn;
        let expected = |name, environment| {
            format!("urn:li:dataset:(urn:li:dataPlatform:aurora,{name},{environment})")
        };
        let found = urn("postgres://test-1:5432");
        assert_eq!(found.as_str(), expected("one.d.s.t", "TEST"));
        let found = urn("postgres://live:5432");
        assert_eq!(found.as_str(), expected("main.d.s.t", "PROD"));
    }

    #[test]
    fn the_flow_of_a_job_is_the_text_before_its_first_dot() {
        let origin = OrchestratorHints {
            engine: Some("Spark"),
            ..OrchestratorHints::default()
        };
        let name = |name| Naming::default().job("ns, (1)", name, origin).unwrap();
        let job = name("app.step.one");
        let flow = "urn:li:dataFlow:(spark,app,ns%2C %281%29)";
        assert_eq!(job.flow.as_str(), flow);
        assert_eq!(
            job.job.as_str(),
            format!("urn:li:dataJob:({flow},app.step.one)")
        );
        assert_eq!(job.job_name, "step.one");
        for odd in [".x", "...", "x.", "x"] {
            assert!(!name(odd).flow_name.is_empty(), "{odd}");
        }
    }

    #[test]
    fn the_orchestrator_is_the_engine_or_what_the_producer_says() {
        let of = |engine, producer, integration| {
            Naming::default().orchestrator(OrchestratorHints {
                engine,
                producer: Some(producer),
                integration,
            })
        };
        let spark = "https://github.com/OpenLineage/OpenLineage/tree/1.53.0/integration/spark";
        assert_eq!(of(Some("Databricks"), spark, None), "databricks");
        for (producer, expected) in [
            (spark, "spark"),
            (
                "https://github.com/OpenLineage/OpenLineage/blob/v1-0-0/client",
                "client",
            ),
            (
                "https://github.com/apache/airflow/tree/providers-openlineage/2.20.1",
                "airflow",
            ),
            (
                "https://github.com/trinodb/trino/plugin/trino-openlineage",
                "trino",
            ),
            (
                "https://github.com/myorg/myproducer/blob/v1/Client/",
                "client",
            ),
            ("dbt", "dbt"),
            ("urn:p", "openlineage"),
            ("https://example.com", "openlineage"),
        ] {
            assert_eq!(of(None, producer, None), expected, "{producer}");
        }
        assert_eq!(of(None, "urn:p", Some("DBT")), "dbt");
    }
}
