//! Loads plug-ins as a host does, compiles the ones in C, and drives a handle through every call.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rivet_plugin_api::abi::{Plugin, Refusal, Trust, inspect};
use rivet_plugin_api::arrow_array::{Int64Array, RecordBatch};
use rivet_plugin_api::serde_json::Value;
use rivet_plugin_api::{BoundsRequest, Cancel, DescribeRequest, PutRequest, ReadRequest, Result, WriteRequest};

/// Every call that takes a handle, by half, in the order in which [`drive_source`] and [`drive_destination`] make them.
pub const SOURCE_CALLS: [&str; 11] = [
    "open",
    "probe",
    "describe",
    "explain",
    "bounds",
    "count",
    "snapshot",
    "read",
    "next_batch",
    "close_reader",
    "close",
];
pub const DESTINATION_CALLS: [&str; 10] =
    ["open", "probe", "begin", "write", "abort", "finish", "stat", "remove", "put", "close"];

/// Inspects and loads a file the way a host must: the same descriptor for both.
pub fn load(path: &Path, trust: Trust) -> std::result::Result<Plugin, Refusal> {
    let file = File::open(path).unwrap();
    inspect(path, &file)?;
    Plugin::load(path, &file, trust)
}

/// The fault connector, loaded from the library that was built with this test. The subscriber comes first, since a
/// plug-in is told at its start which events anyone wants.
pub fn fault() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        super::log::subscribe();
        let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
        load(&deps.join("librivet_plugin_fault.so"), Trust::Bundled).unwrap()
    })
}

/// The same connector through its linked table.
pub fn linked_fault() -> Plugin {
    Plugin::linked(&rivet_plugin_fault::PLUGIN).unwrap()
}

/// Compiles C into a library; the directory goes when the test ends.
pub struct CLibrary {
    _directory: tempfile::TempDir,
    pub path: PathBuf,
}

pub fn compile(source: &Path) -> CLibrary {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("library.so");
    let include = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/../../plugin-api/include");
    let output = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", include, "-o"])
        .arg(&path)
        .arg(source)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    CLibrary { _directory: directory, path }
}

pub fn compile_text(text: &str) -> CLibrary {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.c");
    std::fs::write(&source, text).unwrap();
    compile(&source)
}

/// Makes every call of a source once, until one fails.
pub fn drive_source(plugin: &Plugin, options: &Value) -> Result<()> {
    let (request, cancel) = (ReadRequest::default(), Cancel::new());
    let mut source = plugin.open_source(options, &cancel)?;
    source.probe()?;
    source.describe(&DescribeRequest::default())?;
    source.explain(&request)?;
    source.bounds(&BoundsRequest::default())?;
    source.count(&request)?;
    source.snapshot()?;
    let mut reader = source.read(&request, &cancel)?;
    while reader.next()?.is_some() {}
    reader.close()?;
    source.close()
}

/// Makes every call of a destination once, until one fails.
pub fn drive_destination(plugin: &Plugin, options: &Value) -> Result<()> {
    let (request, cancel) = (WriteRequest::default(), Cancel::new());
    let batch = batch();
    let mut destination = plugin.open_destination(options, &cancel)?;
    destination.probe()?;
    let mut writer = destination.begin(&request, &batch.schema(), &cancel)?;
    writer.write(batch.clone())?;
    writer.abort()?;
    let mut writer = destination.begin(&request, &batch.schema(), &cancel)?;
    writer.write(batch)?;
    writer.finish()?;
    destination.stat("x")?;
    destination.remove("x")?;
    destination.put(&PutRequest::default())?;
    destination.close()
}

pub fn batch() -> RecordBatch {
    let numbers: rivet_plugin_api::arrow_array::ArrayRef = std::sync::Arc::new(Int64Array::from(vec![1, 2, 3]));
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}
