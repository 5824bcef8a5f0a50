//! Names that try to break out of the file, and what the written configuration reads as.

use rivet_plugin_api::{Column, Table};

use super::text::{Names, key};
use super::{Destination, Found, Source, configuration, scheme};
use crate::config::{self, Mode};

fn found(name: &str, column: &str) -> Found {
    let table = Table {
        schema: Some(name.to_owned()),
        name: name.to_owned(),
        query: format!("SELECT * FROM \"{name}\""),
        rows: Some(1_000_000),
        primary_key: vec![column.to_owned()],
        indexed: vec![column.to_owned()],
        ..Table::default()
    };
    let column = Column { name: column.to_owned(), arrow_type: "Int64".to_owned(), ..Column::default() };
    Found { table, columns: vec![column], ..Found::default() }
}

fn written(tables: &[Found]) -> String {
    let source = Source { kind: "db".to_owned(), key: "url_env", value: "DATABASE_URL".to_owned() };
    configuration(&source, &Destination { kind: "files".to_owned() }, tables)
}

#[test]
fn schemes_and_paths() {
    for (location, expected) in [
        ("Acme://h/d", Some("acme")),
        ("acme:shop.db", Some("acme")),
        ("shop.db", None),
        ("./a:b.db", None),
        ("C:\\shop.db", None),
        (":memory:", None),
    ] {
        assert_eq!(scheme(location).as_deref(), expected, "{location}");
    }
}

#[test]
fn names_of_exports_are_unique_and_allowed() {
    let mut names = Names::default();
    assert_eq!(names.name(Some("public"), "Order"), "Order");
    assert_eq!(names.name(Some("sales"), "order"), "sales_order");
    assert_eq!(names.name(Some("sales"), "ORDER"), "sales_ORDER_2");
    assert_eq!(names.name(None, "größe (m²)"), "gr__e__m__");
    assert_eq!(names.name(None, "表"), "table");
    assert_eq!(names.name(None, ".."), "table_2");
    assert!(names.name(Some(&"s".repeat(80)), &"t".repeat(300)).len() <= 100);
}

#[test]
fn nothing_to_export_is_still_a_configuration() {
    let denied = Found { problem: Some("the user may not read it".to_owned()), ..found("a\n- b", "c") };
    let text = written(&[denied]);
    assert!(text.contains("# a - b.a - b: left out: the user may not read it\n"), "{text}");
    assert!(config::parse_text(&text, "rivet.yaml".as_ref(), &|_| None).unwrap().exports.is_empty());
}

/// What ends a scalar, a comment or a placeholder, begins an escape, or is no character of YAML.
const PIECES: [&str; 24] = [
    "", " ", "'", "\"", "\\", "#", ": ", "- ", "$", "${", "$${", "}", "A", "${HOME}", ":-", "\n", "\r", "\t", "\0",
    "\u{85}", "\u{202e}", "\u{feff}", "表", "null",
];

#[test]
fn every_name_arrives_as_it_is() {
    for first in PIECES {
        for second in PIECES {
            for third in ["", "$", "x", "\n"] {
                let name = format!("{first}{second}{third}");
                let column = format!("{second}x{first}{third}");
                let text = written(&[found(&name, &column), found("other", "id")]);
                let config = config::parse_text(&text, "rivet.yaml".as_ref(), &|_| None);
                let config = config.unwrap_or_else(|e| panic!("{name:?}\n{e}\n{text}"));
                assert_eq!(config.exports.len(), 2, "{name:?}\n{text}");
                assert_eq!(config.exports[0].query.text, format!("SELECT * FROM \"{name}\""));
                let Mode::Chunked { column: read, .. } = &config.exports[0].mode else { panic!("{text}") };
                assert_eq!(read, &column);
                let mapped = format!("source: {{ type: db, columns: {{ {}: text }} }}\nexports: []\n", key(&name));
                let config = config::parse_text(&mapped, "rivet.yaml".as_ref(), &|_| None);
                assert!(config.is_ok(), "{name:?}\n{mapped}");
            }
        }
    }
}
