//! TLS against a server that asks for a certificate.

use std::sync::Arc;
use std::time::Duration;

use ::openlineage::{Event, Level};
use aws::Aws;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::kind::openlineage::{OpenLineage, OpenLineageSettings};
use crate::{Delivery, Failure};

/// The certificates of this test, made with openssl: an authority, a server at 127.0.0.1, a client. Valid for 100 years.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/kind/openlineage/tls");

const CA: &[u8] = include_bytes!("tls/ca.pem");
const SERVER: &[u8] = include_bytes!("tls/server.pem");
const SERVER_KEY: &[u8] = include_bytes!("tls/server.key");

/// A server that asks for a certificate of the authority, and accepts one event a connection.
async fn server() -> String {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(CA).unwrap())
        .unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let certificate = CertificateDer::from_pem_slice(SERVER).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![certificate],
            PrivateKeyDer::from_pem_slice(SERVER_KEY).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = Vec::new();
            while !request.ends_with(b"}}")
                && stream.read_buf(&mut request).await.is_ok_and(|n| n > 0)
            {}
            let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await; // the client may have gone
            let _ = stream.shutdown().await;
        }
    });
    url
}

async fn deliver(section: Value) -> Delivery {
    let settings: OpenLineageSettings = serde_json::from_value(section).unwrap();
    let config = settings.validate().unwrap();
    let target = OpenLineage::open(&config, &Aws::new(), None).await.unwrap();
    let text = r#"{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","dataset":{"namespace":"n","name":"d"}}"#;
    let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
    let deadline = Instant::now() + Duration::from_secs(20);
    target.deliver(&event, 1, deadline).await.delivery.unwrap()
}

#[tokio::test]
async fn the_endpoint_is_trusted_by_its_authority_and_the_client_by_its_certificate() {
    let url = server().await;
    let file = |name: &str| format!("{FOLDER}/{name}");
    let whole = json!({
        "url": url, "ca_file": file("ca.pem"),
        "client_certificate_file": file("client.pem"), "client_key_file": file("client.key"),
    });
    assert_eq!(
        deliver(whole.clone()).await,
        Delivery::Delivered { id: None }
    );
    for missing in [
        &["ca_file"][..],
        &["client_certificate_file", "client_key_file"],
    ] {
        let mut section = whole.clone();
        for name in missing {
            section.as_object_mut().unwrap().remove(*name);
        }
        let delivery = deliver(section).await;
        assert!(
            matches!(&delivery, Delivery::Transient(Failure { .. })),
            "{missing:?}: {delivery:?}"
        );
    }
}
