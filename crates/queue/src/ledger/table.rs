//! The ledger of a function, which has no disk: a table of DynamoDB.
//!
//! An item is an identity, which expires, or the position of a source. A position has a version, and is written only over the
//! version that was read: of two invocations at the same time one fails, and is invoked again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::dynamodb::{
    Attribute, BatchGetItem, BatchWriteItem, GetItem, Item, MOST_ITEMS, MOST_KEYS, PutItem,
};
use aws::{Aws, Client};
use uuid::Uuid;

use crate::{QueueError, now};

/// How long an identity is kept, as in `identities.rs`.
const KEPT_SECONDS: i64 = 30 * 24 * 3_600;

/// How the error ends of an invocation whose source another one has moved.
pub const MOVED_MEANWHILE: &str = "by another invocation at the same time";

/// The key, and the attribute by which the table forgets.
const ID: &str = "id";
const EXPIRES: &str = "expires";
const POSITION: &str = "position";
const VERSION: &str = "version";

/// How often a batch is sent again of which the service left something out, and how long to wait before.
const ROUNDS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A call of the table, with its retries.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A ledger in a table. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Table {
    client: Client,
    name: String,
    /// The versions of the positions that were read or written last.
    versions: Arc<Mutex<HashMap<String, u64>>>,
}

impl Table {
    pub(super) fn new(aws: &Aws, name: String) -> Table {
        Table {
            client: aws.client().timeout(TIMEOUT),
            name,
            versions: Arc::default(),
        }
    }

    pub(super) async fn position(&self, source: &str) -> Result<Option<String>, QueueError> {
        let get = GetItem {
            table_name: self.name.clone(),
            key: key(&position_id(source)),
        };
        let item = self.client.send(&get).await;
        let item = item.map_err(|error| self.unavailable(&error))?;
        let (position, version) = match item {
            None => (None, 0),
            Some(mut item) => match (item.remove(POSITION), item.remove(VERSION)) {
                (Some(Attribute::S(position)), Some(Attribute::N(version))) => {
                    let version = version.parse().map_err(|_| self.damaged(source))?;
                    (Some(position), version)
                }
                // To begin again silently would look like progress.
                _ => return Err(self.damaged(source)),
            },
        };
        self.lock().insert(source.to_owned(), version);
        Ok(position)
    }

    pub(super) async fn advance(&self, source: &str, position: String) -> Result<(), QueueError> {
        let known = self.lock().get(source).copied();
        let version = match known {
            Some(version) => version,
            None => {
                self.position(source).await?;
                self.lock().get(source).copied().unwrap_or(0)
            }
        };
        let mut item = key(&position_id(source));
        item.insert(POSITION.to_owned(), Attribute::S(position));
        item.insert(VERSION.to_owned(), number(version + 1));
        let (condition, names, values) = match version {
            0 => (
                format!("attribute_not_exists({ID})"),
                BTreeMap::new(),
                Item::new(),
            ),
            version => (
                "#v = :v".to_owned(),
                [("#v".to_owned(), VERSION.to_owned())].into(),
                [(":v".to_owned(), number(version))].into(),
            ),
        };
        let put = PutItem {
            table_name: self.name.clone(),
            item,
            condition_expression: Some(condition),
            expression_attribute_names: names,
            expression_attribute_values: values,
        };
        match self.client.send(&put).await {
            Ok(()) => {
                self.lock().insert(source.to_owned(), version + 1);
                Ok(())
            }
            Err(error) => {
                // Whoever is right is read again.
                self.lock().remove(source);
                Err(match error.is("ConditionalCheckFailedException") {
                    true => QueueError(format!(
                        "the position of {source} was moved {MOVED_MEANWHILE}"
                    )),
                    false => self.unavailable(&error),
                })
            }
        }
    }

    pub(super) async fn known(&self, identities: Vec<Uuid>) -> Result<HashSet<Uuid>, QueueError> {
        let mut known = HashSet::new();
        // A batch has each key once.
        let distinct: HashSet<Uuid> = identities.into_iter().collect();
        let keys: Vec<Item> = distinct.iter().map(|it| key(&it.to_string())).collect();
        for batch in keys.chunks(MOST_KEYS) {
            let mut rest = batch.to_vec();
            for round in 0..ROUNDS {
                let get = BatchGetItem {
                    table_name: self.name.clone(),
                    keys: rest,
                };
                let read = self.client.send(&get).await;
                let read = read.map_err(|error| self.unavailable(&error))?;
                known.extend(read.items.iter().filter_map(identity));
                rest = read.unprocessed;
                if rest.is_empty() {
                    break;
                }
                pause(round).await;
            }
            if !rest.is_empty() {
                return Err(self.busy());
            }
        }
        Ok(known)
    }

    pub(super) async fn remember(&self, identities: Vec<Uuid>) -> Result<(), QueueError> {
        let expires = now() / 1_000 + KEPT_SECONDS;
        let distinct: HashSet<Uuid> = identities.into_iter().collect();
        let items: Vec<Item> = distinct
            .iter()
            .map(|identity| {
                let mut item = key(&identity.to_string());
                item.insert(EXPIRES.to_owned(), Attribute::N(expires.to_string()));
                item
            })
            .collect();
        for batch in items.chunks(MOST_ITEMS) {
            let mut rest = batch.to_vec();
            for round in 0..ROUNDS {
                let write = BatchWriteItem {
                    table_name: self.name.clone(),
                    items: rest,
                };
                let left = self.client.send(&write).await;
                rest = left.map_err(|error| self.unavailable(&error))?;
                if rest.is_empty() {
                    break;
                }
                pause(round).await;
            }
            if !rest.is_empty() {
                return Err(self.busy());
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unavailable(&self, error: &aws::Error) -> QueueError {
        QueueError(format!("table {}: {}", self.name, aws::error_chain(error)))
    }

    fn busy(&self) -> QueueError {
        QueueError(format!("table {} is too busy", self.name))
    }

    fn damaged(&self, source: &str) -> QueueError {
        let (table, id) = (&self.name, position_id(source));
        QueueError(format!(
            "the position in table {table}, item {id:?}, is damaged; delete the item to let the source begin again"
        ))
    }
}

/// No identity, a UUID, has such an id.
fn position_id(source: &str) -> String {
    format!("position/{source}")
}

fn key(id: &str) -> Item {
    [(ID.to_owned(), Attribute::S(id.to_owned()))].into()
}

fn number(number: u64) -> Attribute {
    Attribute::N(number.to_string())
}

fn identity(item: &Item) -> Option<Uuid> {
    match item.get(ID)? {
        Attribute::S(id) => Uuid::try_parse(id).ok(),
        Attribute::N(_) => None,
    }
}

async fn pause(round: u32) {
    tokio::time::sleep(FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(round))).await;
}

#[cfg(test)]
mod tests {
    use aws_stand_in::{Settings, StandIn};

    use super::*;

    async fn service() -> StandIn {
        let address = ([127, 0, 0, 1], 0).into();
        StandIn::start(address, Settings::default()).await.unwrap()
    }

    fn table(service: &StandIn) -> Table {
        Table::new(&service.aws(), "state".to_owned())
    }

    #[tokio::test]
    async fn a_position_is_that_which_was_written_last_whoever_reads_it() {
        let service = service().await;
        let first = table(&service);
        assert_eq!(first.position("a").await.unwrap(), None);
        for (source, position) in [("a", "1"), ("b", "2"), ("a", "3")] {
            first.advance(source, position.to_owned()).await.unwrap();
        }
        let second = table(&service);
        assert_eq!(second.position("a").await.unwrap().as_deref(), Some("3"));
        assert_eq!(second.position("b").await.unwrap().as_deref(), Some("2"));
    }

    #[tokio::test]
    async fn of_two_that_read_the_same_position_one_writes_the_next() {
        let service = service().await;
        let (one, other) = (table(&service), table(&service));
        for position in ["1", "2"] {
            one.position("a").await.unwrap();
            other.position("a").await.unwrap();
            one.advance("a", position.to_owned()).await.unwrap();
            let refused = other.advance("a", "stale".to_owned()).await;
            assert!(refused.unwrap_err().0.contains("another invocation"));
        }
        assert_eq!(other.position("a").await.unwrap().as_deref(), Some("2"));
    }

    #[tokio::test]
    async fn what_was_remembered_is_known_also_when_the_service_leaves_something_out() {
        let service = service().await;
        service.set(|settings| settings.unprocessed = 7);
        let table = table(&service);
        let all: Vec<Uuid> = (0..230).map(Uuid::from_u128).collect();
        table
            .remember(all.iter().copied().chain([all[0]]).collect())
            .await
            .unwrap();
        let asked = (100..330).map(Uuid::from_u128).chain([all[100]]).collect();
        let expected: HashSet<Uuid> = (100..230).map(Uuid::from_u128).collect();
        assert_eq!(table.known(asked).await.unwrap(), expected);
    }
}
