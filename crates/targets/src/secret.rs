//! Where a target's credential comes from: the configuration, a file, or AWS Secrets Manager. Reads it each time that the
//! caller asks for it. No error contains the credential.

use std::path::PathBuf;
use std::time::Duration;

use aws::Aws;
use aws::secrets_manager;
use settings::{SecretText, Setting};

use crate::response::words;
use crate::{OpenError, OpenQuestion, SettingError};

/// How long a read of a secret may take.
const READ: Duration = Duration::from_secs(10);

/// The largest file that is read, in bytes: a key, a token, or a service account with its private key.
const MAX_FILE: u64 = 65_536;

/// Where a credential comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// The configuration. It never changes.
    Text(SecretText),
    /// A file, whose whole text it is.
    File(PathBuf),
    /// A secret of AWS Secrets Manager with this id, whose whole text it is.
    SecretsManager(String),
}

/// A credential that was read. `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct Credential(pub(crate) SecretText);

/// The settings of one credential, with their names. At most one may be set.
pub(crate) struct SecretSettings {
    pub(crate) text: (&'static str, Option<Setting<settings::Secret>>),
    pub(crate) file: (&'static str, Option<Setting<settings::FilePath>>),
    pub(crate) secret_id: (&'static str, Option<Setting<settings::Text>>),
}

/// Why a credential could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretError {
    pub(crate) message: String,
    /// Whether another read may succeed without anyone changing something.
    pub(crate) is_transient: bool,
}

impl SecretSettings {
    /// The one that is set, and its name.
    pub(crate) fn source(
        self,
        errors: &mut Vec<SettingError>,
    ) -> Option<(&'static str, SecretSource)> {
        let text = self
            .text
            .1
            .map(|text| SecretSource::Text(text.into_value()));
        let file = self
            .file
            .1
            .map(|path| SecretSource::File(path.into_value()));
        let id = self.secret_id.1;
        let id = id.map(|id| SecretSource::SecretsManager(id.into_value()));
        let names = [self.text.0, self.file.0, self.secret_id.0];
        let found = [text, file, id].into_iter().zip(names);
        let mut set = found.filter_map(|(source, name)| Some((source?, name)));
        let (source, with) = set.next()?;
        errors.extend(set.map(|(_, setting)| SettingError::Conflict { setting, with }));
        Some((with, source))
    }
}

impl SecretSource {
    /// Whether another read can return something else.
    pub(crate) fn can_change(&self) -> bool {
        match self {
            SecretSource::Text(_) => false,
            SecretSource::File(_) | SecretSource::SecretsManager(_) => true,
        }
    }

    /// Reads the credential, without white space around it.
    pub(crate) async fn read(&self, aws: &Aws) -> Result<SecretText, SecretError> {
        let text = match self {
            SecretSource::Text(text) => return Ok(text.clone()),
            SecretSource::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_file(&path));
                read.await
                    .unwrap_or_else(|_| Err(wrong("the read panicked".to_owned())))?
            }
            SecretSource::SecretsManager(id) => read_secret(aws, id).await?,
        };
        match text.trim() {
            "" => Err(wrong(format!("{}: it is empty", self.place()))),
            text => Ok(SecretText::new(text.to_owned())),
        }
    }

    /// Reads the credential for the first time: without it, the target is not opened.
    pub(crate) async fn read_first(
        &self,
        aws: &Aws,
        setting: &'static str,
    ) -> Result<Credential, OpenError> {
        let text = self.read(aws).await.map(Credential);
        text.map_err(|error| OpenError::Credential {
            setting,
            message: error.message,
            is_transient: error.is_transient,
        })
    }

    /// Checks that a file can be read.
    pub(crate) fn check(&self, setting: &'static str) -> Result<(), OpenError> {
        let SecretSource::File(path) = self else {
            return Ok(());
        };
        let opened = std::fs::File::open(path);
        opened.map(drop).map_err(|error| OpenError::File {
            setting,
            path: path.clone(),
            error,
        })
    }

    /// What is not known of it before it is read.
    pub(crate) fn unchecked(&self, setting: &'static str) -> Option<OpenQuestion> {
        match self {
            SecretSource::SecretsManager(id) => Some(OpenQuestion {
                setting,
                what: format!("what is in {id}"),
            }),
            SecretSource::Text(_) | SecretSource::File(_) => None,
        }
    }

    fn place(&self) -> String {
        match self {
            SecretSource::Text(_) => "the configuration".to_owned(),
            SecretSource::File(path) => path.display().to_string(),
            SecretSource::SecretsManager(id) => id.clone(),
        }
    }
}

fn wrong(message: String) -> SecretError {
    SecretError {
        message,
        is_transient: false,
    }
}

fn read_file(path: &std::path::Path) -> Result<String, SecretError> {
    use std::io::Read;
    let failed = |error: std::io::Error| wrong(format!("{}: {error}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

async fn read_secret(aws: &Aws, id: &str) -> Result<String, SecretError> {
    let text = secrets_manager::read_text(aws, id, READ).await;
    text.map_err(|error| SecretError {
        message: format!("{id}: {}", aws::summarize(&error, words)),
        is_transient: error.may_pass(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_holds_a_credential_that_may_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = SecretSource::File(path.clone());
        let read = async || source.read(&Aws::new()).await;
        let missing = read().await.unwrap_err();
        assert!(missing.message.starts_with(&path.display().to_string()));
        std::fs::write(&path, " \n").unwrap();
        assert!(read().await.unwrap_err().message.ends_with("it is empty"));
        for token in ["first", "second"] {
            std::fs::write(&path, format!("{token}\n")).unwrap();
            assert_eq!(read().await.unwrap().expose(), token);
        }
    }
}
