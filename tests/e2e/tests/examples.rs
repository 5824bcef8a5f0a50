//! The model connectors of docs/examples: built as their READMEs say, outside of the workspace, and used.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write as _;
use std::fs;

use rivet_e2e::{Outcome, Sandbox, built, read_with, workspace};

/// A copy of docs/examples/csv-c, built by its own Makefile.
fn csv_example() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let example = workspace().join("docs/examples/csv-c");
    for entry in fs::read_dir(&example).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), sandbox.path().join(entry.file_name())).unwrap();
    }
    let include = format!("RIVET_INCLUDE={}", workspace().join("plugin-api/include").display());
    Outcome::of(sandbox.command("make").args(["--silent", &include])).expect(0, &[]);
    let folder = sandbox.path().to_str().unwrap().to_owned();
    sandbox.env("RIVET_PLUGIN_PATH", folder);
    sandbox
}

const TYPES: &str = r#"{"id": "BIGINT", "ordered": "DATE", "price": "DOUBLE", "paid": "BOOLEAN"}"#;

fn parquet_files(sandbox: &Sandbox) -> Vec<String> {
    let names = sandbox.out().into_iter().filter(|name| name.ends_with(".parquet"));
    names.map(|name| sandbox.path().join("out").join(name).to_str().unwrap().to_owned()).collect()
}

/// The Parquet files hold what DuckDB reads from the CSV file `name`; the number of rows.
fn same_as(sandbox: &Sandbox, name: &str) -> Option<usize> {
    let files = parquet_files(sandbox);
    let path = sandbox.path().join(name).to_str().unwrap().to_owned();
    let mut args = vec![path.as_str(), TYPES];
    args.extend(files.iter().map(String::as_str));
    read_with("same_as_csv.py", &args).map(|count| count.trim().parse().unwrap())
}

/// Rows with everything that RFC 4180 has a rule for.
fn many_orders(rows: std::ops::Range<u32>) -> String {
    let mut text = String::new();
    for i in rows {
        let customer = match i % 5 {
            0 => format!("\"a, {i}\""),
            1 => format!("\"say \"\"{i}\"\"\""),
            2 => format!("\"line\n{i}\r\nend\""),
            3 => "\"\"".to_owned(),
            _ => format!("żółć 🦀 {i}"),
        };
        let price = if i % 7 == 0 { String::new() } else { format!("{i}.{:03}e-1", i % 1000) };
        let ordered = format!("20{:02}-{:02}-{:02}", i % 60, i % 12 + 1, i % 28 + 1);
        let paid = ["true", "false", ""][i as usize % 3];
        writeln!(text, "{i},{customer},{ordered},{price},{paid},{}", "x".repeat(i as usize % 90)).unwrap();
    }
    text
}

const HEADER: &str = "id,customer,ordered,price,paid,note\n";

fn config(sandbox: &Sandbox, more: &str) -> String {
    let text = fs::read_to_string(sandbox.path().join("rivet.yaml")).unwrap();
    text.replace("    mode: incremental\n    cursor_column: id\n", more)
}

#[test]
fn the_c_example_reads_a_file_as_duckdb_does() {
    let sandbox = csv_example();
    let run = sandbox.rivet(&["run", "--config", "rivet.yaml", "--validate"]);
    run.expect(0, &["rows:        4", "status:      success"]);
    assert!(same_as(&sandbox, "orders.csv").is_none_or(|rows| rows == 4));
    sandbox.rivet(&["plugin", "list"]).expect(0, &["csv", "1.0.0", "source", "librivet_csv.so"]);
    sandbox.rivet(&["doctor", "--config", "rivet.yaml"]).expect(0, &["CSV 1.0.0", "All checks passed"]);

    let sandbox = csv_example();
    sandbox.write("orders.csv", &format!("\u{feff}{HEADER}{}", many_orders(0..20_000)));
    // Small batches, so that one of each kind of column is cut anywhere.
    let text = config(&sandbox, "").replace("source:\n", "source:\n  tuning: { batch_size: 777 }\n");
    sandbox.run(&text).expect(0, &["rows:        20000"]);
    assert!(same_as(&sandbox, "orders.csv").is_none_or(|rows| rows == 20_000));
}

#[test]
fn the_c_example_reads_increments_and_chunks() {
    let sandbox = csv_example();
    let text = fs::read_to_string(sandbox.path().join("rivet.yaml")).unwrap();
    sandbox.write("orders.csv", &format!("{HEADER}{},no id,,,,\n", many_orders(1..500)));
    sandbox.run(&text).expect(0, &["rows:        500"]);
    sandbox.run(&text).expect(0, &["rows:        0"]);
    let mut more = fs::read_to_string(sandbox.path().join("orders.csv")).unwrap();
    more += &many_orders(500..700);
    sandbox.write("orders.csv", &more);
    sandbox.run(&text).expect(0, &["rows:        200"]);
    assert!(same_as(&sandbox, "orders.csv").is_none_or(|rows| rows == 700));

    let sandbox = csv_example();
    sandbox.write("orders.csv", &format!("{HEADER}{}", many_orders(1..1000)));
    let chunked = "    mode: chunked\n    chunk_column: id\n    chunk_size: 300\n    parallel: 2\n";
    sandbox.run(&config(&sandbox, chunked)).expect(0, &["rows:        999"]);
    assert!(parquet_files(&sandbox).len() > 2, "{:?}", sandbox.out());
    assert!(same_as(&sandbox, "orders.csv").is_none_or(|rows| rows == 999));
}

#[test]
fn the_c_example_names_the_line_and_the_column_of_what_it_refuses() {
    let sandbox = csv_example();
    let text = config(&sandbox, "");
    let whole = "1,\"a\nb\",2026-01-01,1.5,true,x\n";
    for (bad, why) in [
        ("x,,,,,", "line 4, column \"id\": \"x\" is not int64"),
        ("9223372036854775808,,,,,", "column \"id\""),
        ("1,,2026-02-29,,,", "column \"ordered\": \"2026-02-29\" is not date"),
        ("1,,,1e999,,", "column \"price\""),
        ("1,,,0x10,,", "column \"price\""),
        ("1,,,,yes,", "column \"paid\": \"yes\" is not bool"),
        ("1,,,,", "line 4: 5 cells, but 6 columns"),
        ("1,\"a\"b,,,,", "line 4, cell 2: something follows the closing quote"),
        ("1,a\"b,,,,", "line 4, cell 2: a quote in a cell"),
        ("1,\"never closed,,,,", "the quoted cell does not end"),
        ("1,a\rb,,,,", "a carriage return without a line feed"),
    ] {
        sandbox.write("orders.csv", &format!("{HEADER}{whole}{bad}\n"));
        sandbox.try_run(&text).expect(1, &[why]);
        assert!(sandbox.out().is_empty(), "{bad} left {:?}", sandbox.out());
    }
    fs::write(sandbox.path().join("orders.csv"), b"id,customer,ordered,price,paid,note\n1,\xff,,,,\n").unwrap();
    sandbox.try_run(&text).expect(1, &["line 2, column \"customer\"", "UTF-8"]);
    sandbox.write("orders.csv", "id,id\n1,2\n");
    sandbox.try_run(&text).expect(1, &["two columns are called \"id\""]);
    sandbox.write("orders.csv", "");
    sandbox.try_run(&text).expect(1, &["\"orders.csv\" is empty"]);
    fs::remove_file(sandbox.path().join("orders.csv")).unwrap();
    sandbox.try_run(&text).expect(1, &["could not open \"orders.csv\""]);
    sandbox.try_run(&text.replace("id=int64", "id=int65")).expect(1, &[]);
}

#[test]
fn the_c_example_passes_the_conformance_suite() {
    let sandbox = csv_example();
    let rivet = format!("RIVET={}", built().join("rivet").display());
    let include = format!("RIVET_INCLUDE={}", workspace().join("plugin-api/include").display());
    let verdict = Outcome::of(sandbox.command("make").args(["verify", &include, &rivet]));
    verdict.expect(0, &["windows_cover_all_rows_once", "bounds_are_those_of_the_rows", "count_is_exact"]);
}

/// Every read and write of memory, with the host around it.
#[test]
#[ignore = "slow"]
fn the_c_example_is_clean_under_valgrind() {
    let sandbox = csv_example();
    sandbox.write("orders.csv", &format!("{HEADER}{}", many_orders(1..400)));
    let valgrind = ["--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"];
    for (bad, code) in [("", 0), ("x,,,,,\n", 1)] {
        let mut text = fs::read_to_string(sandbox.path().join("orders.csv")).unwrap();
        text += bad;
        sandbox.write("orders.csv", &text);
        let mut command = sandbox.command("valgrind");
        command.args(valgrind).arg(built().join("rivet")).args(["run", "--config", "rivet.yaml"]);
        Outcome::of(&mut command).expect(code, &[]);
    }
}
