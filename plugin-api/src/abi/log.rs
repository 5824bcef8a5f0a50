//! The plug-in's side of the log bridge: a `tracing` subscriber that hands every event to the host.
//!
//! A cdylib has a dispatcher of its own, so without this its events would vanish.

#![expect(unsafe_code, reason = "hands pointers to the host's log function")]

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use super::{RvField, RvHost, RvLog, RvStr};

/// Sends this library's events to `host` from now on. A library that has a subscriber already keeps it.
pub(super) fn install(host: &'static RvHost) {
    let _ = tracing::subscriber::set_global_default(Bridge { host });
}

/// The number of a level in [`RvLog::level`].
pub(super) fn level_code(level: Level) -> u32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

struct Bridge {
    host: &'static RvHost,
}

// SAFETY: the host's functions may be called from any thread at any time.
unsafe impl Send for Bridge {}
// SAFETY: as above; the bridge itself has no state.
unsafe impl Sync for Bridge {}

impl Subscriber for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if level_code(*metadata.level()) > self.host.max_level { Interest::never() } else { Interest::sometimes() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Spans are not forwarded: an event carries its own target and fields.
        metadata.is_event()
            && self.host.log_enabled.is_some_and(|enabled| {
                enabled(self.host.ctx, level_code(*metadata.level()), RvStr::new(metadata.target())) != 0
            })
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let Some(log) = self.host.log else { return };
        let metadata = event.metadata();
        let (message, values) = values(event);
        // Every field of the callsite is named, so that the host sees one shape for one place.
        let fields: Vec<RvField> = metadata
            .fields()
            .iter()
            .filter(|field| field.name() != "message")
            .map(|field| {
                values
                    .iter()
                    .find(|(name, _)| *name == field.name())
                    .map_or_else(|| raw_field(field.name(), &LogValue::Absent), |(name, value)| raw_field(name, value))
            })
            .collect();
        log(
            self.host.ctx,
            &RvLog {
                struct_size: size_of::<RvLog>() as u32,
                level: level_code(*metadata.level()),
                target: RvStr::new(metadata.target()),
                file: metadata.file().map_or(RvStr::EMPTY, RvStr::new),
                line: metadata.line().unwrap_or(0),
                n_fields: fields.len() as u32,
                message: RvStr::new(&message),
                fields: fields.as_ptr(),
                callsite: std::ptr::from_ref(metadata) as u64,
            },
        );
    }
}

/// The value of a field.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum LogValue {
    /// Not set by this event.
    Absent,
    /// A signed number.
    Signed(i64),
    /// An unsigned number.
    Unsigned(u64),
    /// A float by its bits, so that JSON keeps it.
    Float(u64),
    /// True or false.
    Bool(bool),
    /// A text.
    Text(String),
}

fn raw_field(name: &str, value: &LogValue) -> RvField {
    let (kind, bits, text) = match value {
        LogValue::Absent => (0, 0, RvStr::EMPTY),
        LogValue::Signed(v) => (1, *v as u64, RvStr::EMPTY),
        LogValue::Unsigned(v) => (2, *v, RvStr::EMPTY),
        LogValue::Float(bits) => (3, *bits, RvStr::EMPTY),
        LogValue::Bool(v) => (4, u64::from(*v), RvStr::EMPTY),
        LogValue::Text(v) => (5, 0, RvStr::new(v)),
    };
    RvField { key: RvStr::new(name), kind, reserved: 0, bits, text }
}

/// The message of an event, and its other fields.
pub(super) fn values(event: &Event<'_>) -> (String, Vec<(&'static str, LogValue)>) {
    let mut values = Values { message: String::new(), fields: Vec::new() };
    event.record(&mut values);
    (values.message, values.fields)
}

struct Values {
    message: String,
    fields: Vec<(&'static str, LogValue)>,
}

impl Visit for Values {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), LogValue::Signed(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), LogValue::Unsigned(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), LogValue::Float(value.to_bits())));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), LogValue::Bool(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.push((field.name(), LogValue::Text(value.to_owned())));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.fields.push((field.name(), LogValue::Text(format!("{value:?}"))));
        }
    }
}
