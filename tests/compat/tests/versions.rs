//! Plug-ins of other minor versions load and work; those of other majors are refused with both versions named.

use std::fs;

use rivet_compat::{Header, compile, plugins};
use rivet_e2e::{Sandbox, read_with};

/// A library of each minor version: what it was built against, what it claims, and its name.
const WORKING: [(&str, Header, &[&str], &str); 3] = [
    ("oldest", Header::V1_0, &[], "1.0"),
    ("present", Header::Current, &[], "1.1"),
    // Longer tables, unknown fields everywhere, capabilities that nobody knows yet.
    ("coming", Header::Current, &["FUTURE", "TABLE_MINOR=2", "MARKER_ABI=\"1.2\""], "1.2"),
];

fn export(source: &str, destination: &str) -> String {
    format!(
        "source: {{ {source} }}\nexports: [{{ name: words, query: \"select n, word from words order by n\", format: parquet, \
         destination: {{ {destination} }} }}]\n"
    )
}

#[test]
fn sources_of_every_minor_version_work() {
    let mut sandbox = Sandbox::new();
    let dir = plugins(&mut sandbox);
    for (name, header, defines, abi) in WORKING {
        compile(&dir, name, header, defines);
        let listed = sandbox.rivet(&["plugin", "list"]);
        let line = listed.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains("1.4.2") && line.contains("source,destination") && line.contains(abi), "{listed}");
        sandbox.run(&export(&format!("type: {name}, rows: 2500"), "type: local, path: out"));
        let file = sandbox.only("parquet");
        if let Some(wrong) = read_with("words.py", &[&file, "2500"]) {
            assert_eq!(wrong, "", "{name}");
        }
        fs::remove_file(file).unwrap();
        let failed =
            sandbox.try_run(&export(&format!("type: {name}, rows: 2500, fail: true"), "type: local, path: out"));
        failed.expect(1, &["the sun is loud", "try later"]);
        assert_eq!(sandbox.out(), [""; 0], "{failed}");
    }
}

#[test]
fn destinations_of_every_minor_version_work() {
    let mut sandbox = Sandbox::new();
    let dir = plugins(&mut sandbox);
    let database = rusqlite::Connection::open(sandbox.path().join("x.db")).unwrap();
    database
        .execute_batch(
            "create table words (n integer, word text);
             with recursive c(n) as (select 0 union all select n + 1 from c where n < 2499)
             insert into words select n, case when n % 7 then 'word ' || n end from c;",
        )
        .unwrap();
    let expected = (0..2500).fold("n,word\n".to_owned(), |text, n| {
        text + &if n % 7 == 0 { format!("{n},\n") } else { format!("{n},word {n}\n") }
    });
    for (name, header, defines, _) in WORKING {
        compile(&dir, name, header, defines);
        sandbox.run(&export("type: sqlite, path: x.db", &format!("type: {name}, path: out")));
        let file = sandbox.only("csv");
        assert!(fs::read_to_string(&file).unwrap() == expected, "{name}: {file} differs");
        fs::remove_file(file).unwrap();
        // It cannot take other columns, says so, and leaves nothing.
        let config =
            export("type: sqlite, path: x.db", &format!("type: {name}, path: out")).replace("n, word", "word, n");
        sandbox.try_run(&config).expect(1, &["not a number and a text"]);
        assert_eq!(sandbox.out(), [""; 0]);
    }
}

/// `tables` came with 1.1: what a table ends before is not offered, even where the spec announces it.
#[test]
fn a_call_that_the_table_lacks_is_not_offered() {
    let mut sandbox = Sandbox::new();
    let dir = plugins(&mut sandbox);
    for (name, header, defines, _) in WORKING {
        compile(&dir, name, header, defines);
        let outcome = sandbox.rivet(&["init", &format!("{name}:x"), "--output", "new.yaml"]);
        outcome.expect(2, &[name, "does not tell which tables there are", "newer version of the connector"]);
        assert!(!sandbox.path().join("new.yaml").exists());
    }
}

#[test]
fn other_majors_and_needs_are_refused_with_both_versions_and_the_next_step() {
    let mut sandbox = Sandbox::new();
    let dir = plugins(&mut sandbox);
    let cases: [(&str, &[&str], &[&str]); 6] = [
        (
            "needy",
            &["MARKER_ABI=\"1.7\"", "NEEDS=\"1.7\""],
            &["needs plug-in ABI 1.7", "speaks 1.0 to 1.1", "upgrade rivet"],
        ),
        (
            "second",
            &["MARKER_ABI=\"2.0\"", "NEEDS=\"2.0\""],
            &["built for plug-in ABI 2.0", "speaks 1.0 to 1.1", "upgrade rivet"],
        ),
        (
            "zeroth",
            &["MARKER_ABI=\"0.9\"", "NEEDS=\"0.9\""],
            &["built for plug-in ABI 0.9", "speaks 1.0 to 1.1", "newer version of the plug-in"],
        ),
        // Markers that lie: the table is asked as well.
        ("liar", &["TABLE_MAJOR=2"], &["built for plug-in ABI 2.1", "speaks 1.0 to 1.1"]),
        ("secretly_needy", &["NEEDS_MINOR=7"], &["needs plug-in ABI 1.7", "up to 1.1", "upgrade rivet"]),
        ("confused", &["TABLE_MINOR=0"], &["its marker says plug-in ABI 1.1, its table 1.0"]),
    ];
    for (name, defines, texts) in cases {
        let library = compile(&dir, name, Header::Current, defines);
        let outcome = sandbox.try_run(&export(&format!("type: {name}, rows: 1"), "type: local, path: out"));
        outcome.expect(2, texts);
        outcome.expect(2, &[library.to_str().unwrap()]);
        let inspected = sandbox.rivet(&["plugin", "inspect", library.to_str().unwrap()]);
        inspected.expect(1, texts);
        inspected.expect(1, &["refused: ", "sha256", "1.4.2"]);
    }
    assert_eq!(sandbox.out(), [""; 0]);
}

/// What jemalloc does by default: storage that only a program has from its start.
#[test]
fn a_library_with_static_thread_local_storage_is_refused_in_words() {
    let mut sandbox = Sandbox::new();
    let dir = plugins(&mut sandbox);
    let library = compile(&dir, "selfish", Header::Current, &["STATIC_TLS"]);
    let outcome = sandbox.rivet(&["plugin", "inspect", library.to_str().unwrap()]);
    outcome.expect(1, &["static TLS", "initial-exec", "another allocator"]);
}
