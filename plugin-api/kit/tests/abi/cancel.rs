//! A call that blocks ends when the host wants to stop, if the connector listens.

use std::time::{Duration, Instant};

use rivet_plugin_api::abi::Plugin;
use rivet_plugin_api::serde_json::{Value, json};
use rivet_plugin_api::{Cancel, Category, Error, ReadRequest, Result, WriteRequest};

use super::support;

/// Cancels after a moment and says how long the call went on after that.
fn stopped(run: impl FnOnce(&Cancel) -> Result<()>) -> (Error, Duration) {
    let cancel = Cancel::new();
    let token = cancel.clone();
    let host = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        let asked = Instant::now();
        token.cancel();
        asked
    });
    let error = run(&cancel).expect_err("the call ended well");
    let ended = Instant::now();
    (error, ended.saturating_duration_since(host.join().unwrap()))
}

fn ends(what: &str, run: impl FnOnce(&Cancel) -> Result<()>) {
    let (error, took) = stopped(run);
    assert_eq!(error.category(), Category::Cancelled, "{what}: {error}");
    assert!(took < Duration::from_secs(1), "{what} took {took:?}");
}

fn read(plugin: &Plugin, options: &Value, cancel: &Cancel) -> Result<()> {
    let mut source = plugin.open_source(options, cancel)?;
    source.probe()?;
    let mut reader = source.read(&ReadRequest::default(), cancel)?;
    while reader.next()?.is_some() {}
    Ok(())
}

#[test]
fn ends_every_call_that_hangs() {
    for plugin in [support::fault(), &support::linked_fault()] {
        for call in ["open", "probe", "read", "next_batch"] {
            ends(call, |cancel| read(plugin, &json!({ "hang_in": call }), cancel));
        }
        for call in ["begin", "write", "finish"] {
            ends(call, |cancel| {
                let batch = support::batch();
                let mut destination = plugin.open_destination(&json!({ "hang_in": call }), cancel)?;
                let mut writer = destination.begin(&WriteRequest::default(), &batch.schema(), cancel)?;
                writer.write(batch)?;
                writer.finish().map(drop)
            });
        }
    }
}

#[test]
fn ends_endless_and_slow_reads() {
    ends("an endless read", |cancel| read(support::fault(), &json!({ "endless": true }), cancel));
    let slow = json!({ "sleep_ms_per_batch": 60_000 });
    ends("a slow read", |cancel| read(support::fault(), &slow, cancel));
}

#[test]
fn of_one_read_leaves_its_source_alone() {
    let mut source = support::fault().open_source(&json!({ "endless": true }), &Cancel::new()).unwrap();
    let cancel = Cancel::new();
    let mut first = source.read(&ReadRequest::default(), &cancel).unwrap();
    let mut second = source.read(&ReadRequest::default(), &Cancel::new()).unwrap();
    cancel.cancel();
    assert_eq!(first.next().unwrap_err().category(), Category::Cancelled);
    assert!(second.next().unwrap().is_some());
    source.probe().unwrap();
}

#[test]
fn races_with_closing_without_harm() {
    for _ in 0..200 {
        let cancel = Cancel::new();
        let mut source = support::fault().open_source(&json!({ "endless": true }), &cancel).unwrap();
        let mut reader = source.read(&ReadRequest::default(), &cancel).unwrap();
        let host = std::thread::spawn(move || cancel.cancel());
        let _ = reader.next();
        drop(reader);
        drop(source);
        host.join().unwrap();
    }
}
