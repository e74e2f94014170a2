//! Names as they come, and as they leave.

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
    let endpoint = |host: &str| match parse_host(host.to_owned(), 5439) {
        HostForm::Endpoint(endpoint) => Lookup::Found(endpoint),
        HostForm::Short(_) | HostForm::Other => panic!("{host} is an endpoint"),
    };
    HashMap::from([
        (short("wg", "eu-west-1"), endpoint(WORKGROUP)),
        (short("dwh", "us-east-1"), endpoint(CLUSTER)),
        (short("gone", "us-east-1"), Lookup::NotFound),
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
    assert_eq!(rule.lookups(&both).len(), 2);
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

#[test]
fn a_database_in_the_namespace_goes_into_the_name_or_the_name_stays() {
    for style in [Style::Endpoint, Style::OpenLineage, Style::AccountHost] {
        let rule = Redshift {
            style,
            account: Some("123456789012".into()),
            ..Redshift::default()
        };
        let one = |database: &str, name: &str| {
            let namespace = format!("redshift://{CLUSTER}:5439/{database}");
            let rewritten = rule.rewrite(&event(&[(&namespace, name)]), &answers());
            let change = rewritten.changes.into_iter().next();
            change.map(|change| (change.after.namespace, change.after.name))
        };
        let (namespace, name) = one("dev", "public.t").unwrap();
        assert!(
            !namespace.contains("/dev") && name == "dev.public.t",
            "{namespace}"
        );
        assert_ne!(one("dev", "public.t"), one("prod", "public.t"));
        assert_eq!(one("dev.public.t", "").unwrap().1, "dev.public.t");
        assert_eq!(one("dev", "t"), None);
    }
}

#[test]
fn names_have_the_case_of_the_catalog() {
    let namespace = format!("redshift://{CLUSTER}:5439");
    let rewritten = Redshift::default().rewrite(
        &event(&[(&namespace, r#"DEV.PuBliC.\"Kept\""#)]),
        &answers(),
    );
    assert_eq!(rewritten.changes[0].after.name, "dev.public.\"Kept\"");
}

#[test]
fn two_clusters_of_one_name_stay_two() {
    let rule = Redshift {
        style: Style::OpenLineage,
        ..Redshift::default()
    };
    let [one, two] = ["abc", "def"]
        .map(|hash| format!("redshift://dwh.{hash}.us-east-1.redshift.amazonaws.com:5439"));
    let rewritten = rule.rewrite(
        &event(&[(&one, "a.b.c"), (&two, "a.b.c"), (&two, "a.b.d")]),
        &answers(),
    );
    let left: Vec<&str> = rewritten
        .unresolved
        .iter()
        .map(|left| left.namespace.as_str())
        .collect();
    assert_eq!(left, [&one, &two]);
    assert_eq!(rewritten.changes.len(), 1);
}
