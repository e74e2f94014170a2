//! Presets: what the settings of a target are for a known back end. A preset only fills in what is not set. Pure.

use settings::Choice;

use super::batch_format::BatchFormat;
use super::formats::{AuthKind, Events};
use crate::http::Compression;
use crate::{EventTypes, RequiredDatasets};

/// A back end whose settings are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Marquez.
    Marquez,
    /// DataHub's OpenLineage endpoint.
    DataHub,
    /// OpenMetadata from version 2.0.
    OpenMetadata,
    /// Google Cloud Dataplex, now Knowledge Catalog.
    Dataplex,
    /// Atlan.
    Atlan,
    /// Datadog Data Observability.
    Datadog,
    /// Alation.
    Alation,
    /// Egeria.
    Egeria,
    /// IBM watsonx.data intelligence, Manta.
    Watsonx,
    /// The solution accelerator of Microsoft Purview.
    Purview,
}

impl Choice for Preset {
    const CHOICES: &'static [(&'static str, Preset)] = &[
        ("marquez", Preset::Marquez),
        ("datahub", Preset::DataHub),
        ("openmetadata", Preset::OpenMetadata),
        ("dataplex", Preset::Dataplex),
        ("atlan", Preset::Atlan),
        ("datadog", Preset::Datadog),
        ("alation", Preset::Alation),
        ("egeria", Preset::Egeria),
        ("watsonx", Preset::Watsonx),
        ("purview", Preset::Purview),
    ];
}

/// The values of settings that are not set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    /// The endpoint.
    pub(super) url: Option<&'static str>,
    /// The path of a URL that has none; `None` if the URL needs one, since it differs between customers.
    pub(super) path: Option<&'static str>,
    /// The same for a request with several events.
    pub(super) batch_path: Option<&'static str>,
    pub(super) auth: AuthKind,
    pub(super) auth_field: Option<&'static str>,
    pub(super) batch: BatchFormat,
    pub(super) compression: Compression,
    pub(super) events: Events,
    pub(super) event_types: EventTypes,
    pub(super) datasets: RequiredDatasets,
    pub(super) max_event_bytes: Option<u64>,
    pub(super) max_attempts_on_500: Option<u32>,
    pub(super) request_id_parameter: Option<&'static str>,
}

impl Defaults {
    /// Those without a preset.
    pub(super) const PLAIN: Defaults = Defaults {
        url: None,
        path: Some("/api/v1/lineage"),
        batch_path: Some("/api/v1/lineage/batch"),
        auth: AuthKind::Bearer,
        auth_field: None,
        batch: BatchFormat::None,
        compression: Compression::None,
        events: Events::All,
        event_types: EventTypes::All,
        datasets: RequiredDatasets::None,
        max_event_bytes: None,
        max_attempts_on_500: None,
        request_id_parameter: None,
    };

    /// Those of a preset.
    pub(super) const fn of(preset: Preset) -> Defaults {
        const PLAIN: Defaults = Defaults::PLAIN;
        match preset {
            // https://github.com/MarquezProject/marquez, `OpenLineageResource.java`: every kind of event, no authentication.
            Preset::Marquez => Defaults {
                batch_path: None,
                ..PLAIN
            },
            // https://github.com/datahub-project/datahub, `LineageApiImpl.java`: RunEvents; every failure is a 500. An event
            // without datasets replaces those that its job had.
            Preset::DataHub => Defaults {
                path: Some("/openapi/openlineage/api/v1/lineage"),
                batch_path: None,
                events: Events::Run,
                datasets: RequiredDatasets::InputsOrOutputs,
                // With the delays between attempts this is half an hour of an outage.
                max_attempts_on_500: Some(10),
                ..PLAIN
            },
            // https://github.com/open-metadata/OpenMetadata, `OpenLineageResource.java`, `openLineageSettings.json`: by default it
            // processes COMPLETE only, and an edge needs both ends.
            Preset::OpenMetadata => Defaults {
                path: Some("/api/v1/openlineage/lineage"),
                batch_path: Some("/api/v1/openlineage/lineage/batch"),
                events: Events::Run,
                event_types: EventTypes::Complete,
                datasets: RequiredDatasets::InputsAndOutputs,
                ..PLAIN
            },
            // https://cloud.google.com/data-catalog/docs/reference/data-lineage/rest/v1/projects.locations/processOpenLineageRunEvent
            Preset::Dataplex => Defaults {
                path: None,
                batch_path: None,
                auth: AuthKind::Google,
                events: Events::Run,
                max_event_bytes: Some(5_000_000),
                request_id_parameter: Some("requestId"),
                ..PLAIN
            },
            // The connector is part of the path: `/events/openlineage/CONNECTOR/api/v1/lineage`.
            Preset::Atlan => Defaults {
                path: None,
                batch_path: None,
                ..PLAIN
            },
            // https://github.com/OpenLineage/OpenLineage, `client/python/src/openlineage/client/transport/datadog.py`
            Preset::Datadog => Defaults {
                url: Some("https://data-obs-intake.datadoghq.com"),
                batch_path: None,
                compression: Compression::Gzip,
                ..PLAIN
            },
            Preset::Alation => Defaults {
                path: Some("/open_lineage_event/"),
                batch_path: None,
                events: Events::Run,
                event_types: EventTypes::Complete,
                datasets: RequiredDatasets::InputsAndOutputs,
                ..PLAIN
            },
            // The server is part of the path: `/servers/SERVER/open-metadata/integration-daemon/publish-open-lineage-event`.
            Preset::Egeria => Defaults {
                path: None,
                batch_path: None,
                ..PLAIN
            },
            Preset::Watsonx => Defaults {
                path: Some("/gov_lineage/v2/lineage_events/openlineage"),
                batch_path: Some("/gov_lineage/v2/lineage_events/openlineage/batch"),
                auth: AuthKind::IbmIam,
                events: Events::Run,
                ..PLAIN
            },
            // https://github.com/microsoft/Purview-ADB-Lineage-Solution-Accelerator: an Azure Function, with its key.
            Preset::Purview => Defaults {
                batch_path: None,
                auth: AuthKind::Query,
                auth_field: Some("code"),
                events: Events::Run,
                ..PLAIN
            },
        }
    }
}
