//! `quality`: rows that break a rule leave everything as it was, in every mode and from every source.

use rivet_e2e::{Sandbox, Source, Tables, on_all};

on_all!(
    a_broken_rule_changes_nothing_in_any_mode,
    no_rows_are_judged_too,
    a_column_that_is_not_there_is_a_mistake_of_the_configuration,
    a_resumed_run_is_judged_by_all_of_its_rows,
);

const MODES: [&str; 7] = [
    "full",
    "incremental\n    cursor_column: id",
    "time_window\n    time_column: at\n    days_window: 30",
    "chunked\n    chunk_column: id\n    chunk_size: 4",
    "chunked\n    chunk_column: id\n    chunk_size: 4\n    parallel: 2",
    "chunked\n    chunk_column: id\n    chunk_size: 4\n    chunk_checkpoint: true",
    "chunked\n    chunk_column: id\n    chunk_size: 4\n    chunk_dense: true",
];

fn config(tables: &Tables<'_>, mode: &str, quality: &str) -> String {
    format!(
        "{}
exports:
  - name: notes
    query: SELECT id, note, at FROM {}
    mode: {mode}
    quality: {quality}
    format: csv
    destination: {{ type: local, path: out }}
",
        tables.source("profile: fast, max_retries: 0"),
        tables.table("notes")
    )
}

/// A sandbox and an empty table.
fn empty(tables: &Tables<'_>) -> Sandbox {
    let sandbox = tables.sandbox();
    let table = "CREATE TABLE notes (id INT PRIMARY KEY, note VARCHAR(9), at TIMESTAMP NULL)";
    tables.sql(&sandbox, &format!("DROP TABLE IF EXISTS notes; {table}"));
    sandbox
}

/// Adds rows of now with the ids from `first` on.
fn add<'a>(tables: &Tables<'_>, sandbox: &Sandbox, first: usize, notes: impl IntoIterator<Item = Option<&'a str>>) {
    let note = |note: Option<&str>| note.map_or_else(|| "NULL".to_owned(), |note| format!("'{note}'"));
    let row = |(id, text)| format!("({id}, {}, CURRENT_TIMESTAMP)", note(text));
    let rows: Vec<_> = (first..).zip(notes).map(row).collect();
    tables.sql(sandbox, &format!("INSERT INTO notes VALUES {}", rows.join(", ")));
}

/// Everything that a refused run must leave alone: files, cursor, recorded files.
fn standing(sandbox: &Sandbox) -> (Vec<String>, String, String) {
    let of = |what: &str| sandbox.rivet(&["state", what, "--config", "rivet.yaml"]).stdout;
    (sandbox.out(), of("show"), of("files"))
}

fn refused(sandbox: &Sandbox, config: &str, says: &str) {
    let outcome = sandbox.try_run(config);
    outcome.expect(3, &["quality:     FAIL", "status:      failed", "rows:        0", says]);
}

fn a_broken_rule_changes_nothing_in_any_mode(source: Source) {
    let rules = [
        ("{ row_count_min: 1000 }", "required at least 1000"),
        ("{ row_count_max: 2 }", "row count is "),
        ("{ null_ratio_max: { note: 0.1 } }", "null ratio of \"note\" is 0."),
        ("{ unique_columns: [id, note] }", "\"note\" has "),
    ];
    source.each("quality", |tables| {
        for mode in MODES {
            let sandbox = empty(tables);
            add(tables, &sandbox, 1, ["0", "1", "2", "3", "4"].map(Some));
            let good = "{ row_count_min: 1, row_count_max: 100, null_ratio_max: { note: 1 }, unique_columns: [id] }";
            let good = config(tables, mode, good);
            sandbox.run(&good).expect(0, &["quality:     pass", "rows:        5"]);
            // Ten more: three without a note, two of one note.
            let (none, five) = ([None; 3], ["10", "11", "12", "13", "14"].map(Some));
            add(tables, &sandbox, 6, none.into_iter().chain(five).chain([Some("twice"); 2]));
            let before = standing(&sandbox);
            for (rule, says) in rules {
                refused(&sandbox, &config(tables, mode, rule), says);
                assert_eq!(standing(&sandbox), before, "{mode} {rule}");
            }
            let rows = if mode.starts_with("incremental") { "rows:        10" } else { "rows:        15" };
            sandbox.run(&good).expect(0, &["quality:     pass", rows]);
        }
    });
}

fn no_rows_are_judged_too(source: Source) {
    source.each("quality_none", |tables| {
        for mode in MODES {
            let sandbox = empty(tables);
            refused(&sandbox, &config(tables, mode, "{ row_count_min: 1 }"), "row count is 0, required at least 1");
            let (files, cursors, recorded) = standing(&sandbox);
            assert!(files.is_empty() && cursors.starts_with("No ") && recorded.starts_with("No "), "{mode}: {files:?}");
            let kind = "{ row_count_max: 0, null_ratio_max: { note: 0 }, unique_columns: [id] }";
            sandbox.run(&config(tables, mode, kind)).expect(0, &["quality:     pass", "files:       0"]);
        }
    });
}

fn a_column_that_is_not_there_is_a_mistake_of_the_configuration(source: Source) {
    source.each("quality_column", |tables| {
        let sandbox = empty(tables);
        add(tables, &sandbox, 1, [None]);
        let outcome = sandbox.try_run(&config(tables, "full", "{ null_ratio_max: { notes: 0.5 } }"));
        outcome.expect(2, &["export \"notes\"", "\"notes\"", "did you mean `note`?"]);
        assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    });
}

fn a_resumed_run_is_judged_by_all_of_its_rows(source: Source) {
    source.each("quality_resumed", |tables| {
        for (quality, says) in [
            ("{ unique_columns: [note] }", "\"note\" has 1 duplicate"),
            ("{ row_count_max: 9 }", "row count is 10, allowed at most 9"),
        ] {
            let sandbox = empty(tables);
            // The first and the last row are alike: chunks of two runs.
            add(tables, &sandbox, 1, ["x", "b", "c", "d", "e", "f", "g", "h", "i", "x"].map(Some));
            let mode = "chunked\n    chunk_column: id\n    chunk_size: 3\n    chunk_checkpoint: true";
            // A value of the third chunk does not fit.
            let bad = tables.pick("'not a time'", "'infinity'", "'0000-00-00'");
            let lax = tables.pick("", "", "SET sql_mode = '';");
            tables.sql(&sandbox, &format!("{lax} UPDATE notes SET at = {bad} WHERE id = 8"));
            assert_ne!(sandbox.try_run(&config(tables, mode, quality)).code, Some(0));
            assert!(!sandbox.out().is_empty(), "the other chunks are kept");
            tables.sql(&sandbox, "UPDATE notes SET at = NULL WHERE id = 8");
            let resumed = sandbox.rivet(&["run", "--config", "rivet.yaml", "--resume"]);
            resumed.expect(3, &["quality:     FAIL", says]);
            assert!(sandbox.out().is_empty(), "{:?}\n{resumed}", sandbox.out());
        }
    });
}
