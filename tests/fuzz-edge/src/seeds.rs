//! Where the fuzzer begins, see `fuzz_laws::seeds`.

/// The seeds of that law.
pub fn of(law: &str) -> Vec<Vec<u8>> {
    let events = || {
        fuzz_laws::seeds::of("event")
            .into_iter()
            .filter(|event| event.len() < 3_000)
    };
    let tagged = |tags: &'static [&'static [u8]]| {
        events()
            .enumerate()
            .map(move |(index, event)| [tags[index % tags.len()], &event[..]].concat())
    };
    match law {
        "config" => texts(&[
            "\0listen: 127.0.0.1:5000\ndata_dir: d\nqueue: {url: http://localhost:1/q, dead_letter_url: http://localhost:1/d, visibility_timeout: 2m}\nbatch: {size: 10, window: 500ms}\0VALIDATION=strict",
            "\x01path_prefix: /prod\nmax_body: 1 MB\nmax_unpacked: 2 MiB\nauth: {keys: [0123456789abcdef, 'sha256:0000000000000000000000000000000000000000000000000000000000000000']}\0QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/1/q",
            "\x02target: datazone\ndatazone: {domain_id: dzd_a1b2c3, region: eu-west-1, role_arn: 'arn:aws:iam::123456789012:role/r', posts_per_second: 5, job_events: drop}\0QUEUE_URL=http://h/q\0QUEUE_DEAD_LETTER_URL=http://h/d",
            "\x03target: openlineage\nopenlineage: {url: http://h, api_key: k, compression: gzip, timeout: 3}\nredshift: {style: arn, account: '123456789012', hosts: {a.b: c}, lookup: false}\0DATAZONE_DOMAIN_ID=dzd-x\0CHECK_PERIOD=1h",
            "\x04target: file\nfile: {path: f, max_bytes: 1 MB, keep: 3}\nrules: {file: s3://rules/k, refresh: 5, hash_key: 0123456789abcdef0123456789abcdef}\nlog: debug\0REDSHIFT_HOSTS=a=b,c=d\0AUTH_KEYS=0123456789abcdef,x\0MAX_BODY_SIZE=18446744073709551615",
        ]),
        "keys" => texts(&[
            "[\"0123456789abcdef\", \"x\"]",
            "{\"a\":\"0123456789abcdef\",\"b\":[\"sha256:zz\"]}",
            "0123456789abcdef\n\nshort\n",
            "7",
            "\"0123456789abcdef\"",
        ]),
        "ingest" => {
            let mut all: Vec<Vec<u8>> = tagged(&[
                b"\0\0",
                b"\0\x04",
                b"\x08\0",
                b"\x02\0",
                b"\x08\x05",
                b"\x04\x0c",
            ])
            .collect();
            all.extend(
                events().map(|event| [b"\x01\0[", &event[..], b",", &event, b",{}]"].concat()),
            );
            all.extend([
                b"\x01\x02[]".to_vec(),
                b"\0\0\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec(),
                b"\0\0\x1f\xef\xbf\xbd".to_vec(),
            ]);
            all
        }
        "gateway" => tagged(&[
            b"\0\0\0",
            b"\x01\0\0",
            b"\x03\0\x04",
            b"\x04\x08\0",
            b"\x02\0\0",
            b"\x05\x03\0",
        ])
        .collect(),
        "sqs" => {
            let pointer = "\x07\x07my-id\x001767225600000\x0012\x001767225600001\x003\0group\0[\"software.amazon.payloadoffloading.PayloadS3Pointer\",{\"s3BucketName\":\"b\",\"s3Key\":\"events/k\"}]";
            tagged(&[b"\0\0", b"\x03\x03i\x001\x002\x003\0"])
                .chain(texts(&[pointer]))
                .collect()
        }
        "sqs_event" => {
            let message = r#"{"messageId":"m","receiptHandle":"r","body":"{}","attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1"},"messageAttributes":{"id":{"stringValue":"i","dataType":"String","stringListValues":[],"binaryListValues":[]}},"md5OfBody":"","eventSource":"aws:sqs","eventSourceARN":"a","awsRegion":"r"}"#;
            vec![format!("{{\"Records\":[{message},{message}]}}").into_bytes()]
        }
        _ => Vec::new(),
    }
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}
