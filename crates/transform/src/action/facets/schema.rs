//! The schema URLs of the specification's facets, by name and holder.

use openlineage::Kind;

/// The producer of facets that are added here.
pub(super) const PRODUCER: &str = "urn:lineage-proxy";

/// The schema URL of the facet `name`; for one that is not in the specification, of the base facet of that kind.
pub(super) fn schema_url(name: &str, kind: Kind) -> String {
    match known(name, kind) {
        Some((version, schema)) => {
            format!("https://openlineage.io/spec/facets/{version}/{schema}.json#/$defs/{schema}")
        }
        None => {
            let definition = match kind {
                Kind::Run => "RunFacet",
                Kind::Job => "JobFacet",
                Kind::Dataset => "DatasetFacet",
                Kind::Input => "InputDatasetFacet",
                Kind::Output => "OutputDatasetFacet",
            };
            format!("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{definition}")
        }
    }
}

/// Version and name of the schema, as of the specification's release 2-0-2.
fn known(name: &str, kind: Kind) -> Option<(&'static str, &'static str)> {
    Some(match (kind, name) {
        (Kind::Run, "environmentVariables") => ("1-0-0", "EnvironmentVariablesRunFacet"),
        (Kind::Run, "errorMessage") => ("1-0-1", "ErrorMessageRunFacet"),
        (Kind::Run, "executionParameters") => ("1-0-0", "ExecutionParametersRunFacet"),
        (Kind::Run, "externalQuery") => ("1-0-2", "ExternalQueryRunFacet"),
        (Kind::Run, "extractionError") => ("1-1-2", "ExtractionErrorRunFacet"),
        (Kind::Run, "jobDependencies") => ("1-0-1", "JobDependenciesRunFacet"),
        (Kind::Run, "nominalTime") => ("1-0-1", "NominalTimeRunFacet"),
        (Kind::Run, "parent") => ("1-2-0", "ParentRunFacet"),
        (Kind::Run, "processing_engine") => ("1-1-1", "ProcessingEngineRunFacet"),
        (Kind::Run, "tags") => ("1-0-0", "TagsRunFacet"),
        (Kind::Run, "test") => ("1-0-1", "TestRunFacet"),
        (Kind::Job, "documentation") => ("1-1-0", "DocumentationJobFacet"),
        (Kind::Job, "jobType") => ("2-0-4", "JobTypeJobFacet"),
        (Kind::Job, "ownership") => ("1-0-1", "OwnershipJobFacet"),
        (Kind::Job, "sourceCode") => ("1-0-1", "SourceCodeJobFacet"),
        (Kind::Job, "sourceCodeLocation") => ("1-1-0", "SourceCodeLocationJobFacet"),
        (Kind::Job, "sql") => ("1-1-0", "SQLJobFacet"),
        (Kind::Job, "tags") => ("1-0-0", "TagsJobFacet"),
        (Kind::Dataset, "catalog") => ("1-1-0", "CatalogDatasetFacet"),
        (Kind::Dataset, "columnLineage") => ("1-2-0", "ColumnLineageDatasetFacet"),
        (Kind::Dataset, "dataQualityMetrics") => ("1-0-0", "DataQualityMetricsDatasetFacet"),
        (Kind::Dataset, "dataSource") => ("1-0-1", "DatasourceDatasetFacet"),
        (Kind::Dataset, "datasetType") => ("1-0-1", "DatasetTypeDatasetFacet"),
        (Kind::Dataset, "documentation") => ("1-1-0", "DocumentationDatasetFacet"),
        (Kind::Dataset, "hierarchy") => ("1-0-0", "HierarchyDatasetFacet"),
        (Kind::Dataset, "lifecycleStateChange") => ("1-0-1", "LifecycleStateChangeDatasetFacet"),
        (Kind::Dataset, "ownership") => ("1-0-1", "OwnershipDatasetFacet"),
        (Kind::Dataset, "schema") => ("1-2-0", "SchemaDatasetFacet"),
        (Kind::Dataset, "storage") => ("1-0-1", "StorageDatasetFacet"),
        (Kind::Dataset, "symlinks") => ("1-0-1", "SymlinksDatasetFacet"),
        (Kind::Dataset, "tags") => ("1-0-0", "TagsDatasetFacet"),
        (Kind::Dataset, "version") => ("1-0-1", "DatasetVersionDatasetFacet"),
        (Kind::Input, "inputStatistics") => ("1-0-0", "InputStatisticsInputDatasetFacet"),
        (Kind::Output, "outputStatistics") => ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
        _ => return None,
    })
}
