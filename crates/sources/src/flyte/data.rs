//! The datasets of an event: which objects say what they are, and how they are named.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use serde_json::{Value, json};

use super::literal::{self, Column, Reference, References};
use super::name::{self, DatasetName, Producer, physical, producer};
use super::occurrence::{Literals, Occurrence, State};
use super::wire::{LiteralMap, LiteralType};
use super::{DatasetNaming, FlyteOptions, Objects, event};
use crate::{Finding, FindingRule};

/// The most columns of an event in all. A list of datasets repeats the columns of their type for each.
const MAX_COLUMNS: usize = 20_000;

/// The datasets of an event, as OpenLineage has them, and what could not be found out.
#[derive(Debug, Default)]
pub(super) struct Datasets {
    pub(super) inputs: Vec<Value>,
    pub(super) outputs: Vec<Value>,
    pub(super) findings: Vec<Finding>,
}

/// The objects that are needed and not there.
pub(super) fn needed(
    occurrence: &Occurrence,
    options: &FlyteOptions,
    objects: &Objects,
) -> Vec<String> {
    let mut needed = BTreeSet::new();
    for side in [Side::Inputs, Side::Outputs] {
        let Some(literals) = side.literals(occurrence) else {
            continue;
        };
        match literals {
            Literals::None => {}
            Literals::At(uri) if objects.get(uri).is_none() => {
                needed.insert(uri.clone());
            }
            Literals::At(_) | Literals::Here(_) => {
                if let Some(map) = map(literals, objects) {
                    let references = literal::references(&map, objects);
                    needed.extend(references.unread.iter().cloned());
                    if side == Side::Inputs && options.dataset_naming == DatasetNaming::Logical {
                        let uris = references.found.iter().map(|reference| &reference.uri);
                        needed.extend(uris.filter_map(|uri| outputs_of_writer(occurrence, uri)));
                    }
                }
            }
        }
    }
    let is_missing = |uri: &String| objects.get(uri).is_none();
    needed.into_iter().filter(is_missing).collect()
}

/// The datasets of an event.
pub(super) fn datasets(
    occurrence: &Occurrence,
    options: &FlyteOptions,
    objects: &Objects,
) -> Datasets {
    let mut datasets = Datasets::default();
    let mut columns = MAX_COLUMNS;
    for side in [Side::Inputs, Side::Outputs] {
        let Some(literals) = side.literals(occurrence) else {
            continue;
        };
        let mut names = BTreeMap::new();
        if let Literals::At(uri) = literals {
            datasets
                .findings
                .extend(problem::<LiteralMap>(uri, objects));
        }
        let found = map(literals, objects).map(|map| literal::references(&map, objects));
        let found = found.unwrap_or_default();
        report(&found, side, objects, &mut datasets.findings);
        let is_logical = options.dataset_naming == DatasetNaming::Logical;
        let known = match side {
            Side::Inputs if is_logical => variables_of_writers(occurrence, &found.found, objects),
            Side::Inputs | Side::Outputs => BTreeMap::new(),
        };
        for reference in found.found {
            let named = side.name(occurrence, options, &reference, &known);
            let Some(named) = named else { continue };
            datasets.findings.extend(named.finding);
            names
                .entry(named.name)
                .or_insert((reference, named.is_logical));
        }
        let types = &occurrence.details.output_types;
        for (name, (reference, is_logical)) in names {
            let of_type = side.column_types(types, &reference);
            let dataset = dataset(name, &reference, of_type, is_logical, &mut columns);
            match side {
                Side::Inputs => datasets.inputs.push(dataset),
                Side::Outputs => datasets.outputs.push(dataset),
            }
        }
    }
    if columns == 0 {
        datasets.findings.push(Finding {
            rule: FindingRule::Incomplete,
            place: "columns".to_owned(),
            message: format!(
                "the datasets have more than {MAX_COLUMNS} columns, the rest is left out"
            ),
        });
    }
    datasets
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Inputs,
    Outputs,
}

struct NamedDataset {
    name: DatasetName,
    is_logical: bool,
    finding: Option<Finding>,
}

impl Side {
    /// What is read for an event: the inputs of one that ends, the outputs of one that succeeded. Reading inputs for each
    /// event of a run would cost a request each, and say the same.
    fn literals(self, occurrence: &Occurrence) -> Option<&Literals> {
        let literals = match self {
            Side::Inputs => &occurrence.inputs,
            Side::Outputs => &occurrence.outputs,
        };
        let is_read = match (occurrence.state?, self) {
            (State::Complete, _) => true,
            (State::Fail | State::Abort, side) => side == Side::Inputs,
            (State::Start | State::Running, _) => false,
        };
        match literals {
            Literals::Here(_) => Some(literals),
            Literals::At(_) => is_read.then_some(literals),
            Literals::None => None,
        }
    }

    fn name(
        self,
        occurrence: &Occurrence,
        options: &FlyteOptions,
        reference: &Reference,
        known: &BTreeMap<String, String>,
    ) -> Option<NamedDataset> {
        let uri = &reference.uri;
        let stable = options.dataset_prefix.as_ref();
        let is_stable =
            stable.is_some_and(|stable| stable.find(uri).is_some_and(|found| found.start() == 0));
        let writer = match options.dataset_naming {
            DatasetNaming::Logical if !is_stable => producer(uri, &occurrence.execution.name),
            DatasetNaming::Logical | DatasetNaming::Physical => None,
        };
        let Some(writer) = writer else {
            let name = physical(uri, stable)?;
            return Some(NamedDataset {
                name,
                is_logical: false,
                finding: None,
            });
        };
        // Both sides name the module of their own task: who reads knows no other.
        let module = event::module(&occurrence.details)?;
        let (variable, finding) = match self {
            Side::Outputs => (reference.variable.clone(), None),
            Side::Inputs => match known.get(uri) {
                Some(variable) => (variable.clone(), None),
                None => (
                    reference.variable.clone(),
                    Some(unresolved(reference, &writer)),
                ),
            },
        };
        let (project, domain) = (&occurrence.execution.project, &occurrence.execution.domain);
        // No event of a task names its workflow, and workflows of one module have nodes of the same names. What both sides
        // know besides is where Flyte was told to write, which may be another place for each workflow.
        let Producer { prefix, node, .. } = writer;
        let slash = if prefix.is_empty() { "" } else { "/" };
        let name = DatasetName {
            namespace: format!("flyte://{}", options.cluster),
            name: format!("{project}.{domain}.{module}.{prefix}{slash}{node}.{variable}"),
        };
        Some(NamedDataset {
            name,
            is_logical: true,
            finding,
        })
    }

    /// The columns that the type of a variable has, for a literal that has none.
    fn column_types(
        self,
        types: &BTreeMap<String, LiteralType>,
        reference: &Reference,
    ) -> Vec<Column> {
        match self {
            Side::Inputs => Vec::new(),
            Side::Outputs => types
                .get(&reference.variable)
                .map(literal::columns)
                .unwrap_or_default(),
        }
    }
}

fn map<'a>(literals: &'a Literals, objects: &Objects) -> Option<Cow<'a, LiteralMap>> {
    match literals {
        Literals::None => None,
        Literals::Here(map) => Some(Cow::Borrowed(map)),
        Literals::At(uri) => LiteralMap::decode(objects.get(uri)?.ok()?)
            .ok()
            .map(Cow::Owned),
    }
}

/// What is wrong with an object.
fn problem<T: Message + Default>(uri: &str, objects: &Objects) -> Option<Finding> {
    let (rule, message) = match objects.get(uri) {
        None => (
            FindingRule::Incomplete,
            "the object was not read".to_owned(),
        ),
        Some(Err(reason)) => (
            FindingRule::Incomplete,
            format!("the object cannot be read: {reason}"),
        ),
        Some(Ok(bytes)) => match T::decode(bytes) {
            Ok(_) => return None,
            Err(_) => (
                FindingRule::Unreadable,
                "the object is not what Flyte writes".to_owned(),
            ),
        },
    };
    let message = format!("{message}; the event has no datasets from it");
    Some(Finding {
        rule,
        place: name::shown(uri),
        message,
    })
}

fn report(found: &References, side: Side, objects: &Objects, findings: &mut Vec<Finding>) {
    let offloaded = found.unread.iter().chain(&found.offloaded);
    findings.extend(offloaded.filter_map(|uri| problem::<super::wire::Literal>(uri, objects)));
    if found.is_cut {
        findings.push(Finding {
            rule: FindingRule::Incomplete,
            place: match side {
                Side::Inputs => "inputs".to_owned(),
                Side::Outputs => "outputs".to_owned(),
            },
            message: format!(
                "there are more than {} datasets, the rest is left out",
                found.found.len()
            ),
        });
    }
}

fn unresolved(reference: &Reference, writer: &Producer) -> Finding {
    Finding {
        rule: FindingRule::UnresolvedName,
        place: format!("input {}", reference.variable),
        message: format!(
            "what node {} calls this output is not known, so it has the name of the input",
            writer.node
        ),
    }
}

/// The object that lists what the node wrote which wrote the data at `uri`: it is beside the inputs of this node
/// (`{prefix}/{project}-{domain}-{execution}/{node}/data/{attempt}/outputs.pb`, flytepropeller). Nodes of graphs within
/// a node are elsewhere.
fn outputs_of_writer(occurrence: &Occurrence, uri: &str) -> Option<String> {
    let Literals::At(inputs) = &occurrence.inputs else {
        return None;
    };
    let execution = &occurrence.execution;
    let writer = producer(uri, &execution.name)?;
    let graph = format!("{}-{}", execution.project, execution.domain);
    let (prefix, _) = inputs.split_once(&format!("/{graph}-{}/", execution.name))?;
    let Producer {
        prefix: _,
        execution,
        node,
        attempt,
    } = writer;
    Some(format!(
        "{prefix}/{graph}-{execution}/{node}/data/{attempt}/outputs.pb"
    ))
}

/// What the nodes that wrote the inputs call them, by URI. Each list of outputs is read once.
fn variables_of_writers(
    occurrence: &Occurrence,
    inputs: &[Reference],
    objects: &Objects,
) -> BTreeMap<String, String> {
    let lists = inputs
        .iter()
        .filter_map(|input| outputs_of_writer(occurrence, &input.uri));
    let lists: BTreeSet<String> = lists.collect();
    let mut variables = BTreeMap::new();
    for list in lists {
        let bytes = objects.get(&list).and_then(Result::ok);
        let map = bytes.and_then(|bytes| LiteralMap::decode(bytes).ok());
        let written = map.map(|map| literal::references(&map, objects).found);
        for written in written.unwrap_or_default() {
            variables.entry(written.uri).or_insert(written.variable);
        }
    }
    variables
}

fn dataset(
    name: DatasetName,
    reference: &Reference,
    of_type: Vec<Column>,
    is_logical: bool,
    budget: &mut usize,
) -> Value {
    let columns = match reference.columns.is_empty() {
        true => &of_type,
        false => &reference.columns,
    };
    let columns = columns
        .iter()
        .filter(|column| !column.name.is_empty())
        .take(*budget);
    let fields: Vec<Value> = columns.map(field).collect();
    *budget = budget.saturating_sub(fields.len());
    let mut facets = json!({
        "lineageProxy_flyte_data": event::facet(event::DATASET_FACET, json!({
            "variable": reference.variable,
            "kind": reference.kind,
        })),
    });
    let mut add = |name: &str, schema: &str, content: Value| {
        if let Some(facets) = facets.as_object_mut() {
            facets.insert(name.to_owned(), event::facet(schema, content));
        }
    };
    if !fields.is_empty() {
        add(
            "schema",
            "facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
            json!({ "fields": fields }),
        );
    }
    let mut storage = json!({ "storageLayer": name::storage(&physical_namespace(&reference.uri)) });
    if let (Some(storage), false) = (storage.as_object_mut(), reference.format.is_empty()) {
        storage.insert("fileFormat".to_owned(), json!(reference.format));
    }
    add(
        "storage",
        "facets/1-0-1/StorageDatasetFacet.json#/$defs/StorageDatasetFacet",
        storage,
    );
    if is_logical {
        let schema =
            "facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet";
        add(
            "version",
            schema,
            json!({ "datasetVersion": name::shown(&reference.uri) }),
        );
    }
    json!({ "namespace": name.namespace, "name": name.name, "facets": facets })
}

fn field(column: &Column) -> Value {
    match column.kind.is_empty() {
        true => json!({ "name": column.name }),
        false => json!({ "name": column.name, "type": column.kind }),
    }
}

fn physical_namespace(uri: &str) -> String {
    physical(uri, None)
        .map(|name| name.namespace)
        .unwrap_or_default()
}
