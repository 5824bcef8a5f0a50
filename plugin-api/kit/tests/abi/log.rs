//! Events of a loaded plug-in reach the subscriber of the host, with level, target, place and typed fields.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, Once};

use rivet_plugin_api::serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::support;

#[derive(Clone, Debug)]
struct Seen {
    level: Level,
    target: String,
    file: Option<String>,
    fields: BTreeMap<String, String>,
}

static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

/// Keeps what the fault connector says.
struct Capture;

/// Installs the capturing subscriber for this process, once.
pub fn subscribe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Capture).unwrap());
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rivet_plugin_fault") && *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        let seen = Seen {
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            file: metadata.file().map(ToOwned::to_owned),
            fields: fields.0,
        };
        SEEN.lock().unwrap().push(seen);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields(BTreeMap<String, String>);

impl Fields {
    fn put(&mut self, kind: &str, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{kind} {value:?}"));
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put("i64", field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put("u64", field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put("bool", field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put("str", field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put("debug", field, value);
    }
}

#[test]
fn events_of_a_loaded_plugin_arrive_with_their_fields() {
    // The number of rows tells this test's events from those of the others.
    support::drive_source(support::fault(), &json!({ "log": true, "rows": 4711 })).unwrap();
    let seen: Vec<Seen> = SEEN.lock().unwrap().clone();
    let mine = seen.iter().filter(|event| event.fields.get("rows").is_some_and(|rows| rows == "u64 4711"));
    let calls: Vec<&str> = mine.clone().filter_map(|event| event.fields.get("call")).map(String::as_str).collect();
    assert_eq!(calls[..3], ["str \"open\"", "str \"probe\"", "str \"describe\""]);
    assert!(calls.contains(&"str \"close_reader\""), "{calls:?}");
    for event in mine {
        assert_eq!(event.level, Level::INFO);
        assert_eq!(event.target, "rivet_plugin_fault::options");
        assert!(event.file.as_ref().unwrap().ends_with("fault/src/options.rs"), "{event:?}");
        assert_eq!(event.fields["endless"], "bool false");
        assert!(event.fields["message"].contains("fault was called"), "{event:?}");
    }
}
