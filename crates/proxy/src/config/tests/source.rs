//! The sources of the configuration: `sources: {NAME: {type: KIND, …}}`.

use super::*;

fn of(text: &str) -> Result<Config, Vec<String>> {
    read(text, &[], Role::Serve)
}

#[test]
fn a_source_has_the_settings_of_its_kind_and_an_interval() {
    let config = of(
        "sources:\n  crawls: {type: glue-crawlers, crawlers: [a, b], interval: 90s}\n  others: {type: glue-crawlers}\n",
    );
    let config = config.unwrap();
    let names: Vec<_> = config
        .running_sources()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["crawls", "others"]);
    assert_eq!(config.sources[0].interval, Duration::from_secs(90));
    assert_eq!(
        config.sources[1].interval,
        fetch::Kind::GlueCrawlers.interval()
    );
}

#[test]
fn each_error_of_a_source_is_reported_where_it_stands() {
    let errors = of(
        "listen: 127.0.0.1:1\nsources:\n  a: {type: glue-crawlers, intervall: 1m}\n  b: {type: kafkaesque}\n  c: {crawlers: x}\n  \
         d: {type: glue-crawlers, interval: 0s, account: x}\n  E!: {type: glue-crawlers}\n  f: 7\n",
    );
    let errors = errors.unwrap_err();
    let expected = [
        (
            "proxy.yaml:3:28: sources.a.intervall: ",
            "did you mean interval?",
        ),
        ("proxy.yaml:4:13: sources.b.type: ", "glue-crawlers"),
        ("proxy.yaml:5:3: sources.c: ", "lacks its type"),
        ("proxy.yaml:6:38: sources.d.interval: ", "86400 seconds"),
        ("proxy.yaml:6:51: sources.d.account: ", "12 digits"),
        ("proxy.yaml:7:3: sources.E!: ", ""),
        (
            "proxy.yaml:8:6: sources.f: ",
            "expected the settings of a source",
        ),
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, (place, text)) in errors.iter().zip(expected) {
        assert!(
            error.starts_with(place) && error.contains(text),
            "{error}: {place} {text}"
        );
    }
}

#[test]
fn what_only_delivers_reads_no_source_and_show_lists_those_of_all() {
    let text = "sources:\n  crawls: {type: glue-crawlers, region: eu-west-1}\n";
    let shown = Config::effective(Layers::yaml("proxy.yaml", text), Role::Serve).unwrap();
    let setting = |name: &str| {
        let found = shown.iter().find(|it| it.setting == name).unwrap();
        (found.value.as_str(), found.origin.as_str())
    };
    assert_eq!(
        setting("sources.crawls.type"),
        ("glue-crawlers", "proxy.yaml:2:18")
    );
    assert_eq!(
        setting("sources.crawls.region"),
        ("eu-west-1", "proxy.yaml:2:41")
    );
    assert_eq!(setting("sources.crawls.interval"), ("5m", "default"));
    let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/q";
    let batch = format!(
        "{text}only: batch\ntarget: openlineage\nopenlineage: {{url: 'https://x'}}\nqueue: {{url: '{queue}', dead_letter_url: '{queue}'}}\n"
    );
    let config = of(&batch).unwrap();
    assert_eq!(
        (config.sources.len(), config.running_sources().count()),
        (1, 0)
    );
}

/// `UPDATE_DOCS=1 cargo test -p proxy --lib the_page_of_sources_lists` writes the tables.
#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test")]
fn the_page_of_sources_lists_the_settings_of_every_kind() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sources.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once("<!-- settings -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of settings -->").unwrap();
    let mut tables = String::new();
    for kind in fetch::Kind::ALL {
        let rows = source_settings(kind)
            .iter()
            .map(documentation::row)
            .collect::<Vec<_>>();
        let (name, rows) = (kind.name(), rows.join("\n"));
        tables += &format!(
            "### `{name}`\n\n| setting | values | default | meaning |\n|---|---|---|---|\n{rows}\n\n"
        );
    }
    let expected = format!("{before}<!-- settings -->\n{tables}<!-- end of settings -->{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
        return;
    }
    assert!(
        page == expected,
        "docs/sources.md is stale: see the comment of this test"
    );
}
