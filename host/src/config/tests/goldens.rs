//! What users see for each mistake. A case is a name, a configuration and the rendered problems; for `options.txt` the
//! configuration is loaded first and its connectors are resolved against a schema then.
//!
//! `RIVET_UPDATE_GOLDENS=1 cargo test` rewrites the expectations: read the difference before you keep it.

use std::fmt::Write as _;

use super::{load, options};

const CASE: &str = "=== ";
const EXPECTED: &str = ">>>\n";

fn check(file: &str, cases: &str, render: impl Fn(&str) -> String) {
    let mut rewritten = String::new();
    let mut failed = Vec::new();
    for case in cases.split(CASE).skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (input, expected) = rest.split_once(EXPECTED).unwrap_or((rest, ""));
        let actual = render(input);
        assert!(!actual.contains("canary"), "{name} shows a secret:\n{actual}");
        if actual.trim_end() != expected.trim_end() {
            failed.push(format!("{name}\nexpected:\n{expected}\nactual:\n{actual}"));
        }
        write!(rewritten, "{CASE}{name}\n{input}{EXPECTED}{}\n\n", actual.trim_end()).unwrap();
    }
    if std::env::var_os("RIVET_UPDATE_GOLDENS").is_some() {
        let path = format!("{}/src/config/tests/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, rewritten.trim_end().to_owned() + "\n").unwrap();
    } else {
        assert!(failed.is_empty(), "{} cases of {file} differ:\n\n{}", failed.len(), failed.join("\n"));
    }
}

#[test]
fn loading_says_what_is_wrong() {
    check("errors.txt", include_str!("errors.txt"), |yaml| match load(yaml) {
        Ok(config) => format!("ok\n{}", config.warnings.join("\n")),
        Err(error) => error.to_string(),
    });
}

#[test]
fn resolving_says_what_is_wrong() {
    check("options.txt", include_str!("options.txt"), |yaml| {
        let config = load(yaml).unwrap();
        match config.source.resolve(&options::schema(), &super::env) {
            Ok(resolved) => format!("{}\n{}", resolved.options, resolved.warnings.join("\n")).replace("canary", "***"),
            Err(error) => error.to_string(),
        }
    });
}
