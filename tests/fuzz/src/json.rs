//! What a plug-in answers in JSON, read and used as the host does. The first byte of the input says which answer it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rivet_plugin_api::abi::{DestinationHandle, Plugin};
use rivet_plugin_api::serde_json::{Value, from_str, json, to_string, to_value};
use rivet_plugin_api::{
    Bounds, Cancel, CursorValue, Description, DestinationProbe, Error, Explanation, Filter, Part, PartStat, Probe,
    PutRequest, ReadRequest, Receipt, Spec, Split, Tables, WriteRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) fn run(input: &[u8]) {
    let Some((kind, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match kind % 16 {
        0 => drop(read::<Spec>(text).map(|spec| announced(&spec))),
        1 => drop(read::<Receipt>(text).map(|receipt| receipt.parts.iter().for_each(named))),
        2 => drop(read::<Part>(text).map(|part| named(&part))),
        3 => drop(read::<Error>(text).map(failed)),
        4 => drop(read::<ReadRequest>(text)),
        5 => drop(read::<WriteRequest>(text).map(|request| begun(&request))),
        6 => drop(read::<Description>(text)),
        7 => drop(read::<Bounds>(text).map(|bounds| [bounds.min, bounds.max].iter().flatten().for_each(valued))),
        8 => drop(read::<Explanation>(text)),
        9 => drop(read::<Split>(text)),
        10 => drop(read::<Tables>(text)),
        11 => drop(read::<Probe>(text)),
        12 => drop(read::<PartStat>(text)),
        13 => drop(read::<DestinationProbe>(text)),
        14 => drop(read::<PutRequest>(text).map(|request| put(&request))),
        _ => drop(read::<Filter>(text)),
    }
}

/// Reads an answer. What was read is written and read again without a change, as the state file does with some.
fn read<T: Serialize + DeserializeOwned>(text: &str) -> Option<T> {
    let value: T = from_str(text).ok()?;
    let written = to_string(&value).expect("JSON of what was read");
    let again: T = from_str(&written).expect("what was written can be read");
    assert_eq!(to_value(&again).ok(), to_value(&value).ok(), "{written}");
    Some(value)
}

/// The options a user wrote, against whatever schema a plug-in announces.
fn announced(spec: &Spec) {
    let text = "source: { type: x, a: 1, b: [x, { c: d }], e: { f: true, g: ~ }, password: s, url: 'x://u:p@h/d' }
exports: [{ name: n, query: q, format: csv, destination: { type: y, path: out, h: 1.5 } }]
";
    let config = crate::scratch::with_file("spec.yaml", text.as_bytes(), |path, _| {
        rivet::config::load(path, None, &[], &|_| None).expect("a configuration")
    });
    if let Some(source) = &spec.source {
        drop(config.source.resolve(&source.options, &|_| None).map_err(|e| e.to_string()));
    }
    if let Some(destination) = &spec.destination {
        drop(config.exports[0].destination.resolve(&destination.options, &|_| None).map_err(|e| e.to_string()));
    }
}

fn failed(error: Error) {
    assert!(error.to_string().contains(error.message()));
    let redacted = error.map_text(|_| "***".to_owned());
    assert_eq!(redacted.message(), "***");
}

fn valued(value: &CursorValue) {
    assert!(!value.kind().is_empty());
    drop(value.to_string());
}

/// The names of parts come back from the state file and go to the destination, which looks for them and removes them.
fn named(part: &Part) {
    let _one = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let outside = Outside::check();
    let mut destination = destination();
    let found = destination.stat(&part.name);
    assert!(!matches!(found, Ok(Some(_))), "{:?} is a part in an empty directory", part.name);
    drop(destination.remove(&part.name));
    outside.is_untouched(&part.name);
}

fn put(request: &PutRequest) {
    let _one = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let outside = Outside::check();
    let mut destination = destination();
    if let Ok(part) = destination.put(request) {
        assert_eq!(part.bytes, request.content.len() as u64);
        destination.remove(&request.name).expect("what was put can be removed");
    }
    outside.is_untouched(&request.name);
}

/// A base name out of the directory is refused before anything is written.
fn begun(request: &WriteRequest) {
    let _one = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let outside = Outside::check();
    let schema = rivet_plugin_api::arrow_schema::Schema::empty();
    if let Ok(writer) = destination().begin(request, &schema.into(), &Cancel::new()) {
        drop(writer.abort());
    }
    outside.is_untouched(&request.base_name);
}

/// The directory is one of the process, for one target at a time.
static TURN: Mutex<()> = Mutex::new(());

fn destination() -> DestinationHandle {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    let plugin = PLUGIN.get_or_init(|| Plugin::linked(&rivet_plugin_local::PLUGIN).expect("the connector"));
    let options: Value = json!({ "path": crate::scratch::directory().join("around/inside") });
    plugin.open_destination(&options, &Cancel::new()).expect("a destination")
}

/// The directory around the destination's, with one file in it.
struct Outside(PathBuf);

impl Outside {
    fn check() -> Self {
        let around = crate::scratch::directory().join("around");
        fs::create_dir_all(around.join("inside")).expect("a directory");
        fs::write(around.join("kept"), "kept").expect("a file");
        Self(around)
    }

    fn is_untouched(&self, name: &str) {
        let around = &self.0;
        let list = |path: &Path| {
            let entries = fs::read_dir(path).expect("the directory").flatten();
            let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(list(around), ["inside", "kept"], "{name:?} led out of the directory");
        assert_eq!(fs::read(around.join("kept")).ok().as_deref(), Some(b"kept".as_slice()), "{name:?}");
        assert!(list(&around.join("inside")).is_empty(), "{name:?} left {:?}", list(&around.join("inside")));
    }
}
