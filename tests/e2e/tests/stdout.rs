//! `type: stdout`: the bytes of the files and nothing else, and never a success that the reader did not get.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use rivet_e2e::{Outcome, Sandbox, built, skip};
use rusqlite::Connection;

fn config(mode: &str, more: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: notes.db, tuning: {{ profile: fast }} }}
exports:
  - name: notes
    query: SELECT id, note FROM notes
    mode: {mode}
    {more}
    destination: {{ type: stdout }}
"
    )
}

fn sandbox(rows: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("notes.db")).unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT);
         INSERT INTO notes WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             SELECT i, 'note ' || i FROM n"
    ))
    .unwrap();
    sandbox
}

fn rivet(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.command(built().join("rivet"));
    command.args(["run", "--config", "rivet.yaml"]);
    command
}

fn cursor(sandbox: &Sandbox) -> String {
    sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).stdout
}

#[test]
fn the_data_is_alone_and_the_summary_elsewhere() {
    let sandbox = sandbox(3);
    let outcome = sandbox.run(&config("full", "format: csv"));
    assert_eq!(outcome.stdout, "id,note\n1,note 1\n2,note 2\n3,note 3\n");
    assert!(outcome.stderr.contains("status:      success") && outcome.stderr.contains("rows:        3"), "{outcome}");
    assert!(sandbox.out().is_empty());
}

#[test]
fn duckdb_and_pyarrow_read_the_stream() {
    let Ok(python) = std::env::var("RIVET_TEST_PYTHON") else {
        return skip("RIVET_TEST_PYTHON names no python with duckdb and pyarrow: use scripts/test");
    };
    let sandbox = sandbox(50_000);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers/stream.py");
    let modes = ["full", "incremental\n    cursor_column: id"];
    for (mode, format) in modes.iter().flat_map(|mode| [(mode, "csv"), (mode, "arrow")]) {
        sandbox.write(
            "rivet.yaml",
            &config(mode, &format!("format: {format}")).replace("notes\n    query", &format!("{format}\n    query")),
        );
        let mut run = rivet(&sandbox).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut reader = Command::new(&python);
        let read = reader.arg(&script).arg(format).stdin(run.stdout.take().unwrap()).output().unwrap();
        assert!(run.wait().unwrap().success());
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), "50000 1250025000", "{mode} {format}: {read:?}");
    }
    sandbox.write("rivet.yaml", &config("full", "format: parquet"));
    let file = sandbox.path().join("notes.parquet");
    assert!(rivet(&sandbox).stdout(File::create(&file).unwrap()).stderr(Stdio::null()).status().unwrap().success());
    let bytes = fs::read(file).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}

#[test]
fn the_shell_of_duckdb_reads_the_pipe() {
    let shell = std::env::var("RIVET_TEST_PYTHON").map(|python| Path::new(&python).with_file_name("duckdb"));
    let Some(shell) = shell.ok().filter(|shell| shell.exists()) else {
        return skip("there is no shell of DuckDB beside RIVET_TEST_PYTHON: use scripts/test");
    };
    let sandbox = sandbox(50_000);
    for mode in ["full", "chunked\n    chunk_column: id\n    chunk_size: 100000", "incremental\n    cursor_column: id"]
    {
        sandbox.write("rivet.yaml", &config(mode, "format: csv"));
        let query = "select count(*), sum(id), count(distinct note) from read_csv('/dev/stdin')";
        let pipe = format!(
            "set -o pipefail; '{}' run --config rivet.yaml | '{}' -csv -noheader -c \"{query}\"",
            built().join("rivet").display(),
            shell.display()
        );
        let read = sandbox.command("bash").args(["-c", &pipe]).output().unwrap();
        assert!(read.status.success(), "{mode}: {read:?}");
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), "50000,1250025000,50000", "{mode}");
    }
}

#[test]
fn a_reader_that_ends_early_and_a_full_device_fail_the_run_and_leave_the_cursor() {
    let sandbox = sandbox(50_000);
    let incremental = "incremental\n    cursor_column: id";
    for (more, quality) in [("format: csv", ""), ("format: arrow", "\n    quality: { row_count_min: 1 }")] {
        sandbox.write("rivet.yaml", &config(incremental, &format!("{more}{quality}")));
        let mut run = rivet(&sandbox).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(run.stdout.take());
        let outcome = run.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert_eq!(outcome.status.code(), Some(1), "{text}");
        assert!(text.contains("EPIPE") && !text.contains("retry "), "{text}");
        let full = rivet(&sandbox).stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
        let text = String::from_utf8_lossy(&full.stderr).into_owned();
        assert_eq!(full.status.code(), Some(1), "{text}");
        assert!(text.contains("no space left on device"), "{text}");
        assert!(!cursor(&sandbox).contains("50000"), "{}", cursor(&sandbox));
    }
    sandbox.run(&config(incremental, "format: csv"));
    assert!(cursor(&sandbox).contains("50000"));
}

#[test]
fn what_is_judged_first_or_comes_in_pieces_goes_out_whole() {
    let sandbox = sandbox(100);
    let refused = sandbox.try_run(&config("full", "format: csv\n    quality: { row_count_max: 5 }"));
    refused.expect(3, &["row count is 100"]);
    assert_eq!(refused.stdout, "");
    let chunked = "chunked\n    chunk_column: id\n    chunk_size: 25\n    parallel: 2";
    let outcome = sandbox.run(&config(chunked, "format: csv"));
    // Four files, one after the other, whose order nobody promises.
    let mut headers = 0;
    let mut ids: Vec<u32> = Vec::new();
    for line in outcome.stdout.lines() {
        if line == "id,note" {
            headers += 1;
        } else {
            ids.push(line.split(',').next().unwrap().parse().unwrap());
        }
    }
    assert!(ids.chunks(25).all(|chunk| chunk.windows(2).all(|pair| pair[0] + 1 == pair[1])), "{ids:?}");
    ids.sort_unstable();
    assert_eq!((headers, ids), (4, (1..=100).collect()));
    sandbox.write("rivet.yaml", &config("full", "format: csv"));
    let validated = sandbox.rivet(&["run", "--config", "rivet.yaml", "--validate"]);
    validated.expect(0, &["validated:   pass", "100,note 100"]);
}

#[test]
fn a_failure_after_the_first_byte_is_not_tried_again() {
    let sandbox = sandbox(10);
    // Another attempt would succeed.
    let source = "source: { type: fault, error_in: { call: next_batch, category: network, message: gone, once: struck }, \
                  tuning: { max_retries: 3, retry_backoff_ms: 1 } }";
    let text = config("full", "format: csv");
    let (_, exports) = text.split_once('\n').unwrap();
    let outcome = sandbox.try_run(&format!("{source}\n{}", exports.replace("SELECT id, note FROM notes", "count")));
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(!outcome.stderr.contains("retry 1"), "{outcome}");
}

/// `config` with a second export, called `more`, that goes to `destination`.
fn with_more(config: &str, destination: &str) -> String {
    let second = config.split_once("exports:\n").unwrap().1.replace("name: notes", "name: more");
    format!("{config}{}", second.replace("type: stdout", destination))
}

/// What was held back and is out by now is out.
#[test]
fn a_count_that_fails_after_the_last_byte_does_not_repeat_the_rows() {
    let sandbox = sandbox(10);
    let source = "source: { type: fault, error_in: { call: count, category: network, message: gone, once: struck }, \
                  tuning: { max_retries: 3, retry_backoff_ms: 1 } }";
    for more in ["quality: { row_count_min: 1 }", "chunk_column: c0\n    chunk_size: 4\n    chunk_dense: true"] {
        let mode = if more.starts_with("chunk") { "chunked" } else { "full" };
        let text = config(mode, &format!("format: csv\n    {more}"));
        let (_, exports) = text.split_once('\n').unwrap();
        sandbox.write("rivet.yaml", &format!("{source}\n{}", exports.replace("SELECT id, note FROM notes", "all")));
        let _ = fs::remove_file(sandbox.path().join("struck"));
        let outcome = sandbox.rivet(&["run", "--config", "rivet.yaml", "--reconcile"]);
        assert_eq!(outcome.code, Some(1), "{outcome}");
        let rows = outcome.stdout.lines().filter(|line| *line != "c0").count();
        assert!(rows == 10 && !outcome.stderr.contains("retry 1"), "{outcome}");
    }
}

#[test]
fn chunks_that_are_judged_later_are_refused() {
    let sandbox = sandbox(3);
    let chunked = "chunked\n    chunk_column: id\n    chunk_size: 2";
    let outcome = sandbox.try_run(&config(chunked, "format: csv\n    quality: { row_count_max: 5 }"));
    outcome.expect(2, &["cannot take chunks back", "mode: full"]);
    assert_eq!(outcome.stdout, "");
}

/// A reader of Parquet finds only the last file of several, and one of Arrow only the first.
#[test]
fn formats_with_an_end_of_their_own_come_in_one_piece() {
    let sandbox = sandbox(3);
    let chunked = "chunked\n    chunk_column: id\n    chunk_size: 2";
    for format in ["parquet", "arrow"] {
        for (mode, more, named) in
            [(chunked, "", "`mode: chunked`"), ("full", "\n    max_file_size: 1KB", "`max_file_size`")]
        {
            let text = config(mode, &format!("format: {format}{more}"));
            let words =
                [&format!("export \"notes\" has {named}")[..], &format!("several {format} files"), "`format: csv`"];
            let outcome = sandbox.try_run(&text);
            outcome.expect(2, &words);
            assert_eq!(outcome.stdout, "");
            sandbox.rivet(&["check", "--config", "rivet.yaml"]).expect(2, &words);
        }
        sandbox.write("rivet.yaml", &config("full", &format!("format: {format}\n    max_file_size: 0")));
        let mut run = rivet(&sandbox);
        assert!(run.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    }
}

#[test]
fn several_exports_would_mix_and_are_refused() {
    let sandbox = sandbox(3);
    sandbox.write("rivet.yaml", &with_more(&config("full", "format: csv"), "type: stdout"));
    for way in [&[][..], &["--parallel-exports"], &["--parallel-export-processes"]] {
        let outcome = sandbox.rivet(&[&["run", "--config", "rivet.yaml"], way].concat());
        outcome.expect(2, &["exports \"notes\", \"more\" write to standard output", "--export"]);
        assert_eq!(outcome.stdout, "");
    }
    let selected = sandbox.rivet(&["run", "--config", "rivet.yaml", "--export", "more"]);
    selected.expect(0, &["3,note 3"]);
}

#[test]
fn exports_that_go_elsewhere_run_beside_it_and_their_summaries_do_not_mix_in() {
    let mut sandbox = sandbox(3);
    sandbox.env("RUST_LOG", "debug");
    sandbox.write("rivet.yaml", &with_more(&config("full", "format: csv"), "type: local, path: out"));
    for (number, way) in [&[][..], &["--parallel-exports"], &["--parallel-export-processes"]].into_iter().enumerate() {
        let outcome = sandbox.rivet(&[&["run", "--config", "rivet.yaml"], way].concat());
        outcome.expect(0, &["── notes ──", "── more ──"]);
        assert_eq!(outcome.stdout, "id,note\n1,note 1\n2,note 2\n3,note 3\n", "{way:?}");
        assert_eq!(sandbox.out().len(), number + 1, "{way:?}");
    }
}

#[test]
fn a_run_without_a_standard_output_fails() {
    let sandbox = sandbox(3);
    sandbox.write("rivet.yaml", &config("incremental\n    cursor_column: id", "format: csv"));
    let closed = |redirection: &str| {
        let script = format!("exec \"$0\" run --config rivet.yaml {redirection}");
        Outcome::of(sandbox.command("sh").args(["-c", &script]).arg(built().join("rivet")))
    };
    for redirection in [">&-", "<&- >&-", "1<>/dev/null"] {
        closed(redirection).expect(1, &["standard output is closed", "EBADF"]);
        assert!(!cursor(&sandbox).contains("notes "), "{}", cursor(&sandbox));
    }
    // Who asks for it gets it.
    closed(">/dev/null").expect(0, &["rows:        3"]);
}

#[test]
fn options_and_manifests_are_refused() {
    let sandbox = sandbox(3);
    sandbox
        .try_run(&config("full", "format: csv").replace("type: stdout", "type: stdout, path: out"))
        .expect(2, &["path"]);
    sandbox.try_run(&config("full", "format: csv\n    manifest: true")).expect(2, &["manifest", "stdout"]);
}
