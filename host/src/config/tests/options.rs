//! Options against a connector's schema: what arrives, and which secrets are noted.

use serde_json::{Value, json};

use super::{env, load, with_export};

/// A schema as schemars writes it, with each of its ways to say "optional".
pub(super) fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Options",
        "type": "object",
        "properties": {
            "url": { "type": ["string", "null"], "writeOnly": true },
            "host": { "type": ["string", "null"] },
            "port": { "type": ["integer", "null"], "format": "uint16", "minimum": 0, "maximum": 65535 },
            "user": { "type": ["string", "null"] },
            "database": { "type": ["string", "null"] },
            "password": { "anyOf": [{ "type": "string", "writeOnly": true }, { "type": "null" }] },
            "application_name": { "type": "string", "default": "" },
            "pool": { "type": "integer", "minimum": 1 },
            "keepalive": { "type": "boolean", "default": false },
            "tags": { "type": "array", "items": { "type": "string" } },
            "settings": { "type": "object", "additionalProperties": { "type": "string" } },
            "tls": { "anyOf": [{ "$ref": "#/$defs/Tls" }, { "type": "null" }] }
        },
        "additionalProperties": false,
        "$defs": {
            "Tls": {
                "type": "object",
                "properties": {
                    "mode": { "$ref": "#/$defs/TlsMode", "default": "prefer" },
                    "ca_file": { "type": ["string", "null"] },
                    "key_password": { "type": "string", "writeOnly": true }
                },
                "additionalProperties": false
            },
            "TlsMode": {
                "oneOf": [
                    { "type": "string", "enum": ["disable", "prefer"] },
                    { "description": "Checks the name too.", "type": "string", "const": "verify_full" }
                ]
            }
        }
    })
}

fn resolve(options: &str) -> super::super::Resolved {
    let yaml = format!("source: {{ type: db, {options} }}\nexports: []\n");
    load(&yaml).unwrap().source.resolve(&schema(), &env).unwrap()
}

#[test]
fn secrets_are_noted_whole_and_in_parts() {
    let secrets = resolve("url_env: DATABASE_URL").secrets;
    assert_eq!(secrets, ["c%40nary-7", "c@nary-7", "db://app:c%40nary-7@db.example/shop"]);
    let secrets = resolve("host: h, user: u, database: d, password_env: DB_PASSWORD").secrets;
    assert_eq!(secrets, ["canary-7"]);
    let secrets = resolve("url: \"db://h/d\", tls: { key_password_env: SECRET }").secrets;
    assert_eq!(secrets, ["db://h/d", "canary-7"]);
    assert!(resolve("host: h, user: u, database: d, password_env: EMPTY").secrets.is_empty());
}

#[test]
fn debug_shows_no_values() {
    let config = load("source: { type: db, password: canary-7 }\nexports: []\n").unwrap();
    let resolved = resolve("url_env: DATABASE_URL");
    let shown = format!("{config:?} {resolved:?}");
    assert!(shown.contains("password") && !shown.contains("nary-7"), "{shown}");
}

#[test]
fn files_are_read_and_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("url.txt");
    std::fs::write(&path, "\u{feff}db://${DB_USER:-app}@h/${NO_SUCH}d\n\n").unwrap();
    let resolved = resolve(&format!("url_file: {}", path.display()));
    assert_eq!(resolved.options, json!({ "url": "db://app@h/d" }));
    assert_eq!(resolved.warnings, ["rivet.yaml:1: \"${NO_SUCH}\" has no value: it stands for nothing in this URL"]);
}

#[test]
fn required_options_and_free_schemas() {
    let schema = json!({
        "type": "object",
        "properties": { "bucket": { "type": "string" }, "path": { "type": "string" }, "x_file": { "type": "string" } },
        "required": ["bucket"]
    });
    let config = load(&with_export("")).unwrap();
    let error = config.exports[0].destination.resolve(&schema, &env).unwrap_err();
    let message = "the destination of export \"a\" has no `bucket`, which connector \"files\" needs";
    assert_eq!(error.diagnostics()[0].message, message);
    // A connector that has no notion of a server needs neither URL nor host.
    let config = load("source: { type: db, path: a.db, bucket: b, x_file: y }\nexports: []\n").unwrap();
    let options = config.source.resolve(&schema, &env).unwrap().options;
    assert_eq!(options, json!({ "bucket": "b", "path": "a.db", "x_file": "y" }));
    let refused = config.source.resolve(&json!({}), &env).unwrap_err();
    assert_eq!(refused.diagnostics().len(), 3);
    let open = json!({ "type": "object", "additionalProperties": true });
    let config = load("source: { type: db, a: 1, b: [yes, { c: 1.5 }], n: ~ }\nexports: []\n").unwrap();
    assert_eq!(config.source.resolve(&open, &env).unwrap().options, json!({ "a": 1, "b": ["yes", { "c": 1.5 }] }));
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let schema = json!({
        "$ref": "#/$defs/A",
        "$defs": { "A": { "type": "object", "properties": { "a": { "$ref": "#/$defs/A" }, "b": { "$ref": "#/$defs/B" } } },
                   "B": { "anyOf": [{ "$ref": "#/$defs/B" }, { "$ref": "#/$defs/B" }] } }
    });
    let config = load("source: { type: db, a: { a: { b: 1 } } }\nexports: []\n").unwrap();
    assert_eq!(config.source.resolve(&schema, &env).unwrap().options, json!({ "a": { "a": { "b": 1 } } }));
}
