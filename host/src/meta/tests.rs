mod batches;
mod naive;
mod random;
mod readers;
mod speed;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, UnionFields, UnionMode};
use rivet_plugin_api::Category;

use super::MetaColumns;
use crate::config;
use batches::{batch, edges, example};

const NONE: config::MetaColumns = config::MetaColumns { exported_at: false, row_hash: false, run_id: false };
const ALL: config::MetaColumns = config::MetaColumns { exported_at: true, row_hash: true, run_id: true };
const HASH: config::MetaColumns = config::MetaColumns { row_hash: true, ..NONE };

fn meta(which: config::MetaColumns, source: &SchemaRef) -> MetaColumns {
    MetaColumns::new(which, 1_704_164_645_500_000, "run-1", source).unwrap()
}

/// The hash of each row, by the way that exports take.
fn hashes(rows: &RecordBatch) -> Vec<i64> {
    let hashed = meta(HASH, rows.schema_ref()).apply(rows.clone()).unwrap();
    hashed.columns().last().unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn one(name: &str, kind: DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, kind, true)]))
}

#[test]
fn the_known_row_has_the_known_hash() {
    assert_eq!(hashes(&example()), [-8_543_730_769_535_605_348]);
}

#[test]
fn every_type_of_the_predecessor_hashes_as_there() {
    let edges = edges();
    for line in include_str!("tests/predecessor.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, expected) = line.split_once(' ').unwrap();
        let expected: Vec<i64> = expected.split(' ').map(|hash| hash.parse().unwrap()).collect();
        let rows = match edges.schema_ref().index_of(name) {
            Ok(column) => edges.project(&[column]).unwrap(),
            Err(_) => edges.clone(),
        };
        assert_eq!(hashes(&rows), expected, "{name}");
    }
}

#[test]
fn columns_are_added_in_order_and_never_null() {
    let source = example();
    let schema = Schema::clone(source.schema_ref()).with_metadata([("k".to_owned(), "v".to_owned())]);
    let meta = meta(ALL, &Arc::new(schema));
    let added: Vec<_> = meta.schema().fields()[source.num_columns()..].iter().map(|f| format!("{f}")).collect();
    assert_eq!(
        added,
        [
            "Field { \"_rivet_exported_at\": Timestamp(µs, \"UTC\") }",
            "Field { \"_rivet_row_hash\": Int64 }",
            "Field { \"_rivet_run_id\": Utf8 }",
        ]
    );
    assert!(meta.schema().fields()[source.num_columns()..].iter().all(|field| !field.is_nullable()));
    assert_eq!(meta.schema().metadata()["k"], "v");

    let whole = meta.apply(source.clone()).unwrap();
    assert_eq!(whole.schema_ref(), meta.schema());
    let [at, hash, run] = &whole.columns()[source.num_columns()..] else { panic!("three columns") };
    assert_eq!(at.as_primitive::<TimestampMicrosecondType>().value(0), 1_704_164_645_500_000);
    assert_eq!(hash.as_primitive::<Int64Type>().value(0), hashes(&source)[0]);
    assert_eq!(run.as_string::<i32>().value(0), "run-1");
    // The source's columns are the same memory.
    for (before, after) in source.columns().iter().zip(whole.columns()) {
        assert!(Arc::ptr_eq(before, after));
    }
}

#[test]
fn without_meta_columns_nothing_changes() {
    let source = example();
    let meta = meta(NONE, source.schema_ref());
    assert!(Arc::ptr_eq(meta.schema(), source.schema_ref()));
    assert_eq!(meta.apply(source.clone()).unwrap(), source);
}

#[test]
fn a_column_of_the_query_keeps_its_name() {
    for name in ["_rivet_row_hash", "_RIVET_Row_Hash"] {
        let e = MetaColumns::new(ALL, 0, "", &one(name, DataType::Int64)).unwrap_err();
        assert_eq!(e.category(), Category::Config);
        assert_eq!(
            e.message(),
            format!("the query has a column \"{name}\", and \"meta_columns\" adds one of that name")
        );
        assert!(e.hint_text().unwrap().contains("leave `row_hash` out"), "{:?}", e.hint_text());
    }
    MetaColumns::new(HASH, 0, "", &one("_rivet_run_id", DataType::Utf8)).unwrap();
}

#[test]
fn a_type_without_a_text_form_is_refused_before_the_first_row() {
    let union = DataType::Union(UnionFields::empty(), UnionMode::Sparse);
    let e = MetaColumns::new(HASH, 0, "", &one("u", union.clone())).unwrap_err();
    assert_eq!(e.category(), Category::Unsupported);
    assert!(e.message().starts_with("column \"u\" is of the type \"Union"), "{e}");
    let inside = DataType::new_list(union.clone(), true);
    assert!(MetaColumns::new(HASH, 0, "", &one("u", inside)).is_err());
    MetaColumns::new(config::MetaColumns { row_hash: false, ..ALL }, 0, "", &one("u", union)).unwrap();
}

#[test]
fn a_batch_of_another_schema_is_refused() {
    let meta = meta(HASH, &one("n", DataType::Utf8));
    assert_eq!(
        meta.apply(batch(vec![("n", Arc::new(Int64Array::from(vec![1])))])).unwrap_err().category(),
        Category::Internal
    );
}

#[test]
fn batches_without_rows_and_without_columns() {
    let kinds = batches::everything();
    let empty: Vec<ArrayRef> = kinds.columns().iter().map(|c| new_empty_array(c.data_type())).collect();
    let empty = RecordBatch::try_new(kinds.schema(), empty).unwrap();
    assert_eq!(meta(ALL, empty.schema_ref()).apply(empty).unwrap().num_rows(), 0);

    let bare = RecordBatchOptions::new().with_row_count(Some(2));
    let bare = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &bare).unwrap();
    assert_eq!(hashes(&bare), [6_918_025_063_187_695_999; 2]);
}

#[test]
fn null_and_empty_and_borders_of_cells_count() {
    let texts = |values: Vec<Option<&str>>| -> ArrayRef { Arc::new(arrow_array::StringArray::from(values)) };
    let seen = hashes(&batch(vec![
        ("a", texts(vec![None, Some(""), Some("ab"), Some("a"), Some(""), None])),
        ("b", texts(vec![Some(""), None, Some("c"), Some("bc"), Some("abc"), None])),
    ]));
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len());
}
