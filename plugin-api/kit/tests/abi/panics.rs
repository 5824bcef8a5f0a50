//! A panic in any call is an error that names plug-in, call and place, and the process goes on.

use rivet_plugin_api::abi::export::{Export, plugin};
use rivet_plugin_api::abi::{Plugin, RvDestination, RvPlugin, RvSource};
use rivet_plugin_api::serde_json::{Value, json};
use rivet_plugin_api::{Cancel, Category, Result, Spec, WriteRequest};

use super::support::{self, DESTINATION_CALLS, SOURCE_CALLS, drive_destination, drive_source};

fn names_everything(call: &str, outcome: Result<()>) {
    let error = outcome.expect_err(call);
    assert_eq!(error.category(), Category::Internal, "{call}: {error}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("plug-in \"fault\" failed in \"{call}\": panicked at ")), "{text}");
    assert!(text.ends_with(&format!("asked to panic in {call}")), "{text}");
    let place = text.split("panicked at ").nth(1).unwrap();
    let (file, rest) = place.split_once(".rs:").unwrap();
    assert!(file.ends_with("fault/src/options"), "{text}");
    assert!(rest.starts_with(|c: char| c.is_ascii_digit()), "no line: {text}");
    assert!(error.hint_text().unwrap().contains("report it"), "{:?}", error.hint_text());
}

fn every_call(plugin: &Plugin, calls: &[&str], drive: fn(&Plugin, &Value) -> Result<()>) {
    for call in calls {
        names_everything(call, drive(plugin, &json!({ "panic_in": call })));
        drive(plugin, &json!({})).unwrap_or_else(|e| panic!("after a panic in {call}: {e}"));
    }
}

#[test]
fn in_every_call_of_a_loaded_source() {
    every_call(support::fault(), &SOURCE_CALLS, drive_source);
}

#[test]
fn in_every_call_of_a_linked_source() {
    every_call(&support::linked_fault(), &SOURCE_CALLS, drive_source);
}

#[test]
fn in_every_call_of_a_loaded_destination() {
    every_call(support::fault(), &DESTINATION_CALLS, drive_destination);
}

#[test]
fn in_every_call_of_a_linked_destination() {
    every_call(&support::linked_fault(), &DESTINATION_CALLS, drive_destination);
}

#[test]
fn in_the_cleaning_up_after_a_panic() {
    // Two panics at once end a process unless the inner one is caught.
    let options = json!({ "panic_in": "finish,abort,close" });
    for plugin in [support::fault(), &support::linked_fault()] {
        let batch = support::batch();
        let mut destination = plugin.open_destination(&options, &Cancel::new()).unwrap();
        let mut writer = destination.begin(&WriteRequest::default(), &batch.schema(), &Cancel::new()).unwrap();
        writer.write(batch).unwrap();
        names_everything("finish", writer.finish().map(drop));
        names_everything("close", destination.close());
    }
}

#[test]
fn in_a_handle_that_is_only_dropped() {
    for call in ["close", "close_reader"] {
        let mut source = support::fault().open_source(&json!({ "panic_in": call }), &Cancel::new()).unwrap();
        drop(source.read(&rivet_plugin_api::ReadRequest::default(), &Cancel::new()).unwrap());
        drop(source);
    }
}

#[test]
fn on_another_thread_of_the_host() {
    let thread = std::thread::spawn(|| drive_source(support::fault(), &json!({ "panic_in": "next_batch" })));
    names_everything("next_batch", thread.join().unwrap());
}

#[test]
fn in_the_spec() {
    struct Speechless;

    impl Export for Speechless {
        const NAME: &'static str = "speechless";
        const VERSION: &'static str = "1.0.0";
        const MARKER: &'static [u8] = b"";
        const SOURCE: Option<&'static RvSource> = None;
        const DESTINATION: Option<&'static RvDestination> = None;

        fn spec() -> Spec {
            panic!("nothing to say")
        }
    }

    static TABLE: RvPlugin = plugin::<Speechless>();
    let text = Plugin::linked(&TABLE).unwrap_err().to_string();
    assert!(text.starts_with("plug-in \"speechless\" failed in \"spec\": panicked at "), "{text}");
    assert!(text.ends_with("nothing to say"), "{text}");
}
