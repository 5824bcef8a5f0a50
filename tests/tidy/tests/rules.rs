//! The rules of the house, one test each. A failure names every place, so that one run is enough to mend them all.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::process::Command;

use rivet_tidy::{Source, blank, root, sources, words};
use serde_json::Value;

const PRODUCT: [&str; 3] = ["host", "plugin-api", "plugins"];

fn assert_none(rule: &str, places: &[String]) {
    assert!(places.is_empty(), "{rule}:\n  {}", places.join("\n  "));
}

/// Every product line for which `bad` answers, as `path:line: why`.
fn places(folders: &[&str], bad: impl Fn(&Source, &str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources(folders).iter().filter(|s| s.is_product()) {
        for (number, line) in source.code() {
            found.extend(bad(source, &line).map(|why| format!("{}:{number}: {why}", source.path)));
        }
    }
    found
}

/// What somebody tried out at the top must not be committed with the rest.
#[test]
fn the_top_level_holds_what_it_should() {
    let known = ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md"];
    let folders = ["docs", "host", "plugin-api", "plugins", "scripts", "tests"];
    let listed = Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let strange: Vec<_> = listed
        .lines()
        .filter(|path| match path.split_once('/') {
            Some((folder, _)) => !folder.starts_with('.') && !folders.contains(&folder),
            None => !path.starts_with('.') && !known.contains(path),
        })
        .map(str::to_owned)
        .collect();
    assert_none("these files belong somewhere else", &strange);
}

#[test]
fn files_have_at_most_400_code_lines() {
    let long: Vec<_> = sources(&PRODUCT)
        .iter()
        .filter(|s| s.is_product() && s.code().len() > 400)
        .map(|s| format!("{}: {} lines", s.path, s.code().len()))
        .collect();
    assert_none("split these files", &long);
}

#[test]
fn modules_say_what_they_are_for() {
    // A connector's crate page is its README.
    let says = |text: &str| text.starts_with("//! ") || text.starts_with("#![doc = include_str!");
    let silent: Vec<_> = sources(&["host", "plugin-api", "plugins", "tests"])
        .iter()
        .filter(|s| !says(&s.text) && !s.path.ends_with("/tests.rs") && !s.path.contains("/tests/"))
        .map(|s| s.path.clone())
        .collect();
    assert_none("begin these files with a line of `//!`", &silent);
}

#[test]
fn the_host_knows_no_connector() {
    let connectors = ["postgres", "postgresql", "mysql", "mariadb", "gcs", "s3"];
    // The state file is an SQLite database, so the word itself is no connector's name there.
    let found = places(&["host/src", "plugin-api/src"], |source, line| {
        let word = words(line).into_iter().find(|word| {
            connectors.contains(&word.as_str()) || (word == "sqlite" && !source.path.starts_with("host/src/state"))
        })?;
        Some(format!("names the connector \"{word}\""))
    });
    assert_none("move this into a connector or a capability", &found);
    // Names in strings would decide just as well.
    let quoted: Vec<_> = sources(&["host/src"])
        .iter()
        .filter(|s| s.is_product())
        .flat_map(|s| {
            let product = s.text.split("\n#[cfg(test)]").next().unwrap_or_default();
            let names = connectors.iter().chain(&["sqlite", "local", "stdout"]);
            names
                .filter(|name| {
                    product.contains(&format!("== \"{name}\"")) || product.contains(&format!("\"{name}\" =>"))
                })
                .map(|name| format!("{}: compares with \"{name}\"", s.path))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_none("ask for a capability instead", &quoted);
}

#[test]
fn product_code_neither_unwraps_nor_leaves_notes() {
    let found = places(&PRODUCT, |_, line| {
        [".unwrap()", "dbg!(", "todo!(", "unimplemented!("]
            .iter()
            .find(|word| line.contains(*word))
            .map(|word| format!("uses {word}"))
    });
    assert_none("return an error instead", &found);
    let notes: Vec<_> = sources(&["host", "plugin-api", "plugins", "tests"])
        .iter()
        .filter(|s| !s.path.starts_with("tests/tidy/"))
        .flat_map(|s| {
            let hit = |line: &str| ["TODO", "FIXME", "XXX:"].iter().any(|w| line.contains(w));
            s.text
                .lines()
                .enumerate()
                .filter(|(_, l)| hit(l))
                .map(|(i, _)| format!("{}:{}", s.path, i + 1))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_none("do it or open an issue", &notes);
}

#[test]
fn unsafe_stays_behind_the_abi() {
    let found: Vec<_> = sources(&["host", "plugin-api", "plugins", "tests"])
        .iter()
        .filter(|s| !s.path.starts_with("plugin-api/src/abi"))
        .flat_map(|s| {
            let code = blank(&s.text);
            let hit = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "unsafe");
            code.lines()
                .enumerate()
                .filter(|(_, l)| hit(l))
                .map(|(i, _)| format!("{}:{}", s.path, i + 1))
                .collect::<Vec<_>>()
        })
        .filter(|place| {
            !["tests/fault/", "tests/fuzz/", "tests/compat/arrow58/"].iter().any(|raw| place.starts_with(raw))
        })
        .collect();
    assert_none("only plugin-api/src/abi may be unsafe", &found);
}

#[test]
fn lints_are_expected_with_a_reason() {
    // Code that a macro writes lands in crates where the lint does not fire, so that an expectation would fail there.
    let in_macro = |source: &Source, line: &str| source.text.contains("macro_rules!") && line.contains("reason =");
    let found = places(&PRODUCT, |source, line| {
        (line.contains("#[allow(") && !in_macro(source, line)).then(|| "uses #[allow]".to_owned())
    });
    assert_none("write #[expect(lint, reason = \"...\")]", &found);
}

#[test]
fn every_connector_has_the_same_files() {
    let mut missing = Vec::new();
    for connector in connectors() {
        for file in ["README.md", "Cargo.toml", "src/lib.rs", "src/options.rs", "src/error.rs", "tests/conformance.rs"]
        {
            if !root().join("plugins").join(&connector).join(file).is_file() {
                missing.push(format!("plugins/{connector}/{file}"));
            }
        }
    }
    assert_none("these files are missing", &missing);
}

fn connectors() -> Vec<String> {
    let folders = fs::read_dir(root().join("plugins")).unwrap().flatten();
    let names = folders.filter(|f| f.path().is_dir()).map(|f| f.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "base").collect()
}

/// The arrows between crates: the host and the connectors see `plugin-api`, connectors see `plugins/base`, and nobody
/// but tests sees `tests/*`.
#[test]
fn crates_point_only_where_they_may() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let from = manifest.strip_prefix(&format!("{}/", root().display())).unwrap().trim_end_matches("/Cargo.toml");
        if from.starts_with("tests/") {
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let Some(path) = dependency["path"].as_str() else { continue };
            let to = path.strip_prefix(&format!("{}/", root().display())).unwrap_or(path);
            let allowed = match to {
                "plugin-api" => true,
                "plugins/base" => from.starts_with("plugins/"),
                // `rivet plugin verify` judges with the kit; the kit judges itself by a connector that fails on request.
                "plugin-api/kit" => from == "host" || dependency["kind"] == "dev",
                "tests/fault" => from == "plugin-api/kit" && dependency["kind"] == "dev",
                _ => false,
            };
            if !allowed {
                wrong.push(format!("{from} -> {to}"));
            }
        }
    }
    assert_none("these crates must not know each other", &wrong);
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn one_arrow_and_one_tls_provider() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let count = |name: &str| lock.matches(&format!("name = \"{name}\"\n")).count();
    for name in ["arrow-array", "arrow-schema", "arrow-data", "parquet", "rustls", "libsqlite3-sys", "abi_stable"] {
        assert!(count(name) <= 1, "Cargo.lock holds {} versions of {name}", count(name));
    }
    assert_eq!(count("arrow-array"), 1);
    assert!(count("ring") + count("aws-lc-rs") <= 1, "Cargo.lock holds more than one TLS provider");
    assert_eq!(count("openssl") + count("native-tls"), 0, "TLS is rustls alone");
}

/// What users see has to be explained, and has to be seen by a test.
#[test]
fn errors_and_exit_codes_are_documented_and_provoked() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (page, provoked) = (read("docs/src/reference/errors.md"), read("tests/e2e/tests/errors.rs"));
    let table = read("host/src/code.rs");
    let names: Vec<&str> =
        table.lines().filter_map(|l| l.trim().split_once(" \"")?.1.split_once("\" exit \"")).map(|n| n.0).collect();
    assert!(names.len() > 30, "{names:?}");
    let mut missing = Vec::new();
    for name in names {
        if !page.contains(&format!("\n## {name}\n")) {
            missing.push(format!("{name} is not in docs/src/reference/errors.md"));
        }
        if !provoked.contains(&format!("\"{name}\"")) {
            missing.push(format!("{name} is not provoked in tests/e2e/tests/errors.rs"));
        }
    }
    let (codes, errors) = (read("docs/src/reference/exit-codes.md"), read("host/src/error.rs"));
    let numbers =
        errors.lines().filter_map(|l| l.trim().strip_prefix("pub const ")?.split_once(": u8 = ")?.1.strip_suffix(';'));
    for number in numbers {
        if !codes.contains(&format!("| {number} |")) {
            missing.push(format!("exit code {number} is not in docs/src/reference/exit-codes.md"));
        }
        if number != "0" && !provoked.contains(&format!(", {number}, ")) {
            missing.push(format!("exit code {number} is not provoked in tests/e2e/tests/errors.rs"));
        }
    }
    assert_none("explain and provoke these", &missing);
}
