//! The documentation and the template name the settings that the code reads.

use std::collections::BTreeSet;

use super::*;

/// A row of the table of settings in `docs/configuration.md`.
pub(super) fn row(entry: &settings::Entry) -> String {
    let note = |name: &str| entry.extra.get(name).and_then(|note| note.as_str());
    let default = entry.default.as_ref().map(|default| format!("`{default}`"));
    let default = default.or(note("x-default").map(str::to_owned));
    let cells = [
        format!("`{}`", entry.name),
        entry.values.clone(),
        default.unwrap_or_default(),
        entry.description.clone(),
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |", cells.join(" | ")).replace("  ", " ")
}

/// `UPDATE_DOCS=1 cargo test -p proxy --lib the_documentation_lists_every_setting` writes the table.
#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test")]
fn the_documentation_lists_every_setting() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once("<!-- settings -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of settings -->").unwrap();
    let rows: Vec<String> = names::all().iter().map(row).collect();
    let header = "| setting | values | default | meaning |\n|---|---|---|---|";
    let table = format!(
        "<!-- settings -->\n{header}\n{}\n<!-- end of settings -->",
        rows.join("\n")
    );
    let expected = format!("{before}{table}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
        return;
    }
    assert!(
        page == expected,
        "docs/configuration.md is stale: see the comment of this test"
    );
}

#[test]
fn the_templates_and_the_settings_name_the_same() {
    // All templates of sources have the same variables (tests/infra).
    let template = concat!(
        include_str!("../../../../../infra/openlineage-proxy.yaml"),
        include_str!("../../../../../infra/source-glue.yaml")
    );
    let named = |text: &str| -> String {
        let end = text.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let passed: BTreeSet<String> = template.split(PREFIX).skip(1).map(named).collect();
    let is_passed = |entry: &&settings::Entry| !entry.extra.contains_key("x-not-on-aws");
    let expected = names::all().iter().filter(is_passed);
    let expected = expected.map(|entry| names::variable(&entry.name).replacen(PREFIX, "", 1));
    // A map, which is no setting by itself.
    let expected = expected.chain(["SOURCES".to_owned()]);
    assert_eq!(passed, expected.collect::<BTreeSet<String>>());
}
