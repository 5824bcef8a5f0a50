//! Batches cross by pointer, and those that lie about themselves are refused by the name of their maker.

use std::path::Path;

use rivet_plugin_api::abi::{Plugin, Trust};
use rivet_plugin_api::arrow_array::cast::AsArray as _;
use rivet_plugin_api::arrow_array::{Array, RecordBatch};
use rivet_plugin_api::serde_json::json;
use rivet_plugin_api::{
    BatchSize, BoundsRequest, Cancel, Category, DescribeRequest, ReadRequest, Result, WriteRequest,
};

use super::support;

pub const BAD_BATCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fault/c/bad_batch.c");

fn addresses(batch: &RecordBatch) -> Vec<String> {
    let of_column = |column: &std::sync::Arc<dyn Array>| {
        column.to_data().buffers().iter().map(|buffer| format!("{:p}", buffer.as_ptr())).collect::<Vec<_>>()
    };
    batch.columns().iter().flat_map(of_column).collect()
}

/// Reads three batches of a source that tells where its buffers are.
fn read(plugin: &Plugin) -> (Vec<RecordBatch>, Vec<String>) {
    let mut source = plugin.open_source(&json!({ "rows": 3000, "columns": 4 }), &Cancel::new()).unwrap();
    let batch = BatchSize { rows: 1000, ..BatchSize::default() };
    let mut reader = source.read(&ReadRequest { batch, ..ReadRequest::default() }, &Cancel::new()).unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = reader.next().unwrap() {
        batches.push(batch);
    }
    reader.close().unwrap();
    (batches, source.probe().unwrap().warnings)
}

#[test]
fn come_from_a_source_without_copying() {
    for plugin in [support::fault(), &support::linked_fault()] {
        let (batches, sent) = read(plugin);
        assert_eq!(sent.len(), 3 * (1 + 2 + 1 + 2), "two numbers and two texts, three times");
        assert_eq!(batches.iter().flat_map(addresses).collect::<Vec<_>>(), sent);
    }
}

#[test]
fn go_to_a_destination_without_copying() {
    for plugin in [support::fault(), &support::linked_fault()] {
        // What one plug-in made is handed on to the other half as it came.
        let (batches, sent) = read(support::fault());
        let mut destination = plugin.open_destination(&json!({}), &Cancel::new()).unwrap();
        let schema = batches[0].schema();
        let mut writer = destination.begin(&WriteRequest::default(), &schema, &Cancel::new()).unwrap();
        for batch in batches {
            writer.write(batch).unwrap();
        }
        let receipt = writer.finish().unwrap();
        assert_eq!(receipt.parts[0].rows, 3000);
        assert_eq!(destination.probe().unwrap().warnings, sent);
    }
}

#[test]
fn live_on_when_their_plugin_is_closed() {
    let (batches, _) = read(support::fault());
    let last = batches[2].column(1).as_string::<i32>().value(999).to_owned();
    drop(read(support::fault()));
    let there = std::thread::spawn(move || batches[2].column(1).as_string::<i32>().value(999) == last);
    assert!(there.join().unwrap());
}

/// The plug-in in plain C, with a word for what is wrong about its batch.
fn words(plugin: &Plugin, wrong: &str) -> Result<Vec<RecordBatch>> {
    let mut source = plugin.open_source(&json!({ "wrong": wrong }), &Cancel::new())?;
    let mut reader = source.read(&ReadRequest::default(), &Cancel::new())?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next()? {
        batches.push(batch);
    }
    reader.close()?;
    Ok(batches)
}

#[test]
fn come_from_a_plugin_in_plain_c() {
    let c = support::compile(Path::new(BAD_BATCH));
    for trust in [Trust::Foreign, Trust::Bundled] {
        let plugin = support::load(&c.path, trust).unwrap();
        assert_eq!((plugin.spec().name.as_str(), plugin.abi()), ("bad_batch", (1, 1)));
        let batches = words(&plugin, "nothing").unwrap();
        assert_eq!(batches.len(), 2);
        let column = batches[1].column(0).as_string::<i32>();
        assert_eq!(column.iter().flatten().collect::<Vec<_>>(), ["one", "two", "three"]);
        let error = words(&plugin, "failure").unwrap_err();
        assert_eq!((error.category(), error.message()), (Category::Permanent, "no more words"));
        let mut source = plugin.open_source(&json!({}), &Cancel::new()).unwrap();
        assert_eq!(source.probe().unwrap().server, "plain C");
        assert_eq!(source.describe(&DescribeRequest::default()).unwrap().columns[0].name, "word");
        let absent = source.bounds(&BoundsRequest::default()).unwrap_err();
        assert_eq!(absent.category(), Category::Unsupported, "{absent}");
    }
}

fn is_refused(plugin: &Plugin, wrong: &str, why: &str) {
    let error = words(plugin, wrong).expect_err(wrong);
    assert_eq!(error.category(), Category::Internal, "{wrong}: {error}");
    let text = error.to_string();
    assert!(text.starts_with("plug-in \"bad_batch\" broke its promise: "), "{wrong}: {text}");
    assert!(text.contains(why), "{wrong}: {text}");
}

#[test]
fn that_lie_about_their_structure_are_refused() {
    let c = support::compile(Path::new(BAD_BATCH));
    for trust in [Trust::Bundled, Trust::Foreign] {
        let plugin = support::load(&c.path, trust).unwrap();
        is_refused(&plugin, "columns", "has 2 columns, its schema has 1");
        is_refused(&plugin, "no list", "no list of columns");
        is_refused(&plugin, "no column", "column \"word\" is missing");
        is_refused(&plugin, "buffers", "column \"word\" has 2 buffers");
        is_refused(&plugin, "no buffer", "column \"word\" lacks buffer 1");
        is_refused(&plugin, "negative length", "impossible length");
        is_refused(&plugin, "negative column", "column \"word\" has -1 rows of 3");
        is_refused(&plugin, "negative offset", "impossible length or offset");
        is_refused(&plugin, "beyond the column", "column \"word\" has 3 rows of 5");
        is_refused(&plugin, "short column", "column \"word\" has 2 rows of 3");
        is_refused(&plugin, "nulls without bitmap", "column \"word\" lacks buffer 0");
        is_refused(&plugin, "null rows", "rows of a batch cannot be null");
        is_refused(&plugin, "released", "released before");
        is_refused(&plugin, "another schema", "column \"word\" has 3 buffers, Int64 has 2");
        is_refused(&plugin, "negative last offset", "column \"word\" has an impossible offset");
        is_refused(&plugin, "misaligned offsets", "column \"word\" has offsets or sizes that are not aligned");
        is_refused(&plugin, "huge length", "impossible length");
        is_refused(&plugin, "huge offset", "impossible length or offset");
    }
}

#[test]
fn with_bad_contents_are_refused_from_foreign_plugins() {
    let c = support::compile(Path::new(BAD_BATCH));
    let plugin = support::load(&c.path, Trust::Foreign).unwrap();
    is_refused(&plugin, "utf-8", "malformed batch: ");
    is_refused(&plugin, "offsets", "malformed batch: ");
    is_refused(&plugin, "offset out of range", "malformed batch: ");
    is_refused(&plugin, "negative first offset", "malformed batch: ");
}

#[test]
fn with_a_malformed_schema_are_refused() {
    let c = support::compile(Path::new(BAD_BATCH));
    let plugin = support::load(&c.path, Trust::Foreign).unwrap();
    for wrong in ["unknown format", "no format", "no fields", "released schema"] {
        is_refused(&plugin, wrong, "");
    }
}
