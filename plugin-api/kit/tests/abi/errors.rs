//! An error means the same on both sides of the border, whichever call and category it has.

use std::time::Duration;

use rivet_plugin_api::abi::Plugin;
use rivet_plugin_api::serde_json::{Value, json};
use rivet_plugin_api::{Cancel, Category, Error, ReadRequest, Result};

use super::support::{self, DESTINATION_CALLS, SOURCE_CALLS, drive_destination, drive_source};

fn kept(call: &str, category: Category, error: &Error) {
    assert_eq!(error.category(), category, "{call}: {error}");
    assert_eq!(error.message(), "there is \"no\" \u{1f980}", "{call}");
    assert_eq!(error.contexts().first().map(String::as_str), Some("could not do as asked"), "{call}");
    assert_eq!(error.hint_text(), Some("ask for something else"), "{call}");
    assert_eq!(error.code_text(), Some("F0001"), "{call}");
    assert_eq!(error.retry_after_hint(), Some(Duration::from_millis(1500)), "{call}");
    let named = error.to_string().contains(&format!("plug-in \"fault\" failed in \"{call}\""));
    // Only what is a defect of the plug-in is blamed on it by name.
    assert_eq!(named, category == Category::Internal, "{error}");
}

fn every_call_and_category(plugin: &Plugin, calls: &[&str], drive: fn(&Plugin, &Value) -> Result<()>) {
    // `close` cannot fail: it is a drop.
    for call in calls.iter().filter(|call| **call != "close") {
        for category in Category::ALL {
            let fault = json!({ "call": call, "category": category.as_str(), "message": "there is \"no\" \u{1f980}" });
            kept(call, category, &drive(plugin, &json!({ "error_in": fault })).expect_err(call));
        }
    }
}

#[test]
fn of_a_loaded_plugin() {
    every_call_and_category(support::fault(), &SOURCE_CALLS, drive_source);
    every_call_and_category(support::fault(), &DESTINATION_CALLS, drive_destination);
}

#[test]
fn of_a_linked_plugin() {
    every_call_and_category(&support::linked_fault(), &SOURCE_CALLS, drive_source);
    every_call_and_category(&support::linked_fault(), &DESTINATION_CALLS, drive_destination);
}

#[test]
fn end_a_reader() {
    let fault = json!({ "call": "next_batch", "category": "network", "message": "gone" });
    let mut source = support::fault().open_source(&json!({ "error_in": fault }), &Cancel::new()).unwrap();
    let mut reader = source.read(&ReadRequest::default(), &Cancel::new()).unwrap();
    assert_eq!(reader.next().unwrap_err().category(), Category::Network);
    assert_eq!(reader.next().unwrap_err().category(), Category::Internal, "a dead reader is not asked again");
    reader.close().unwrap();
}

#[test]
fn of_options_never_show_values() {
    for options in [json!({ "rows": "hunter2" }), json!({ "hunter2": 1, "rows": 1 }), json!({ "rows": -77_123 })] {
        let error = support::fault().open_source(&options, &Cancel::new()).map(drop).unwrap_err();
        assert_eq!(error.category(), Category::Config);
        assert!(!error.to_string().contains("77123"), "{error}");
        let key_only = options.get("hunter2").is_some();
        assert_eq!(error.to_string().contains("hunter2"), key_only, "{error}");
    }
}

#[test]
fn name_the_half_that_a_connector_lacks() {
    let c = support::compile(std::path::Path::new(super::batches::BAD_BATCH));
    let plugin = support::load(&c.path, rivet_plugin_api::abi::Trust::Foreign).unwrap();
    let error = plugin.open_destination(&json!({}), &Cancel::new()).map(drop).unwrap_err();
    assert_eq!(error.category(), Category::Config);
    assert_eq!(error.to_string(), "connector \"bad_batch\" is not a destination");
}
