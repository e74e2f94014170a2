//! Rewrites Redshift names to the form that a catalog uses, wherever an event names a dataset.
//!
//! Airflow calls a warehouse `redshift://<cluster or workgroup>.<region>:<port>`; DataZone expects the full endpoint or an
//! ARN. Whether a short name is a cluster or a workgroup, and the random part of a cluster's host, can only be looked up:
//! [`Redshift::lookups`] returns the names, the caller looks them up, and [`Redshift::rewrite`] rewrites the event. A name
//! that cannot be resolved stays unchanged.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::action::{Fold, Normalise, folded};
use crate::endpoint::{
    Endpoint, Flavour, HostForm, ShortName, host_and_port, parse_host, partition, suffix,
};
use crate::mentions::{Moves, Uris};
use openlineage::{Edits, Event, Identity, Indexed, Mention, Positions, Role, positions};
use schemars::JsonSchema;
use serde::Deserialize;

/// The form of Redshift names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// `redshift://<full endpoint host>:<port>`: the form of AWS's own extractors.
    #[default]
    Endpoint,
    /// As `Endpoint`, with the account as the second label: the form that DataZone documents for clusters.
    AccountHost,
    /// `arn:aws:redshift:<region>:<account>:table` and `<cluster or workgroup>/<database>/<schema>/<table>`:
    /// the alternative that DataZone documents, which does not depend on the caller's account.
    Arn,
    /// `redshift://<cluster or workgroup>.<region>:<port>`: the form of the OpenLineage naming convention.
    #[serde(rename = "openlineage")]
    OpenLineage,
    /// Unchanged.
    #[serde(skip)]
    None,
}

/// The settings of the rewrite.
#[derive(Debug, Clone, Default)]
pub struct Redshift {
    /// The form of names.
    pub style: Style,
    /// Hosts (`10.1.2.3`, `dwh.example.com`, `my-cluster.eu-west-1`, each with or without `:port`) in lower case, and the
    /// full endpoint of each.
    pub hosts: BTreeMap<String, String>,
    /// The AWS account (12 digits) of warehouses whose lookup does not return it.
    pub account: Option<String>,
}

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The endpoint of the warehouse.
    Found(Endpoint),
    /// Neither a workgroup nor a cluster has that name.
    NotFound,
    /// The lookup failed, with the reason.
    Failed(String),
}

/// An event with rewritten Redshift names.
#[derive(Debug, Clone)]
pub struct RedshiftRewrite {
    /// The event. Its text is unchanged if no name changed.
    pub event: Event,
    /// The names that changed.
    pub changes: Vec<Change>,
    /// The namespaces that could not be resolved and stay unchanged.
    pub unresolved: Vec<UnresolvedName>,
}

/// A name before and after the rewrite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its position, in the words of the specification.
    pub place: &'static str,
    /// The name before.
    pub before: Identity,
    /// The name after.
    pub after: Identity,
}

/// A namespace that could not be resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnresolvedName {
    /// The namespace.
    pub namespace: String,
    /// Why it could not be resolved.
    pub reason: String,
}

impl Redshift {
    /// Returns the short names of `event` that have to be looked up before [`rewrite`](Self::rewrite).
    pub fn lookups(&self, event: &Event) -> BTreeSet<ShortName> {
        let mut lookups = BTreeSet::new();
        let Some(indexed) = self.indexed(event) else {
            return lookups;
        };
        for name in redshift_names(&indexed).names {
            let short = match self.host_form(&name.before.namespace) {
                HostForm::Short(short) => short,
                HostForm::Endpoint(_) | HostForm::Other => continue,
            };
            if self.style != Style::OpenLineage {
                lookups.insert(short);
            }
        }
        lookups
    }

    /// Rewrites every Redshift name in `event`, with the results of its [`lookups`](Self::lookups).
    pub fn rewrite(&self, event: &Event, results: &HashMap<ShortName, Lookup>) -> RedshiftRewrite {
        let mut edits = Edits::new(event.text());
        let (mut changes, mut unresolved) = (Vec::new(), BTreeSet::new());
        let indexed = self.indexed(event);
        let RedshiftNames { names, mentions } =
            indexed.as_ref().map(redshift_names).unwrap_or_default();
        let found: Vec<(RedshiftName<'_>, Result<NewName, String>)> = (names.into_iter())
            .map(|found| {
                let renamed = self.renamed(&found.before, results);
                (found, renamed)
            })
            .collect();
        let mut warehouses: HashMap<&Identity, &str> = HashMap::new();
        let mut ambiguous: HashSet<Identity> = HashSet::new();
        for renamed in found
            .iter()
            .filter_map(|(_, renamed)| renamed.as_ref().ok())
        {
            let known = warehouses.entry(&renamed.after).or_insert(&renamed.address);
            if *known != renamed.address {
                ambiguous.insert(renamed.after.clone());
            }
        }
        let mut moves = Moves::default();
        for (found, renamed) in found {
            let after = renamed.and_then(|renamed| match ambiguous.contains(&renamed.after) {
                // Two clusters of one name, in two accounts.
                true => Err("another warehouse of the event would get the same name".to_owned()),
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
                    unresolved.insert(UnresolvedName {
                        namespace: found.before.namespace,
                        reason,
                    });
                }
            }
        }
        let unresolved = unresolved.into_iter().collect();
        if changes.is_empty() {
            return RedshiftRewrite {
                event: event.clone(),
                changes,
                unresolved,
            };
        }
        moves.follow(&mentions, Uris::Move, |_| None, &mut edits);
        match event.rewritten(edits.apply()) {
            Ok(event) => RedshiftRewrite {
                event,
                changes,
                unresolved,
            },
            // Replacing strings by strings cannot make an event invalid, but a bug must not lose an event.
            Err(invalid) => {
                let namespace = "redshift".to_owned();
                let unresolved = vec![UnresolvedName {
                    namespace,
                    reason: invalid.to_string(),
                }];
                RedshiftRewrite {
                    event: event.clone(),
                    changes: Vec::new(),
                    unresolved,
                }
            }
        }
    }

    /// Returns an event that may name Redshift, to be looked into. Most do not. Escapes can spell any letter.
    fn indexed<'t>(&self, event: &'t Event) -> Option<Indexed<'t>> {
        let text = event.text();
        let may_name = text.contains("redshift") || text.contains("\\u00");
        (self.style != Style::None && may_name).then(|| event.indexed())
    }

    fn renamed(
        &self,
        before: &Identity,
        results: &HashMap<ShortName, Lookup>,
    ) -> Result<NewName, String> {
        let complete;
        let before = match before.namespace.strip_prefix("redshift://") {
            Some(rest) if rest.contains('/') => {
                complete = with_database(before)?;
                &complete
            }
            Some(_) | None => before,
        };
        let endpoint = match self.host_form(&before.namespace) {
            HostForm::Endpoint(endpoint) => endpoint,
            HostForm::Short(short) if self.style == Style::OpenLineage => {
                return Ok(NewName {
                    after: Identity {
                        namespace: before.namespace.clone(),
                        name: catalog_name(&before.name),
                    },
                    // Any warehouse of that name.
                    address: format!("{}.{}", short.identifier, short.region),
                });
            }
            HostForm::Short(short) => match results.get(&short) {
                Some(Lookup::Found(endpoint)) => endpoint.clone(),
                Some(Lookup::NotFound) => {
                    return Err("no workgroup or cluster has that name".to_owned());
                }
                Some(Lookup::Failed(reason)) => return Err(reason.clone()),
                None => {
                    return Err("the host is not in redshift.hosts, and lookup is off".to_owned());
                }
            },
            HostForm::Other => {
                return Err("the host is not an endpoint, and not in redshift.hosts".to_owned());
            }
        };
        let after = self.styled(before, &endpoint)?;
        Ok(NewName {
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
        let name = catalog_name(&before.name);
        if region.is_empty() && self.style != Style::Endpoint {
            return Err("redshift.hosts does not map it to an AWS endpoint".to_owned());
        }
        let account = || {
            let account = endpoint.account.as_ref().or(self.account.as_ref());
            account.ok_or_else(|| "its account is unknown: set redshift.account".to_owned())
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

    /// Parses the host of a namespace, or the endpoint to which it is mapped.
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
                    // The user mapped it: an address of unknown form is still an address.
                    HostForm::Other => HostForm::Endpoint(Endpoint {
                        flavour: Flavour::Provisioned,
                        identifier: host.clone(),
                        region: String::new(),
                        account: None,
                        address: host,
                        port,
                    }),
                    form @ (HostForm::Endpoint(_) | HostForm::Short(_)) => form,
                }
            }
        }
    }
}

/// The datasets of an event that may be Redshift's, and the positions of single namespaces, from one walk over the event.
#[derive(Default)]
struct RedshiftNames<'t> {
    names: Vec<RedshiftName<'t>>,
    mentions: Vec<Mention<'t>>,
}

fn redshift_names<'t>(event: &'t Indexed<'t>) -> RedshiftNames<'t> {
    let Positions { names, mentions } = positions(event.json());
    let dataset = names.into_iter().filter(|name| name.role == Role::Dataset);
    let names = dataset
        .filter_map(|name| {
            let namespace = name.namespace.string()?;
            host_and_port(&namespace)?;
            let before = Identity {
                namespace: namespace.into_owned(),
                name: name.name.string()?.into_owned(),
            };
            Some(RedshiftName {
                place: name.place,
                namespace: name.namespace,
                name: name.name,
                before,
            })
        })
        .collect();
    RedshiftNames { names, mentions }
}

/// A new name, and the address of its warehouse.
struct NewName {
    after: Identity,
    address: String,
}

/// Moves the database from the namespace to the name: the forms have no place for it in the namespace.
fn with_database(dataset: &Identity) -> Result<Identity, String> {
    let done = Normalise::database_in_name().normalised(dataset);
    match done.left {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(done.dataset),
    }
}

/// Returns a name as Redshift's catalog stores it. DataZone has the same names and compares them exactly. Identifiers are
/// stored in lower case, except quoted ones where `enable_case_sensitive_identifier` is set
/// (<https://docs.aws.amazon.com/redshift/latest/dg/r_names.html>).
fn catalog_name(name: &str) -> String {
    let fold = Fold::of("redshift");
    fold.and_then(|fold| folded(name, fold))
        .unwrap_or_else(|| name.to_owned())
}

/// A dataset name in an event.
struct RedshiftName<'t> {
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
