//! What is acknowledged can be read back from where it was put.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Mutex;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use flate2::read::GzDecoder;
use futures_util::future::join_all;
use openlineage::Level;

use super::object::SUFFIX;
use super::*;

fn event(name: &str) -> Event {
    let text = format!(
        "{{\"eventTime\":\"2026-01-01T00:00:00Z\",\"producer\":\"urn:p\",\"schemaURL\":\"urn:s\",\n\"dataset\":{{\"namespace\":\"n\",\"name\":\"{name}\"}}}}"
    );
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

fn config(location: Location) -> ArchiveConfig {
    ArchiveConfig {
        location,
        region: None,
    }
}

fn archive(root: &Path) -> Archive {
    let config = config(Location::Folder(root.to_owned()));
    Archive::open(&config, &Aws::new()).unwrap()
}

async fn deliver(archive: &Archive, names: &[&str]) -> Vec<Delivery> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let events: Vec<Event> = names.iter().map(|name| event(name)).collect();
    let reports = events.iter().map(|event| archive.deliver(event, deadline));
    let reports = join_all(reports).await.into_iter();
    reports.map(|report| report.delivery.unwrap()).collect()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    });
    files.collect()
}

fn lines(compressed: &[u8]) -> BTreeSet<String> {
    let mut text = String::new();
    GzDecoder::new(compressed)
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

fn expected(names: &[&str]) -> BTreeSet<String> {
    let line = |name: &&str| event(name).text().replace('\n', " ");
    names.iter().map(line).collect()
}

const DELIVERED: Delivery = Delivery::Delivered { id: None };

#[tokio::test]
async fn events_that_are_delivered_together_are_lines_of_one_file_in_the_folder_of_its_hour() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new/archive");
    let archive = archive(&root);
    let names = ["a", "b", "c"];
    assert_eq!(
        deliver(&archive, &names).await,
        [DELIVERED, DELIVERED, DELIVERED]
    );
    let found = files(&root);
    let [file] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(lines(&fs::read(file).unwrap()), expected(&names));
    let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
    let parts: Vec<&str> = path.split('/').collect();
    assert!(
        matches!(parts.as_slice(), [date, hour, name] if date.starts_with("dt=20") && hour.starts_with("hour=") && name.ends_with(SUFFIX)),
        "{path}"
    );
}

#[tokio::test]
async fn a_folder_that_was_removed_is_created_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("archive");
    let archive = archive(&root);
    assert_eq!(deliver(&archive, &["a"]).await, [DELIVERED]);
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(deliver(&archive, &["b"]).await, [DELIVERED]);
    let found = files(&root);
    assert_eq!(found.len(), 1);
    assert_eq!(lines(&fs::read(&found[0]).unwrap()), expected(&["b"]));
}

#[tokio::test]
async fn where_no_file_can_be_written_the_events_wait_in_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("archive");
    let archive = archive(&root);
    fs::remove_dir_all(&root).unwrap();
    fs::write(&root, "a file").unwrap();
    let delivered = deliver(&archive, &["a"]).await;
    assert!(
        matches!(&delivered[..], [Delivery::Transient(failure)] if failure.scope == Scope::Target),
        "{delivered:?}"
    );
}

#[tokio::test]
async fn what_a_crash_left_incomplete_is_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let incomplete = folder.path().join(".incomplete");
    fs::create_dir(&incomplete).unwrap();
    let (half, foreign) = (
        incomplete.join(format!("half{SUFFIX}")),
        incomplete.join("note"),
    );
    fs::write(&half, "half").unwrap();
    fs::write(&foreign, "not ours").unwrap();
    archive(folder.path());
    assert!(!half.exists() && foreign.exists());
}

#[test]
fn a_check_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new/archive");
    assert_eq!(check(&config(Location::Folder(root.clone()))).unwrap(), []);
    assert!(!root.exists());
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(check(&config(Location::Folder(file.join("archive")))).is_err());
}

/// Objects by path.
type Objects = Arc<Mutex<Vec<(String, Bytes)>>>;

/// An archive in a bucket that answers with a status, and what the bucket gets.
async fn bucket(status: StatusCode, body: &'static str) -> (Archive, Objects) {
    let objects = Objects::default();
    let kept = objects.clone();
    let put = async move |uri: Uri, object: Bytes| {
        let path = uri.path().replace("%3D", "="); // as S3 decodes it
        kept.lock().unwrap().push((path, object));
        (status, body)
    };
    let router = axum::Router::new().fallback(put);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(url)
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled());
    let aws = Box::pin(loader.load()).await;
    let location = Location::Bucket {
        bucket: "my-events".to_owned(),
        prefix: "lineage/raw".to_owned(),
    };
    let archive = Archive::open(&config(location), &Aws::from(aws)).unwrap();
    (archive, objects)
}

#[tokio::test]
async fn events_that_are_delivered_together_are_one_object_below_the_prefix() {
    let (archive, objects) = bucket(StatusCode::OK, "").await;
    let names = ["a", "b"];
    assert_eq!(deliver(&archive, &names).await, [DELIVERED, DELIVERED]);
    let objects = objects.lock().unwrap();
    let [(path, object)] = objects.as_slice() else {
        panic!("{} objects", objects.len());
    };
    assert!(
        path.starts_with("/my-events/lineage/raw/dt=20") && path.ends_with(SUFFIX),
        "{path}"
    );
    assert_eq!(lines(object), expected(&names));
}

#[tokio::test]
async fn what_s3_refuses_waits_in_the_queue_and_nothing_of_its_message_is_kept() {
    for (status, code, reason) in [
        (StatusCode::FORBIDDEN, "AccessDenied", Reason::Permission),
        (StatusCode::NOT_FOUND, "NoSuchBucket", Reason::Missing),
        (StatusCode::BAD_REQUEST, "ExpiredToken", Reason::Permission),
        (StatusCode::BAD_REQUEST, "InvalidToken", Reason::Permission),
        (
            StatusCode::BAD_REQUEST,
            "KMS.DisabledException",
            Reason::Permission,
        ),
        (
            StatusCode::BAD_REQUEST,
            "AuthorizationHeaderMalformed",
            Reason::Missing,
        ),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "SlowDown",
            Reason::Throttled,
        ),
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            Reason::Unavailable,
        ),
    ] {
        let body = format!("<Error><Code>{code}</Code><Message>hunter2</Message></Error>");
        let (archive, _) = bucket(status, body.leak()).await;
        let delivered = deliver(&archive, &["a"]).await;
        let [Delivery::Transient(failure)] = delivered.as_slice() else {
            panic!("{delivered:?}");
        };
        assert_eq!((failure.reason, failure.scope), (reason, Scope::Target));
        assert_eq!(failure.message, format!("S3: {code}"));
    }
}
