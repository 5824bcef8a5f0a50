//! `${NAME}`: what is replaced, by what, and that it happens once.

use super::super::expand::{Variables, expand};
use super::super::parse_param;
use super::{env, load, load_with, with_export};

#[test]
fn placeholders() {
    let params = [("P".to_owned(), "1".to_owned()), ("P".to_owned(), "last".to_owned())];
    let variables = Variables { params: &params, env: &env };
    for (text, expected) in [
        ("${NUMBER}", "5000"),
        ("a${NUMBER}b${P}c", "a5000blastc"),
        ("${NESTED}", "${NUMBER}"),
        ("${NO:-x y}", "x y"),
        ("${NO:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-x}", "x"),
        ("${NO:-${NUMBER}}", "${NUMBER}"),
        ("$${NUMBER}", "${NUMBER}"),
        ("$$${NUMBER}", "$${NUMBER}"),
        ("$5 $ {x} $", "$5 $ {x} $"),
        ("${NUMBER} ${open", "5000 ${open"),
        ("é${P}é", "élasté"),
        ("", ""),
    ] {
        assert_eq!(expand(text, variables).text, expected, "{text}");
    }
    assert_eq!(expand("${A}${B}", variables).missing, ["A", "B"]);
    assert_eq!(expand("${a b}${}", variables).malformed, ["a b", ""]);
}

#[test]
fn parameters_win_over_the_environment() {
    let yaml = with_export("cursor_column: ${NUMBER}\nmode: incremental");
    let mode = &load_with(&yaml, &[("NUMBER", "id")]).unwrap().exports[0].mode;
    assert_eq!(*mode, super::super::Mode::Incremental { cursor_column: "id".to_owned(), cursor_lag: None });
    // Also an empty one, for which a default stands in.
    let params = [("NUMBER".to_owned(), String::new())];
    let variables = Variables { params: &params, env: &env };
    assert_eq!(expand("<${NUMBER}> ${NUMBER:-x}", variables).text, "<> x");
}

#[test]
fn every_value_of_the_file_is_expanded() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("5000.sql"), "SELECT ${P}").unwrap();
    let yaml = with_export("params: { p: \"${P}\" }\ntypes: { a: ${P} }\nquality: { unique_columns: [\"${P}\"] }")
        .replace("query: SELECT 1", "query_file: ${NUMBER}.sql")
        .replace("name: a", "name: ${P}");
    let params = [("P".to_owned(), "x".to_owned())];
    let config = super::super::parse(&yaml, &dir.path().join("rivet.yaml"), None, &params, &env).unwrap();
    let export = &config.exports[0];
    assert_eq!((export.name.as_str(), export.query.text.as_str()), ("x", "SELECT x"));
    assert_eq!(export.params["p"], rivet_plugin_api::ParamValue::Text("x".to_owned()));
    assert_eq!(
        (export.mapping.types["a"].as_str(), &export.quality.as_ref().unwrap().unique_columns[0][..]),
        ("x", "x")
    );
}

/// What is missing in a query file is shown where the file is named.
#[test]
fn a_query_file_misses_what_it_names() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("q.sql"), "SELECT\n${NO_SUCH}").unwrap();
    let yaml = with_export("").replace("query: SELECT 1", "query_file: q.sql");
    let error = super::super::parse(&yaml, &dir.path().join("rivet.yaml"), None, &[], &env).unwrap_err();
    let shown = error.to_string();
    assert!(shown.starts_with("error: \"${NO_SUCH}\" has no value\n") && shown.contains("rivet.yaml:4:"), "{shown}");
}

#[test]
fn expanded_scalars_are_typed_by_their_value() {
    let yaml = with_export("tuning: { batch_size: ${NUMBER}, throttle_ms: ${EMPTY} }\ncolumns: { n: ${NUMBER} }");
    let export = load(&yaml).unwrap().exports.remove(0);
    assert_eq!(export.tuning.batch_size, Some(5000));
    assert_eq!(export.tuning.throttle_ms, None);
    assert_eq!(export.mapping.columns["n"], "5000");
    // Quotes make text of it.
    assert!(load(&with_export("parallel: \"${NUMBER}\"")).is_err());
}

#[test]
fn values_cannot_inject_yaml() {
    let yaml = with_export("cursor_column: ${YAML}\nmode: incremental\nquality: { unique_columns: [\"${LIST}\"] }");
    let export = load(&yaml).unwrap().exports.remove(0);
    let cursor_column = "x\"\n  injected: true\n".to_owned();
    assert_eq!(export.mode, super::super::Mode::Incremental { cursor_column, cursor_lag: None });
    assert_eq!(export.quality.unwrap().unique_columns, ["[a, b]"]);
}

/// The characters that hide braces from the parser come through unharmed when somebody uses them.
#[test]
fn noncharacters_stay() {
    for written in ["\u{10fffe}${NUMBER}\u{10ffff}", "\\U0010FFFE${NUMBER}\\U0010FFFF"] {
        let export = load(&with_export(&format!("columns: {{ a: \"{written}\" }}"))).unwrap().exports.remove(0);
        assert_eq!(export.mapping.columns["a"], "\u{10fffe}5000\u{10ffff}");
    }
    let export = load(&with_export("columns: { ${NUMBER}: x${NUMBER} }")).unwrap();
    assert_eq!(export.exports[0].mapping.columns["${NUMBER}"], "x5000");
}

#[test]
fn keys_are_never_expanded() {
    let export = load(&with_export("columns: { \"${NUMBER}\": text }")).unwrap().exports.remove(0);
    assert_eq!(export.mapping.columns["${NUMBER}"], "text");
}

#[test]
fn query_files_are_expanded_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("q.sql"), "\u{feff}SELECT ${NESTED} -- $${x}\n").unwrap();
    let yaml = with_export("").replace("query: SELECT 1", "query_file: q.sql");
    let config = super::super::parse(&yaml, &dir.path().join("rivet.yaml"), None, &[], &env).unwrap();
    assert_eq!(config.exports[0].query.text, "SELECT ${NUMBER} -- ${x}\n");
    assert_eq!(config.exports[0].query.file.as_deref(), Some(dir.path().join("q.sql").as_path()));
}

#[test]
fn parameters() {
    let param = |text| parse_param(text).map_err(|e| e.message().to_owned());
    assert_eq!(param("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
    assert_eq!(param("A.b-1="), Ok(("A.b-1".to_owned(), String::new())));
    assert_eq!(param("a"), Err("parameter \"a\" has no \"=\"".to_owned()));
    assert_eq!(param("=x"), Err("\"\" is not a parameter name".to_owned()));
    assert_eq!(param("a b=x"), Err("\"a b\" is not a parameter name".to_owned()));
}
