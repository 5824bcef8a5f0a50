//! The schema for editors: an independent validator refuses by it what the binary refuses, and takes what it takes.

use std::fs;

use rivet_e2e::{Sandbox, read_with, workspace};

/// Mistakes that no schema can see: they are about other files, the environment, two exports, two places, or about how
/// a number is written, which a reader of YAML has forgotten by then.
const BEYOND: [&str; 17] = [
    "a number with an exponent",
    "a number with underscores",
    "a number with a leading zero",
    "both batch sizes when merged",
    "a query file that does not exist",
    "zstd level 0",
    "zstd level 23",
    "gzip level 11",
    "a layout of another format",
    "levels for codecs without any",
    "a level for snappy",
    "chunk_dense in another mode",
    "the same name twice",
    "quality that cannot be",
    "a placeholder without a value",
    "a placeholder that is no name",
    "a literal password like a placeholder",
];
/// A key without a value counts as absent, which an editor rather flags.
const STRICTER: [&str; 1] = ["null is absent"];

#[test]
fn the_catalogue_of_mistakes_is_flagged() {
    let sandbox = Sandbox::new();
    let schema = sandbox.rivet(&["schema", "config"]);
    assert_eq!(schema.code, Some(0), "{schema}");
    let schema = sandbox.write("rivet.schema.json", &schema.stdout);
    let catalogue = fs::read_to_string(workspace().join("host/src/config/tests/errors.txt")).unwrap();
    let mut cases = Vec::new();
    for (place, case) in catalogue.split("=== ").skip(1).enumerate() {
        let (name, rest) = case.split_once('\n').unwrap();
        let (text, said) = rest.split_once(">>>\n").unwrap();
        // The catalogue's connectors are nobody's.
        let text = text.replace("type: db", "type: postgres").replace("type: files", "type: local");
        sandbox.write(&format!("{place:03}.yaml"), &text);
        cases.push((name, said.starts_with("ok")));
    }
    assert!(cases.len() > 100, "{} cases", cases.len());
    let Some(said) = read_with("schema.py", &[schema.to_str().unwrap(), sandbox.path().to_str().unwrap()]) else {
        return;
    };
    let mut wrong = Vec::new();
    for ((name, is_right), line) in cases.iter().zip(said.lines()) {
        let expected = (*is_right && !STRICTER.contains(name)) || BEYOND.contains(name);
        if line.ends_with(": ok") != expected {
            wrong.push(format!("{name}: {line}"));
        }
    }
    assert_eq!(said.lines().count(), cases.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_connector_that_is_found_brings_its_options() {
    let sandbox = Sandbox::new();
    let schema = sandbox.rivet(&["schema", "config"]).stdout;
    for text in ["\"source.postgres\"", "\"destination.local\"", "\"password_env\"", "A connection URL: `postgresql://"]
    {
        assert!(schema.contains(text), "{text} is missing");
    }
}
