//! The forms of a value (lists, maps, addresses), and the setting that is suggested for an unknown one.

use queue::{Destination, QueueUrl, Topic};

use super::*;

#[test]
fn lists_and_maps_have_one_form_in_a_text() {
    let (one, two) = ("0123456789abcdef", "fedcba9876543210");
    for keys in [format!("{one},{two}"), format!("[\"{one}\", \"{two}\"]")] {
        let config = read("", &[("LINEAGE_PROXY_AUTH_KEYS", &keys)], Role::Serve).unwrap();
        assert_eq!(config.ingest.auth.keys.len(), 2, "{keys}");
        let yaml = format!("auth: {{keys: '{keys}'}}");
        assert!(read(&yaml, &[], Role::Serve).is_ok(), "{keys}");
    }
    for hosts in ["a=b:1,c=d", "{\"a\":\"b:1\",\"c\":\"d\"}"] {
        let variables = [("LINEAGE_PROXY_REDSHIFT_HOSTS", hosts)];
        let config = read("", &variables, Role::Serve).unwrap();
        assert_eq!(config.pipeline.redshift.hosts.len(), 2, "{hosts}");
    }
    for (variable, value, form) in [
        ("LINEAGE_PROXY_AUTH_KEYS", format!("{one};{two}"), "a,b"),
        ("LINEAGE_PROXY_AUTH_KEYS", format!("{one} {two}"), "a,b"),
        (
            "LINEAGE_PROXY_AUTH_KEYS",
            format!("[{one}]"),
            "[\"a\",\"b\"]",
        ),
        ("LINEAGE_PROXY_REDSHIFT_HOSTS", "a:b".to_owned(), "a=b,c=d"),
        (
            "LINEAGE_PROXY_REDSHIFT_HOSTS",
            "{a: b}".to_owned(),
            "{\"a\":\"b\",\"c\":\"d\"}",
        ),
    ] {
        let errors = read("", &[(variable, &value)], Role::Serve).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with(&format!("environment variable {variable}: ")),
            "{errors:?}"
        );
        assert!(
            errors[0].contains(form) && !errors[0].contains(one),
            "{errors:?}"
        );
    }
    for (yaml, message) in [
        (
            "auth: {keys: [[a]]}",
            "proxy.yaml:1:15: auth.keys: key 1: expected a text: put it in quotes",
        ),
        (
            "redshift: {hosts: [a=b]}",
            "proxy.yaml:1:19: redshift.hosts: expected a map, found a list",
        ),
        (
            "batch: {size: [1]}",
            "proxy.yaml:1:15: batch.size: expected a single value, found a list",
        ),
    ] {
        assert_eq!(read(yaml, &[], Role::Serve).unwrap_err(), [message]);
    }
}

#[test]
fn the_nearest_setting_is_suggested_as_it_is_named_there() {
    for (yaml, message) in [
        ("listn: x", "listn: unknown setting (did you mean listen?)"),
        (
            "dataDir: x",
            "dataDir: unknown setting (did you mean data_dir?)",
        ),
        (
            "queue: {visibility: 60}",
            "(did you mean queue.visibility_timeout?)",
        ),
        (
            "api_key: x",
            "(did you mean datahub.api_key or openlineage.api_key?)",
        ),
        (
            "batch: 5",
            "batch: is a section; its settings are batch.concurrency, batch.deduplication_window, batch.size, batch.window",
        ),
        (
            "listen: {port: 5000}",
            "proxy.yaml:1:9: listen: expected a single value, found a map",
        ),
        (
            "queue: {foo: 1}",
            "queue.foo: unknown setting (the settings of queue are queue.bucket, queue.dead_letter_url, queue.max_attempts, queue.topic_arn, queue.topic_message_size, queue.url, queue.visibility_timeout)",
        ),
        ("quue: {url: x}", "(did you mean queue?)"),
        ("zzz: 1", "proxy.yaml:1:1: zzz: unknown setting"),
        ("data_dir: a\ndata-dir: b", "(did you mean data_dir?)"),
        (
            "batch: {size: 5}\nbatch_size: 6",
            "proxy.yaml:2:1: batch_size: unknown setting (did you mean batch.size?)",
        ),
        ("a: [", "proxy.yaml:1:"),
        (
            "[]",
            "proxy.yaml:1:1: expected settings by name (`listen: …`), found a list",
        ),
    ] {
        let errors = read(yaml, &[], Role::Serve).unwrap_err();
        assert!(
            errors.len() == 1 && errors[0].contains(message),
            "{yaml}: {errors:?}"
        );
    }
    let variables = [
        ("LINEAGE_PROXY_LISTN", "x"),
        ("LINEAGE_PROXY_TARGET", "datzone"),
    ];
    let errors = read("", &variables, Role::Serve).unwrap_err();
    let expected = [
        "environment variable LINEAGE_PROXY_LISTN: unknown setting (did you mean LINEAGE_PROXY_LISTEN?)",
        "environment variable LINEAGE_PROXY_TARGET: expected one of store, file, archive, openlineage, datahub, datazone, glue, found \"datzone\" (did you mean datazone?)",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn a_name_with_a_port_is_an_address_and_other_forms_are_explained() {
    let listen = |text: &str| {
        let variables = [
            ("LINEAGE_PROXY_LISTEN", text),
            ("LINEAGE_PROXY_AUTH_ALLOW_ANONYMOUS", "true"),
        ];
        read("", &variables, Role::Serve)
            .map(|config| config.listen.to_string())
            .map_err(|errors| errors.join("\n"))
    };
    for (text, address) in [
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("localhost:5000", "127.0.0.1:5000"),
        ("LOCALHOST:0", "127.0.0.1:0"),
        ("[::1]:5000", "[::1]:5000"),
        ("[::]:5000", "[::]:5000"),
        ("[127.0.0.1]:5000", "127.0.0.1:5000"),
    ] {
        assert_eq!(listen(text), Ok(address.to_owned()));
    }
    for (text, hint) in [
        (":5000", "0.0.0.0:5000 for all"),
        ("*:5000", "0.0.0.0:5000 for all"),
        ("::1:5000", "an IPv6 address needs brackets: [::1]:5000"),
        ("5000", "localhost:5000"),
        ("localhost", "localhost:5000"),
        ("localhost:http", "localhost:5000"),
        ("localhost:70000", "localhost:5000"),
        ("http://localhost:5000", "localhost:5000"),
        ("no-such-host.invalid:5000", "no-such-host.invalid"),
    ] {
        let error = listen(text).unwrap_err();
        assert!(
            error.contains(hint) && error.contains("found"),
            "{text}: {error}"
        );
    }
    // A name that is not this machine is as open as its address.
    let error = read("listen: '0.0.0.0:80'", &[], Role::Serve).unwrap_err();
    assert!(error[0].contains("--allow-anonymous"), "{error:?}");
}

#[test]
fn a_bucket_that_cannot_be_addressed_is_refused_where_it_stands() {
    let expected = "the name of a general-purpose bucket, or the alias of an access point (…-s3alias) in place of its ARN";
    let arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine";
    let sqs = "https://sqs.eu-west-1.amazonaws.com/123456789012/q";
    let queue = |bucket: &str| {
        format!(
            "queue:\n  url: {sqs}\n  dead_letter_url: {sqs}-dead\n  bucket: {bucket}\ntarget: file\nfile: {{path: x}}\n"
        )
    };
    for bucket in [arn, "fast--use1-az4--x-s3", "a/b"] {
        let errors = read(&queue(bucket), &[], Role::Serve).unwrap_err();
        let error = format!("proxy.yaml:4:11: queue.bucket: expected {expected}, found {bucket:?}");
        assert_eq!(errors, [error]);
    }
    for bucket in ["events-1", "mine-a1b2c3-s3alias"] {
        read(&queue(bucket), &[], Role::Serve).unwrap();
    }
    let rules = format!("rules: {{file: 's3://{arn}/rules.yaml'}}");
    let error = format!(
        "proxy.yaml:1:15: rules.file: expected a BUCKET that is {expected}, found \"s3://{arn}/rules.yaml\""
    );
    assert_eq!(read(&rules, &[], Role::Serve).unwrap_err(), [error]);
}

#[test]
fn what_publishes_to_a_topic_needs_no_queue_and_what_receives_does() {
    let arn = "arn:aws:sns:eu-west-1:123456789012:events";
    let sqs = "https://sqs.eu-west-1.amazonaws.com/123456789012/q";
    let topic = |more: &str| format!("queue: {{topic_arn: '{arn}'{more}}}\n");
    let open = "auth: {allow_anonymous: true}\n";
    let only = |part: &str| format!("{open}only: {part}\n{}", topic(""));
    let published = |config: Config| match config.queue {
        QueueConfig::Sqs(sqs) => (sqs.destination, sqs.queue),
        QueueConfig::Embedded(_) => panic!("the embedded queue"),
    };
    let to_topic = Destination::Topic(Topic::new(arn, 262_144));
    for (text, role) in [
        (format!("{open}{}", topic("")), Role::Ingest),
        (only("ingest"), Role::Serve),
    ] {
        let config = read(&text, &[], role).unwrap();
        assert_eq!(published(config), (to_topic.clone(), None), "{text}");
    }
    let both = topic(&format!(", url: '{sqs}', dead_letter_url: '{sqs}-dead'"));
    let both = format!("{both}target: file\nfile: {{path: x}}\n");
    let config = read(&both, &[], Role::Serve).unwrap();
    assert_eq!(published(config), (to_topic, Some(QueueUrl::new(sqs))));

    let error = |text: &str, role| read(text, &[], role).unwrap_err().join("; ");
    assert!(error(&topic(""), Role::Serve).contains("queue.topic_arn: requires queue.url"));
    assert!(error(&only("batch"), Role::Serve).contains("only: requires queue.url"));
    assert!(error(&topic(""), Role::Batch).contains("queue.url: is required"));
    let fifo = topic(&format!(
        ", url: '{sqs}.fifo', dead_letter_url: '{sqs}-dead.fifo'"
    ));
    assert!(error(&fifo, Role::Serve).contains("cannot deliver to the FIFO queue"));
    let size = format!("{open}{}", topic(", topic_message_size: 2 MiB"));
    let expected = "queue.topic_message_size: expected a size from 1 KiB to 1 MiB, found 2 MiB";
    assert!(error(&size, Role::Ingest).ends_with(expected));
    let wrong = "queue: {topic_arn: events}";
    assert!(error(wrong, Role::Serve).contains("queue.topic_arn: expected the ARN of a topic"));
}
