//! A command for one export does not need what others lack.

use super::env;

const TWO: &str = "source: { type: db, url_env: U }\nexports:\n  - name: good\n    query: SELECT 1\n    format: csv\n    \
                   destination: { type: files }\n  - name: other\n    format: csv\n    destination: { type: files }\n";

fn names(other: &str, chosen: Option<&str>) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lacks.sql"), "SELECT ${LACKING}").unwrap();
    std::fs::write(folder.path().join("empty.sql"), "").unwrap();
    let text = format!("{TWO}{other}");
    let config = super::super::parse(&text, &folder.path().join("rivet.yaml"), chosen, &[], &env);
    config.map(|c| c.exports.into_iter().map(|e| e.name).collect()).map_err(|e| e.to_string())
}

#[test]
fn what_others_lack_is_no_error() {
    for lacking in [
        "    query: SELECT ${LACKING}\n",
        "    query: SELECT 1\n    mode: chunked\n    chunk_column: id\n    chunk_size: ${LACKING}\n",
        "    query_file: nowhere.sql\n",
        "    query_file: lacks.sql\n",
    ] {
        assert_eq!(names(lacking, Some("good")).unwrap(), ["good"], "{lacking}");
        for chosen in [None, Some("other"), Some("nobody")] {
            let error = names(lacking, chosen).unwrap_err();
            assert!(error.contains("LACKING") || error.contains("nowhere.sql"), "{error}");
        }
    }
}

#[test]
fn what_is_wrong_with_others_is_an_error() {
    for (wrong, expected) in [
        ("    query: SELECT 1\n    fromat: csv\n", "unknown key `fromat`"),
        ("    query_file: empty.sql\n", "is empty"),
        ("    query: SELECT ${a b}\n", "is not a placeholder"),
        ("", "has no query"),
    ] {
        let error = names(wrong, Some("good")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(names("    query: SELECT 2\n", Some("good")).unwrap(), ["good", "other"]);
}
