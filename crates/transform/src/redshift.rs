//! Redshift names as the catalogue knows them, wherever a dataset is named in an event.
//!
//! Airflow calls a warehouse `redshift://<cluster or workgroup>.<region>:<port>`; DataZone matches the full endpoint
//! or an ARN. Which of the two kinds a short name is, and the random part of a cluster's host, can only be looked
//! up: [`Redshift::wanted`] says what, the caller looks, [`Redshift::rewrite`] writes. What cannot be resolved stays.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::action::{Fold, Normalise, folded};
use crate::endpoint::{
    Endpoint, Flavour, HostForm, ShortName, host_and_port, parse_host, partition, suffix,
};
use crate::mentions::{Moves, Uris};
use openlineage::{Edits, Event, Identity, Mention, Positions, Role, positions};
use schemars::JsonSchema;
use serde::Deserialize;

/// How Redshift datasets are to be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// `redshift://<full endpoint host>:<port>`: what AWS's own extractors post.
    #[default]
    Endpoint,
    /// As `Endpoint`, with the account as second label: DataZone's documented form for clusters.
    AccountHost,
    /// `arn:aws:redshift:<region>:<account>:table` and `<cluster or workgroup>/<database>/<schema>/<table>`:
    /// DataZone's documented alternative, which does not depend on the caller's account.
    Arn,
    /// `redshift://<cluster or workgroup>.<region>:<port>`: the OpenLineage naming convention.
    #[serde(rename = "openlineage")]
    OpenLineage,
    /// As they come.
    #[serde(skip)]
    None,
}

/// The rule: the style, and what is known without asking.
#[derive(Debug, Clone, Default)]
pub struct Redshift {
    /// How names are written.
    pub style: Style,
    /// Hosts (`10.1.2.3`, `dwh.example.com`, `my-cluster.eu-west-1`, each with or without `:port`), in lower case,
    /// and the full endpoint that each stands for.
    pub hosts: BTreeMap<String, String>,
    /// The AWS account of warehouses whose answer does not name it (12 digits).
    pub account: Option<String>,
}

/// What a look-up gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The warehouse.
    Found(Endpoint),
    /// There is neither a workgroup nor a cluster of that name.
    NoSuch,
    /// It could not be found out.
    Failed(String),
}

/// An event with its Redshift names rewritten.
#[derive(Debug, Clone)]
pub struct Rewritten {
    /// The event; the same text when nothing changed.
    pub event: Event,
    /// What was renamed.
    pub changes: Vec<Change>,
    /// Names that stay as they came, though the style asks for another.
    pub unresolved: Vec<Unresolved>,
}

/// One name, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it stands, in the words of the specification.
    pub place: &'static str,
    /// As it came.
    pub before: Identity,
    /// As it leaves.
    pub after: Identity,
}

/// A namespace that could not be resolved, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unresolved {
    /// The namespace as it came.
    pub namespace: String,
    /// Why it stays.
    pub reason: String,
}

impl Redshift {
    /// The short names in `event` that have to be looked up before [`rewrite`](Self::rewrite).
    pub fn wanted(&self, event: &Event) -> BTreeSet<ShortName> {
        let mut wanted = BTreeSet::new();
        for name in self.redshift_names(event).names {
            let short = match self.host_form(&name.before.namespace) {
                HostForm::Short(short) => short,
                HostForm::Endpoint(_) | HostForm::Other => continue,
            };
            if self.style != Style::OpenLineage {
                wanted.insert(short);
            }
        }
        wanted
    }

    /// Rewrites every Redshift name in `event`, with the answers to what was [`wanted`](Self::wanted).
    pub fn rewrite(&self, event: &Event, answers: &HashMap<ShortName, Lookup>) -> Rewritten {
        let mut edits = Edits::new(event.text());
        let (mut changes, mut unresolved) = (Vec::new(), BTreeSet::new());
        let RedshiftNames { names, mentions } = self.redshift_names(event);
        let found: Vec<(Found<'_>, Result<Renamed, String>)> = (names.into_iter())
            .map(|found| {
                let renamed = self.renamed(&found.before, answers);
                (found, renamed)
            })
            .collect();
        let mut warehouses: HashMap<&Identity, &str> = HashMap::new();
        let mut several: HashSet<Identity> = HashSet::new();
        for renamed in found
            .iter()
            .filter_map(|(_, renamed)| renamed.as_ref().ok())
        {
            let known = warehouses.entry(&renamed.after).or_insert(&renamed.address);
            if *known != renamed.address {
                several.insert(renamed.after.clone());
            }
        }
        let mut moves = Moves::default();
        for (found, renamed) in found {
            let after = renamed.and_then(|renamed| match several.contains(&renamed.after) {
                // Two clusters of one name, in two accounts.
                true => Err("another warehouse of its event would get the same name".to_owned()),
                false => Ok(renamed.after),
            });
            let moved = after.as_ref().unwrap_or(&found.before);
            moves.add(found.namespace, &found.before.namespace, &moved.namespace);
            match after {
                Ok(after) if after == found.before => {}
                Ok(after) => {
                    if after.namespace != found.before.namespace {
                        edits.replace_string(found.namespace, &after.namespace);
                    }
                    if after.name != found.before.name {
                        edits.replace_string(found.name, &after.name);
                    }
                    changes.push(Change {
                        place: found.place,
                        before: found.before,
                        after,
                    });
                }
                Err(reason) => {
                    unresolved.insert(Unresolved {
                        namespace: found.before.namespace,
                        reason,
                    });
                }
            }
        }
        let unresolved = unresolved.into_iter().collect();
        if changes.is_empty() {
            return Rewritten {
                event: event.clone(),
                changes,
                unresolved,
            };
        }
        moves.follow(&mentions, Uris::Move, |_| None, &mut edits);
        match event.rewritten(edits.apply()) {
            Ok(event) => Rewritten {
                event,
                changes,
                unresolved,
            },
            // Strings for strings cannot make an event invalid, but an event is never lost to a bug of ours.
            Err(refused) => {
                let namespace = "redshift".to_owned();
                let unresolved = vec![Unresolved {
                    namespace,
                    reason: refused.to_string(),
                }];
                Rewritten {
                    event: event.clone(),
                    changes: Vec::new(),
                    unresolved,
                }
            }
        }
    }

    fn redshift_names<'t>(&self, event: &'t Event) -> RedshiftNames<'t> {
        // Few events name Redshift at all: do not look into those that cannot. Escapes can spell any letter.
        let text = event.text();
        if self.style == Style::None || !(text.contains("redshift") || text.contains("\\u00")) {
            return RedshiftNames::default();
        }
        let Positions { names, mentions } = event.json().map(positions).unwrap_or_default();
        let dataset = names.into_iter().filter(|name| name.role == Role::Dataset);
        let names = dataset
            .filter_map(|name| {
                let namespace = name.namespace.string()?;
                host_and_port(&namespace)?;
                let before = Identity {
                    namespace: namespace.into_owned(),
                    name: name.name.string()?.into_owned(),
                };
                Some(Found {
                    place: name.place,
                    namespace: name.namespace,
                    name: name.name,
                    before,
                })
            })
            .collect();
        RedshiftNames { names, mentions }
    }

    fn renamed(
        &self,
        before: &Identity,
        answers: &HashMap<ShortName, Lookup>,
    ) -> Result<Renamed, String> {
        let opened;
        let before = match before.namespace.strip_prefix("redshift://") {
            Some(rest) if rest.contains('/') => {
                opened = with_database(before)?;
                &opened
            }
            Some(_) | None => before,
        };
        let endpoint = match self.host_form(&before.namespace) {
            HostForm::Endpoint(endpoint) => endpoint,
            HostForm::Short(short) if self.style == Style::OpenLineage => {
                return Ok(Renamed {
                    after: Identity {
                        namespace: before.namespace.clone(),
                        name: catalogued(&before.name),
                    },
                    // Whichever has that name.
                    address: format!("{}.{}", short.identifier, short.region),
                });
            }
            HostForm::Short(short) => match answers.get(&short) {
                Some(Lookup::Found(endpoint)) => endpoint.clone(),
                Some(Lookup::NoSuch) => {
                    return Err("no workgroup or cluster of that name".to_owned());
                }
                Some(Lookup::Failed(reason)) => return Err(reason.clone()),
                None => return Err("look-up is off and the host is not in the map".to_owned()),
            },
            HostForm::Other => return Err("neither an endpoint nor in the map of hosts".to_owned()),
        };
        let after = self.styled(before, &endpoint)?;
        Ok(Renamed {
            after,
            address: endpoint.address,
        })
    }

    fn styled(&self, before: &Identity, endpoint: &Endpoint) -> Result<Identity, String> {
        let Endpoint {
            flavour,
            identifier,
            region,
            address,
            port,
            ..
        } = endpoint;
        let name = catalogued(&before.name);
        if region.is_empty() && self.style != Style::Endpoint {
            return Err("the map of hosts gives no AWS endpoint for it".to_owned());
        }
        let account = || {
            let account = endpoint.account.as_ref().or(self.account.as_ref());
            account.ok_or_else(|| "its account is not known: set redshift.account".to_owned())
        };
        let namespace = match self.style {
            Style::None => return Ok(before.clone()),
            Style::Endpoint => format!("redshift://{address}:{port}"),
            Style::AccountHost => {
                let suffix = suffix(region);
                let service = flavour.service();
                format!(
                    "redshift://{identifier}.{}.{region}.{service}.{suffix}:{port}",
                    account()?
                )
            }
            Style::OpenLineage => format!("redshift://{identifier}.{region}:{port}"),
            Style::Arn => {
                let [database, schema, table] =
                    parts(&name).ok_or("its name is not database.schema.table")?;
                let (partition, service) = (partition(region), flavour.service());
                return Ok(Identity {
                    namespace: format!("arn:{partition}:{service}:{region}:{}:table", account()?),
                    name: format!("{identifier}/{database}/{schema}/{table}"),
                });
            }
        };
        Ok(Identity { namespace, name })
    }

    /// Reads a namespace, by way of the map of hosts.
    fn host_form(&self, namespace: &str) -> HostForm {
        let Some((host, port)) = host_and_port(namespace) else {
            return HostForm::Other;
        };
        let mapped = self
            .hosts
            .get(&format!("{host}:{port}"))
            .or_else(|| self.hosts.get(&host));
        match mapped {
            None => parse_host(host, port),
            Some(full) => {
                let (host, port) =
                    host_and_port(&format!("redshift://{full}")).unwrap_or((full.clone(), port));
                match parse_host(host.clone(), port) {
                    // The map is the user's word: an address of no known form is an address all the same.
                    HostForm::Other => HostForm::Endpoint(Endpoint {
                        flavour: Flavour::Provisioned,
                        identifier: host.clone(),
                        region: String::new(),
                        account: None,
                        address: host,
                        port,
                    }),
                    form => form,
                }
            }
        }
    }
}

/// The names of datasets that may be Redshift's, and where namespaces stand alone: of one walk over the event.
#[derive(Default)]
struct RedshiftNames<'t> {
    names: Vec<Found<'t>>,
    mentions: Vec<Mention<'t>>,
}

/// A name as it leaves, and the address of its warehouse.
struct Renamed {
    after: Identity,
    address: String,
}

/// The dataset with the database of its namespace in its name: the styles have no place for it in theirs.
fn with_database(dataset: &Identity) -> Result<Identity, String> {
    let done = Normalise::database_in_name().normalised(dataset);
    match done.left {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(done.dataset),
    }
}

/// A name as Redshift's catalogue has it, and with it DataZone, which matches names letter by letter: identifiers are
/// kept in lower case, but quoted ones where `enable_case_sensitive_identifier` is set
/// (<https://docs.aws.amazon.com/redshift/latest/dg/r_names.html>).
fn catalogued(name: &str) -> String {
    let fold = Fold::of("redshift");
    fold.and_then(|fold| folded(name, fold))
        .unwrap_or_else(|| name.to_owned())
}

struct Found<'t> {
    place: &'static str,
    namespace: openlineage::Json<'t>,
    name: openlineage::Json<'t>,
    before: Identity,
}

fn parts(name: &str) -> Option<[&str; 3]> {
    name.split('.').collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests;
