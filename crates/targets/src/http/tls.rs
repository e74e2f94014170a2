//! TLS: authorities besides those of the system, and the certificate of this client.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};

use crate::OpenError;

/// The names of the settings, which every target behind HTTP has.
pub(crate) const CA_FILE: &str = "ca_file";
pub(crate) const CLIENT_CERTIFICATE_FILE: &str = "client_certificate_file";
pub(crate) const CLIENT_KEY_FILE: &str = "client_key_file";

/// The files that TLS needs besides the authorities of the system.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsFiles {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// Configures a client by the files, which are read now. Blocking.
pub(crate) fn configure(
    client: ClientBuilder,
    files: &TlsFiles,
) -> Result<ClientBuilder, OpenError> {
    let mut client = client;
    if let Some(path) = &files.ca {
        let text = read(CA_FILE, path)?;
        let certificates = Certificate::from_pem_bundle(&text).unwrap_or_default();
        if certificates.is_empty() {
            return Err(invalid(CA_FILE, path, "no certificate in PEM"));
        }
        client = client.tls_certs_merge(certificates);
    }
    if let Some(path) = &files.certificate {
        let mut text = read(CLIENT_CERTIFICATE_FILE, path)?;
        if let Some(key) = &files.key {
            text.push(b'\n');
            text.extend(read(CLIENT_KEY_FILE, key)?);
        }
        // The error may quote the key.
        let identity = Identity::from_pem(&text).map_err(|_| {
            let why = "expected a certificate and its private key in PEM";
            invalid(CLIENT_CERTIFICATE_FILE, path, why)
        })?;
        client = client.identity(identity);
    }
    Ok(client)
}

fn read(setting: &'static str, path: &PathBuf) -> Result<Vec<u8>, OpenError> {
    std::fs::read(path).map_err(|error| OpenError::File {
        setting,
        path: path.clone(),
        error,
    })
}

fn invalid(setting: &'static str, path: &Path, why: &str) -> OpenError {
    OpenError::Invalid {
        setting,
        message: format!("{}: {why}", path.display()),
    }
}
