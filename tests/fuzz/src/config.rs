//! A configuration: read, its connectors' options checked, and every problem shown.

use std::path::Path;

use rivet::config::{Connector, load};
use rivet_plugin_api::serde_json::{Value, json};

pub(crate) fn run(input: &[u8]) {
    crate::scratch::with_file("rivet.yaml", input, |path, _| read(path));
}

fn read(path: &Path) {
    let env = |name: &str| name.starts_with('R').then(|| format!("value of {name}"));
    let params = [("day".to_owned(), "2026-03-29".to_owned()), ("day".to_owned(), "x: ${day}".to_owned())];
    let config = match load(path, None, &params, &env) {
        Ok(config) => config,
        Err(error) => {
            assert!(!error.diagnostics().is_empty());
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    for export in &config.exports {
        let found = config.export(&export.name).expect("the export");
        assert_eq!(found.at, export.at, "two exports are called \"{}\"", export.name);
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        assert!((1..=100).contains(&export.name.len()) && export.name.chars().all(plain), "{:?}", export.name);
        check(&export.destination, &schema());
    }
    check(&config.source, &schema());
}

fn check(connector: &Connector, schema: &Value) {
    match connector.resolve(schema, &|_| None) {
        Ok(resolved) => assert!(resolved.options.is_object() && resolved.secrets.iter().all(|s| !s.is_empty())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Something of everything that options are made of.
fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["path"],
        "properties": {
            "path": { "type": "string" },
            "url": { "type": "string", "writeOnly": true },
            "host": { "type": "string" },
            "user": { "type": "string" },
            "database": { "type": ["string", "null"] },
            "port": { "type": "integer", "minimum": 1, "maximum": 65535 },
            "password": { "anyOf": [{ "type": "string", "writeOnly": true }, { "type": "null" }] },
            "mode": { "enum": ["a", "b"] },
            "tls": { "$ref": "#/$defs/Tls" },
            "names": { "type": "array", "items": { "type": "string" } },
            "more": { "type": "object", "additionalProperties": { "type": "string" } },
        },
        "$defs": { "Tls": {
            "type": "object",
            "additionalProperties": false,
            "properties": { "mode": { "oneOf": [{ "const": "on" }, { "const": "off" }] }, "deep": { "type": "boolean" } },
        } },
    })
}
