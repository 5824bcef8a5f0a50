//! Values at the edges of their types, and what the mapping makes of them.

use std::collections::BTreeMap;

use rivet_plugin_api::arrow_array::Array;
use rivet_plugin_api::arrow_array::cast::AsArray;
use rivet_plugin_api::arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use rivet_plugin_api::{Category, Mapping, ReadRequest};

use common::{Database, all, columns};

#[expect(dead_code, reason = "shared with tests that need more")]
mod common;

#[test]
fn edge_values_arrive_as_they_are() {
    let db = Database::new(
        "CREATE TABLE t(i INTEGER, r REAL, s TEXT, b BLOB, f BOOLEAN, n DECIMAL(10,2), d DATE, ts DATETIME, j JSON);
         INSERT INTO t VALUES
           (9223372036854775807, -0.0, '', x'', 1, 12.50, '2024-02-29', '2024-01-02 03:04:05.5', '{\"a\":1}'),
           (-9223372036854775808, 9e999, 'Zoë 漢 🦀' || char(0) || 'x', x'00ff', 0, 9007199254740993, '0001-01-01', '2024-01-02T03:04:05+02:00', '7'),
           (NULL, 0.0/0.0, NULL, NULL, NULL, '1.10x', NULL, NULL, NULL);",
    );
    let batch = db.one("SELECT * FROM t;");
    let integers = batch.column(0).as_primitive::<Int64Type>();
    assert_eq!((integers.value(0), integers.value(1), integers.is_null(2)), (i64::MAX, i64::MIN, true));
    let reals = batch.column(1).as_primitive::<Float64Type>();
    assert!(reals.value(1).is_infinite());
    // SQLite itself has no NaN, and stores -0.0 as the integer 0.
    assert!(reals.value(0) == 0.0 && reals.is_null(2));
    let text = batch.column(2).as_string::<i32>();
    assert_eq!((text.value(0), text.is_null(0), text.value(1), text.is_null(2)), ("", false, "Zoë 漢 🦀\0x", true));
    let blobs = batch.column(3).as_binary::<i32>();
    assert_eq!((blobs.value(0), blobs.is_null(0), blobs.value(1)), (&b""[..], false, &[0, 255][..]));
    assert!(batch.column(4).as_boolean().value(0) && !batch.column(4).as_boolean().value(1));
    let numbers: Vec<_> = batch.column(5).as_string::<i32>().iter().flatten().collect();
    assert_eq!(numbers, ["12.5", "9007199254740993", "1.10x"]);
    assert_eq!(batch.column(6).as_primitive::<Date32Type>().value(0), 19_782);
    let times = batch.column(7).as_primitive::<TimestampMicrosecondType>();
    assert_eq!((times.value(0), times.value(1)), (1_704_164_645_500_000, 1_704_157_445_000_000));
    assert_eq!(batch.column(8).as_string::<i32>().value(1), "7");
    assert_eq!(batch.schema().field(5).metadata()["rivet.native_type"], "DECIMAL(10,2)");
}

#[test]
fn a_value_that_does_not_fit_names_row_and_column() {
    let db = Database::new("CREATE TABLE t(i INTEGER, r REAL, s TEXT, f BOOL, d DATE, ts TIMESTAMP)");
    for (column, value, says) in [
        ("i", "'abc'", "holds text, which does not fit int64"),
        ("i", "1.5", "a real number that is no 64-bit integer"),
        ("i", "x'00'", "holds a blob"),
        ("r", "'abc'", "holds text"),
        ("s", "x'00'", "holds a blob, which does not fit text"),
        ("s", "CAST(x'ff' AS TEXT)", "text that is not UTF-8"),
        ("f", "2", "an integer other than 0 and 1"),
        ("d", "'2024-02-30'", "text other than YYYY-MM-DD"),
        ("d", "1704067200", "holds an integer"),
        ("ts", "1704067200", "holds an integer, which does not fit timestamp"),
        ("ts", "'2024-01-02 03:04:05.1234567'", "at most microseconds"),
    ] {
        db.connect()
            .execute_batch(&format!("DELETE FROM t; INSERT INTO t({column}) VALUES (NULL), ({value})"))
            .unwrap();
        let error = db.error("SELECT * FROM t");
        assert_eq!(error.category(), Category::Data);
        assert!(error.message().starts_with(&format!("row 2 of column \"{column}\" holds")), "{error}");
        assert!(error.message().contains(says), "{error}");
        assert!(error.hint_text().is_some());
    }
}

#[test]
fn overrides_change_the_type() {
    let db = Database::new(
        "CREATE TABLE t(i INTEGER, b, ts DATETIME); INSERT INTO t VALUES (1, 'a', 5), ('x', CAST(x'ff' AS TEXT), 6)",
    );
    let mapping = columns(&[("I", "text"), ("b", "binary"), ("ts", "int64")]);
    let batches = db.read(&ReadRequest { mapping: mapping.clone(), ..all("SELECT * FROM t") }).unwrap();
    let text: Vec<_> = batches[0].column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!(text, ["1", "x"]);
    assert_eq!(batches[0].column(1).as_binary::<i32>().value(1), [255]);
    assert_eq!(batches[0].column(2).as_primitive::<Int64Type>().value(1), 6);
    assert_eq!(db.types("SELECT * FROM t", mapping), ["Utf8", "Binary", "Int64"]);
    let types = BTreeMap::from([("any".to_owned(), "binary".to_owned()), ("datetime".to_owned(), "text".to_owned())]);
    assert_eq!(db.types("SELECT b, ts FROM t", Mapping { types, ..Mapping::default() }), ["Binary", "Utf8"]);
    let error = db.read(&ReadRequest { mapping: columns(&[("i", "decimal")]), ..all("SELECT * FROM t") }).unwrap_err();
    assert_eq!(error.category(), Category::Config);
}

#[test]
fn expressions_take_the_type_of_their_first_values() {
    let db = Database::new("CREATE TABLE t(a); INSERT INTO t VALUES (NULL), (1), (2.5)");
    let query = "SELECT count(*) AS n, max(a), 'x' AS s, x'01' AS b, NULL AS z FROM t";
    assert_eq!(db.types(query, Mapping::default()), ["Int64", "Float64", "Utf8", "Binary", "Utf8"]);
    assert_eq!(db.one("SELECT a FROM t").column(0).as_primitive::<Float64Type>().values()[1..], [1.0, 2.5]);
    // Behind the sample, and in the sample: both are errors, never NULL.
    let late = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
                SELECT CASE i WHEN 2500 THEN 'x' ELSE i END AS v FROM n";
    assert!(db.error(late).message().starts_with("row 2500 of column \"v\" holds text"));
    assert!(db.error(&late.replace("2500", "3")).message().starts_with("row 3 of column \"v\" holds text"));
    assert_eq!(db.read(&all("SELECT a FROM t WHERE 0")).unwrap().len(), 0);
}
