//! Laws of the configuration: any file and any environment are settings, or have all their errors reported; no error shows
//! a key.

use fuzz_laws::pack;
use proxy::config::{Config, Layers, Role};
use proxy::http::auth;

/// The first byte is the role; then come a YAML file and variables (`QUEUE_URL=…`), parted by zero bytes.
pub(crate) fn config(bytes: &[u8]) {
    let Some((role, texts)) = bytes.split_first() else {
        return;
    };
    let Ok(texts) = std::str::from_utf8(texts) else {
        return;
    };
    let mut texts = texts.split('\0');
    let file = Layers::yaml("f.yaml", texts.next().unwrap_or_default());
    let pairs = texts.filter_map(|pair| pair.split_once('='));
    let variables = pairs.map(|(name, value)| (format!("LINEAGE_PROXY_{name}"), value.to_owned()));
    let settings = Layers::environment(variables).over(file);
    let role = [
        Role::Serve,
        Role::Ingest,
        Role::Batch,
        Role::Check,
        Role::Tool,
    ][usize::from(role % 5)];
    match Config::read(settings, role) {
        Err(errors) => {
            assert!(!errors.0.is_empty(), "refused without a reason");
            assert!(errors.0.iter().all(|error| !error.message.is_empty()));
        }
        Ok(config) => {
            let ingest = &config.ingest;
            let largest = ingest
                .max_body_size
                .checked_add(ingest.max_decompressed_size);
            assert!(largest.is_some_and(|bytes| bytes <= ingest.max_body_memory));
            assert!(ingest.path_prefix.is_empty() || ingest.path_prefix.starts_with('/'));
            assert!(!ingest.path_prefix.ends_with('/'));
            assert!(config.pipeline.batch.size >= 1 && config.pipeline.batch.concurrency >= 1);
            if role == Role::Ingest {
                let auth = &ingest.auth;
                assert!(auth.anonymous || !auth.keys.is_empty() || auth.secret_id.is_some());
            }
            // What was read can be used: a prefix that no router takes would end the process.
            crate::http::serves(&config.ingest);
        }
    }
}

/// The text of a secret with keys: errors name places, never keys.
pub(crate) fn keys(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match auth::keys(text) {
        Ok(keys) => assert!(keys.iter().all(|key| key.text.len() >= 16)),
        Err(error) => {
            let error = error.to_string();
            assert!(error.starts_with("key "), "{error}");
            // A line that says what we say, but for the place, is no key that we tell: the fuzzer reads our messages.
            let without_place = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
            let ours = auth::keys("x")
                .map_or_else(|error| without_place(&error.to_string()), |_| String::new());
            let words = text.lines().map(str::trim).filter(|line| line.len() > 9);
            for word in words {
                let says_it = without_place(word);
                if !says_it.is_empty() && ours.contains(&says_it) {
                    continue;
                }
                assert!(!error.contains(word), "{}", pack::line(bytes));
            }
        }
    }
}
