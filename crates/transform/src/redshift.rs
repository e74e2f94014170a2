//! Redshift names as the catalogue knows them, wherever a dataset is named in an event.
//!
//! Airflow calls a warehouse `redshift://<cluster or workgroup>.<region>:<port>`; DataZone matches the full endpoint
//! or an ARN. Which of the two kinds a short name is, and the random part of a cluster's host, can only be looked
//! up: [`Redshift::wanted`] says what, the caller looks, [`Redshift::rewrite`] writes. What cannot be resolved stays.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::endpoint::{Endpoint, Flavour, ShortName, Told, host_and_port, partition, suffix, told};
use openlineage::{Edits, Event, Identity, Role, names};

/// How Redshift datasets are to be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    OpenLineage,
    /// As they come.
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
        for name in self.redshift_names(event) {
            let short = match self.told(&name.before.namespace) {
                Told::Short(short) => short,
                Told::Endpoint(_) | Told::Other => continue,
            };
            if self.style != Style::OpenLineage {
                wanted.insert(short);
            }
        }
        wanted
    }

    /// Rewrites every Redshift name in `event`, with the answers to what was [`wanted`](Self::wanted).
    pub fn rewrite(&self, event: &Event, answers: &HashMap<ShortName, Lookup>) -> Rewritten {
        let mut edits = Edits::of(event.text());
        let (mut changes, mut unresolved) = (Vec::new(), BTreeSet::new());
        for found in self.redshift_names(event) {
            match self.renamed(&found.before, answers) {
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

    fn redshift_names<'t>(&self, event: &'t Event) -> Vec<Found<'t>> {
        // Few events name Redshift at all: do not look into those that cannot.
        if self.style == Style::None || !event.text().contains("redshift") {
            return Vec::new();
        }
        let names = event.json().map(names).unwrap_or_default();
        let dataset = names.into_iter().filter(|name| name.role == Role::Dataset);
        dataset
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
            .collect()
    }

    fn renamed(
        &self,
        before: &Identity,
        answers: &HashMap<ShortName, Lookup>,
    ) -> Result<Identity, String> {
        let endpoint = match self.told(&before.namespace) {
            Told::Endpoint(endpoint) => endpoint,
            Told::Short(_) if self.style == Style::OpenLineage => return Ok(before.clone()),
            Told::Short(short) => match answers.get(&short) {
                Some(Lookup::Found(endpoint)) => endpoint.clone(),
                Some(Lookup::NoSuch) => {
                    return Err("no workgroup or cluster of that name".to_owned());
                }
                Some(Lookup::Failed(reason)) => return Err(reason.clone()),
                None => return Err("look-up is off and the host is not in the map".to_owned()),
            },
            Told::Other => return Err("neither an endpoint nor in the map of hosts".to_owned()),
        };
        self.styled(before, &endpoint)
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
                    parts(&before.name).ok_or("its name is not database.schema.table")?;
                let (partition, service) = (partition(region), flavour.service());
                return Ok(Identity {
                    namespace: format!("arn:{partition}:{service}:{region}:{}:table", account()?),
                    name: format!("{identifier}/{database}/{schema}/{table}"),
                });
            }
        };
        Ok(Identity {
            namespace,
            name: before.name.clone(),
        })
    }

    /// Reads a namespace, by way of the map of hosts.
    fn told(&self, namespace: &str) -> Told {
        let Some((host, port)) = host_and_port(namespace) else {
            return Told::Other;
        };
        let mapped = self
            .hosts
            .get(&format!("{host}:{port}"))
            .or_else(|| self.hosts.get(&host));
        match mapped {
            None => told(host, port),
            Some(full) => {
                let (host, port) =
                    host_and_port(&format!("redshift://{full}")).unwrap_or((full.clone(), port));
                match told(host.clone(), port) {
                    // The map is the user's word: an address of no known form is an address all the same.
                    Told::Other => Told::Endpoint(Endpoint {
                        flavour: Flavour::Provisioned,
                        identifier: host.clone(),
                        region: String::new(),
                        account: None,
                        address: host,
                        port,
                    }),
                    told => told,
                }
            }
        }
    }
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
mod tests {
    use super::*;
    use openlineage::Level;

    const WORKGROUP: &str = "wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com";
    const CLUSTER: &str = "dwh.abc123xyz.us-east-1.redshift.amazonaws.com";

    fn event(inputs: &[(&str, &str)]) -> Event {
        let dataset = |(namespace, name): &(&str, &str)| {
            format!(r#"{{"namespace":"{namespace}","name":"{name}"}}"#)
        };
        let inputs = inputs.iter().map(dataset).collect::<Vec<_>>().join(",");
        let text = format!(
            r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","job":{{"namespace":"redshift://wg.eu-west-1:5439","name":"a.b.c"}},"inputs":[{inputs}]}}"#
        );
        Event::read(text.as_bytes(), Level::Strict).unwrap().event
    }

    fn answers() -> HashMap<ShortName, Lookup> {
        let short = |identifier: &str, region: &str| ShortName {
            identifier: identifier.into(),
            region: region.into(),
            port: 5439,
        };
        let endpoint = |host: &str| match told(host.to_owned(), 5439) {
            Told::Endpoint(endpoint) => Lookup::Found(endpoint),
            Told::Short(_) | Told::Other => panic!("{host} is an endpoint"),
        };
        HashMap::from([
            (short("wg", "eu-west-1"), endpoint(WORKGROUP)),
            (short("dwh", "us-east-1"), endpoint(CLUSTER)),
            (short("gone", "us-east-1"), Lookup::NoSuch),
            (
                short("secret", "us-east-1"),
                Lookup::Failed("AccessDenied".into()),
            ),
        ])
    }

    fn renamed(rule: &Redshift, namespace: &str) -> Result<(String, String), String> {
        let rewritten = rule.rewrite(&event(&[(namespace, "dev.public.src")]), &answers());
        match (
            rewritten.changes.as_slice(),
            rewritten.unresolved.as_slice(),
        ) {
            ([change], []) => Ok((change.after.namespace.clone(), change.after.name.clone())),
            ([], []) => Ok((namespace.to_owned(), "dev.public.src".to_owned())),
            (_, unresolved) => Err(unresolved[0].reason.clone()),
        }
    }

    #[test]
    fn short_names_become_the_endpoint_that_was_looked_up() {
        let rule = Redshift::default();
        let ok = |host: &str| {
            Ok((
                format!("redshift://{host}:5439"),
                "dev.public.src".to_owned(),
            ))
        };
        assert_eq!(
            renamed(&rule, "redshift://wg.eu-west-1:5439"),
            ok(WORKGROUP)
        );
        assert_eq!(renamed(&rule, "redshift://dwh.us-east-1"), ok(CLUSTER));
        assert_eq!(
            renamed(&rule, &format!("redshift://{CLUSTER}:5439")),
            ok(CLUSTER)
        );
        assert!(renamed(&rule, "redshift://gone.us-east-1:5439").is_err());
        assert_eq!(
            renamed(&rule, "redshift://secret.us-east-1:5439"),
            Err("AccessDenied".into())
        );
        assert!(renamed(&rule, "redshift://10.1.2.3:5439").is_err());
    }

    #[test]
    fn the_map_of_hosts_comes_first() {
        let hosts = [
            ("10.1.2.3", CLUSTER),
            ("dwh.example.com:5440", "dwh.us-east-1:5439"),
            ("vpce.local", "other.host:1"),
        ];
        let hosts = hosts
            .iter()
            .map(|(host, full)| ((*host).to_owned(), (*full).to_owned()))
            .collect();
        let rule = Redshift {
            hosts,
            ..Redshift::default()
        };
        let ok = |host: &str| Ok((format!("redshift://{host}"), "dev.public.src".to_owned()));
        assert_eq!(
            renamed(&rule, "redshift://10.1.2.3:5439"),
            ok(&format!("{CLUSTER}:5439"))
        );
        assert_eq!(
            renamed(&rule, "redshift://DWH.example.com:5440"),
            ok(&format!("{CLUSTER}:5439"))
        );
        assert_eq!(
            renamed(&rule, "redshift://vpce.local:5439"),
            ok("other.host:1")
        );
    }

    #[test]
    fn every_style_writes_its_form() {
        let rule = |style| Redshift {
            style,
            account: Some("999999999999".into()),
            ..Redshift::default()
        };
        let (wg, dwh) = (
            "redshift://wg.eu-west-1:5439",
            "redshift://dwh.us-east-1:5439",
        );
        let forms = [
            (
                Style::AccountHost,
                wg,
                format!("redshift://{WORKGROUP}:5439"),
                "dev.public.src",
            ),
            (
                Style::AccountHost,
                dwh,
                "redshift://dwh.999999999999.us-east-1.redshift.amazonaws.com:5439".into(),
                "dev.public.src",
            ),
            (
                Style::Arn,
                wg,
                "arn:aws:redshift-serverless:eu-west-1:123456789012:table".into(),
                "wg/dev/public/src",
            ),
            (
                Style::Arn,
                dwh,
                "arn:aws:redshift:us-east-1:999999999999:table".into(),
                "dwh/dev/public/src",
            ),
            (
                Style::OpenLineage,
                &format!("redshift://{WORKGROUP}"),
                wg.into(),
                "dev.public.src",
            ),
            (Style::None, wg, wg.into(), "dev.public.src"),
        ];
        for (style, before, namespace, name) in forms {
            assert_eq!(
                renamed(&rule(style), before),
                Ok((namespace, name.to_owned())),
                "{style:?}"
            );
        }
    }

    #[test]
    fn equal_names_in_two_warehouses_stay_apart_and_a_job_called_like_a_dataset_stays() {
        let both = event(&[
            ("redshift://wg.eu-west-1:5439", "a.b.c"),
            ("redshift://dwh.us-east-1:5439", "a.b.c"),
        ]);
        let rule = Redshift::default();
        assert_eq!(rule.wanted(&both).len(), 2);
        let text = rule.rewrite(&both, &answers()).event.text().to_owned();
        assert_eq!(
            text,
            both.text()
                .replace(
                    r#"[{"namespace":"redshift://wg.eu-west-1:5439""#,
                    &format!(r#"[{{"namespace":"redshift://{WORKGROUP}:5439""#)
                )
                .replace(
                    "redshift://dwh.us-east-1:5439",
                    &format!("redshift://{CLUSTER}:5439")
                )
        );
    }
}
