//! What somebody saved of a service, in place of the service: answers that the AWS CLI printed, and messages of a queue.
//! No service is called, and no credentials are needed.
//!
//! [`SavedSource::read`] takes file by file, and [`SavedSource::end`] tells what they come to together: a crawl needs tables
//! of another file, a statement its text. What the answers mean is decided in `sources`. Called by `lineage-proxy extract
//! --input`. Logs are not here: a log of any size is read in pieces, as it is.

mod objects;

use std::path::PathBuf;

use ::sources::crawler::{Answers, Tables, UnknownAccount};
use ::sources::flyte::{self, FlyteOptions, Objects};
use ::sources::redshift::{Catalogue, History, Options, ReadError, Warehouse, extract_all};
use ::sources::{Extraction, Finding, guarded, saved_messages, streams};

use crate::crawler::SavedCrawls;
use crate::flyte::SavedFlyte;
use crate::redshift::SavedHistory;
use objects::Folder;

/// A source whose answers or messages were saved.
#[derive(Debug)]
pub enum SavedSource {
    /// Answers about crawlers.
    GlueCrawlers(Box<CrawlAnswers>),
    /// Results of the views of Redshift.
    Redshift(Box<HistoryResults>),
    /// Messages of Flyte.
    Flyte(Box<FlyteMessages>),
    /// Messages with OpenLineage events.
    Sqs,
}

/// Answers about crawlers, collected from files.
#[derive(Debug)]
pub struct CrawlAnswers {
    answers: Answers,
    crawlers: Vec<String>,
    region: String,
    account: Option<String>,
    tables: Tables,
}

/// Results of the views of Redshift, collected from files.
#[derive(Debug)]
pub struct HistoryResults {
    history: History,
    catalogue: Catalogue,
    warehouse: Warehouse,
    options: Options,
}

/// What reads messages of Flyte and their objects, without S3.
#[derive(Debug)]
pub struct FlyteMessages {
    options: FlyteOptions,
    folder: Folder,
}

/// Why files come to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// A file is no result of a view.
    #[error("{0}")]
    Result(#[from] ReadError),
    /// Nothing tells the account of the crawlers.
    #[error("account: {0}")]
    Account(#[from] UnknownAccount),
}

impl SavedError {
    /// What could not be read before: perhaps the reason.
    pub fn findings(&self) -> &[Finding] {
        match self {
            SavedError::Result(_) => &[],
            SavedError::Account(unknown) => &unknown.findings,
        }
    }
}

impl SavedSource {
    pub(crate) fn crawls(settings: SavedCrawls) -> SavedSource {
        let SavedCrawls {
            crawlers,
            region,
            account,
            tables,
        } = settings;
        SavedSource::GlueCrawlers(Box::new(CrawlAnswers {
            answers: Answers::default(),
            crawlers,
            region,
            account,
            tables,
        }))
    }

    pub(crate) fn history(settings: SavedHistory) -> SavedSource {
        let SavedHistory { warehouse, options } = settings;
        SavedSource::Redshift(Box::new(HistoryResults {
            history: History::default(),
            catalogue: Catalogue::default(),
            warehouse,
            options,
        }))
    }

    pub(crate) fn flyte(settings: SavedFlyte, objects: Option<PathBuf>) -> SavedSource {
        SavedSource::Flyte(Box::new(FlyteMessages {
            options: settings.options,
            folder: Folder::new(objects, settings.literals, settings.max_literal_bytes),
        }))
    }

    /// Reads a file. Returns what it comes to by itself; `file` is its name, for findings.
    ///
    /// # Errors
    ///
    /// The file is no result of a view of Redshift. What cannot be read of other kinds is a finding.
    pub fn read(&mut self, file: &str, bytes: &[u8]) -> Result<Extraction, SavedError> {
        let mut found = Extraction::default();
        match self {
            SavedSource::GlueCrawlers(saved) => saved.answers.add(file, bytes),
            SavedSource::Redshift(saved) => {
                let HistoryResults {
                    history, catalogue, ..
                } = &mut **saved;
                history.add_file(catalogue, file, bytes)?;
            }
            SavedSource::Flyte(saved) => {
                for message in saved_messages(file, bytes) {
                    found.add(saved.message(&message.body, &message.place));
                }
            }
            SavedSource::Sqs => {
                for message in saved_messages(file, bytes) {
                    let read = streams::events(message.body.as_bytes(), &message.place);
                    found.add(read.extraction);
                }
            }
        }
        Ok(found)
    }

    /// Returns what all files come to together.
    ///
    /// # Errors
    ///
    /// Neither the settings nor the tables tell the account of the crawlers.
    pub fn end(self) -> Result<Extraction, SavedError> {
        match self {
            SavedSource::GlueCrawlers(saved) => {
                let CrawlAnswers {
                    answers,
                    crawlers,
                    region,
                    account,
                    tables,
                } = *saved;
                let answers = match crawlers.is_empty() {
                    true => answers,
                    false => answers.only(&crawlers),
                };
                Ok(answers.extract(&region, account.as_deref(), tables)?)
            }
            SavedSource::Redshift(saved) => {
                let HistoryResults {
                    history,
                    catalogue,
                    warehouse,
                    options,
                } = &*saved;
                Ok(match history.is_empty() {
                    true => Extraction::default(),
                    false => extract_all(history, catalogue, warehouse, options),
                })
            }
            SavedSource::Flyte(_) | SavedSource::Sqs => Ok(Extraction::default()),
        }
    }
}

impl FlyteMessages {
    /// Reads the body of a message, and its objects from the folder.
    fn message(&self, body: &str, place: &str) -> Extraction {
        let read = guarded(body.as_bytes(), || self.read(body, place));
        read.unwrap_or_else(|| Extraction::unread(place, body.as_bytes()))
    }

    fn read(&self, body: &str, place: &str) -> Extraction {
        let message = match flyte::read(body, place) {
            Ok(message) => message,
            Err(finding) => {
                return Extraction {
                    findings: vec![finding],
                    ..Extraction::default()
                };
            }
        };
        let mut objects = Objects::default();
        let mut budget = self.folder.budget();
        loop {
            let needed = message.needed(&self.options, &objects);
            if needed.is_empty() {
                return message.extraction(&self.options, &objects);
            }
            for uri in needed {
                let content = self.folder.get(&uri, &mut budget);
                objects.insert(uri, content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ::sources::FindingRule;
    use serde_json::{Value, json};

    use crate::{Kind, SettingError};

    use super::*;

    fn open(kind: Kind, section: Value, objects: Option<PathBuf>) -> SavedSource {
        opened(kind, section, objects).unwrap().unwrap()
    }

    fn opened(
        kind: Kind,
        section: Value,
        objects: Option<PathBuf>,
    ) -> Result<Option<SavedSource>, Vec<SettingError>> {
        kind.read(section).unwrap().saved(objects)
    }

    fn read(mut saved: SavedSource, files: &[(&str, &[u8])]) -> Extraction {
        let mut found = Extraction::default();
        for (name, bytes) in files {
            found.add(saved.read(name, bytes).unwrap());
        }
        found.add(saved.end().unwrap());
        found
    }

    const FLYTE: &[u8] = include_bytes!("../../sources/tests/fixtures/flyte/external.jsonl");

    #[test]
    fn messages_of_flyte_have_the_data_of_the_objects_in_a_folder() {
        let settings = json!({"cluster": "flyte.example.com", "literals": "s3://flyte-meta/"});
        let without = read(open(Kind::Flyte, settings.clone(), None), &[("m", FLYTE)]);
        assert!(!without.events.is_empty());
        let lost = |found: &Extraction| {
            let is_lost = |finding: &&::sources::Finding| finding.rule == FindingRule::Incomplete;
            found.findings.iter().filter(is_lost).count()
        };
        assert!(lost(&without) > 0);
        let folder = tempfile::tempdir().unwrap();
        let outputs = folder
            .path()
            .join("metadata/propeller/poc-development-f3a1b2c4d5e6f/n0/data/0");
        fs::create_dir_all(&outputs).unwrap();
        let bytes = include_bytes!("../../sources/tests/fixtures/flyte/n0.outputs.pb");
        fs::write(outputs.join("outputs.pb"), bytes).unwrap();
        let with = read(
            open(Kind::Flyte, settings, Some(folder.path().to_owned())),
            &[("m", FLYTE)],
        );
        assert_eq!(with.events.len(), without.events.len());
        assert!(lost(&with) < lost(&without), "{:?}", without.findings);
    }

    #[test]
    fn a_message_that_is_none_is_a_finding_with_its_file() {
        let settings = json!({"cluster": "flyte.example.com"});
        let found = read(open(Kind::Flyte, settings, None), &[("m.txt", b"??\n")]);
        assert_eq!(found.findings[0].place, "m.txt message 1");
        let found = read(open(Kind::Sqs, json!({}), None), &[("m.txt", b"??\n")]);
        assert_eq!(found.findings[0].rule, FindingRule::Unreadable);
    }

    #[test]
    fn what_saved_answers_do_not_tell_is_required() {
        for (kind, section, expected) in [
            (
                Kind::GlueCrawlers,
                json!({}),
                "region: required: saved answers do not tell it",
            ),
            (
                Kind::Redshift,
                json!({}),
                "host: required: saved results do not tell it",
            ),
            (Kind::Flyte, json!({}), "cluster: is required"),
        ] {
            let errors = opened(kind, section, None).unwrap_err();
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(errors, [expected]);
        }
        assert!(opened(Kind::Logs, json!({}), None).unwrap().is_none());
    }

    #[test]
    fn an_account_that_nothing_tells_is_an_error() {
        let saved = open(Kind::GlueCrawlers, json!({"region": "eu-west-1"}), None);
        let error = saved.end().unwrap_err().to_string();
        assert!(error.starts_with("account: "), "{error}");
    }
}
