//! The host's side of the log bridge: an event of a plug-in becomes an event of the host's own subscriber, with the
//! plug-in's level, target, file, line and typed fields.

#![expect(unsafe_code, reason = "reads the events of a plug-in")]

use std::collections::HashMap;
use std::ffi::c_void;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::callsite::Identifier;
use tracing::field::{FieldSet, Value};
use tracing::level_filters::LevelFilter;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Callsite, Event, Level, Metadata};

use super::log::LogValue;
use super::{RvField, RvLog, RvStr, sized};

/// Takes secrets out of a text.
static REDACT: OnceLock<fn(&str) -> String> = OnceLock::new();

/// From now on `redact` takes secrets out of the texts of plug-ins' events. What writes them later may write them in
/// another form, in which a secret is not to be found.
pub fn redact_events(redact: fn(&str) -> String) {
    let _ = REDACT.set(redact);
}

fn redacted(text: &str) -> String {
    REDACT.get().map_or_else(|| text.to_owned(), |redact| redact(text))
}

/// What the host remembers for one plug-in's logging.
pub struct PluginLog {
    name: String,
    /// By the plug-in's callsite number; bounded by the size of its code.
    sites: Mutex<HashMap<u64, &'static Site>>,
}

/// An event of a plug-in, wherever it ran.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct LogEvent {
    /// See [`RvLog::level`].
    pub level: u32,
    /// The module the event comes from.
    pub target: String,
    /// The source file, or empty.
    pub file: String,
    /// The line in it, or 0.
    pub line: u32,
    /// The message.
    pub message: String,
    /// The other fields, each of the callsite's, so that all events of one place have one shape.
    pub fields: Vec<(String, LogValue)>,
    /// See [`RvLog::callsite`].
    pub callsite: u64,
}

impl LogEvent {
    /// What `event` says.
    pub fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let (message, values) = super::log::values(event);
        let names = metadata.fields().iter().map(|field| field.name()).filter(|name| *name != "message");
        let value = |name| values.iter().find(|(n, _)| *n == name).map_or(LogValue::Absent, |(_, v)| v.clone());
        Self {
            level: super::log::level_code(*metadata.level()),
            target: metadata.target().to_owned(),
            file: metadata.file().unwrap_or_default().to_owned(),
            line: metadata.line().unwrap_or(0),
            message,
            fields: names.map(|name| (name.to_owned(), value(name))).collect(),
            callsite: 0,
        }
    }
}

impl PluginLog {
    /// Of the plug-in called `name`.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), sites: Mutex::new(HashMap::new()) }
    }

    /// Makes an event of the host's own subscriber.
    pub fn tell(&self, event: &LogEvent) {
        // Callsite 0 means that the plug-in does not number them: the event itself then tells its place.
        let key = match event.callsite {
            0 => {
                let mut hasher = DefaultHasher::new();
                let names: Vec<&str> = event.fields.iter().map(|(name, _)| name.as_str()).collect();
                (event.level, &event.target, &event.file, event.line, names).hash(&mut hasher);
                hasher.finish()
            }
            number => number,
        };
        let site = *self.sites.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(|| {
            let names = event.fields.iter().map(|(name, _)| name.clone()).collect();
            let file = Some(event.file.clone()).filter(|f| !f.is_empty());
            site(&self.name, &event.target, event.level, file, event.line, names)
        });
        let value = |value: &LogValue| -> Option<Box<dyn Value>> {
            match value {
                LogValue::Absent => None,
                LogValue::Signed(v) => Some(Box::new(*v)),
                LogValue::Unsigned(v) => Some(Box::new(*v)),
                LogValue::Float(bits) => Some(Box::new(f64::from_bits(*bits))),
                LogValue::Bool(v) => Some(Box::new(*v)),
                LogValue::Text(v) => Some(Box::new(redacted(v))),
            }
        };
        let values: Vec<Option<Box<dyn Value>>> = event.fields.iter().map(|(_, v)| value(v)).collect();
        // Set before a site is shared.
        let Some(metadata) = site.metadata.get() else { return };
        let message = redacted(&event.message);
        let mut all: Vec<Option<&dyn Value>> = vec![Some(&message)];
        all.extend(values.iter().map(|v| v.as_deref()));
        // A plug-in that shares one callsite number among events of different shape loses fields, not the event.
        all.resize(metadata.fields().len(), None);
        Event::dispatch(metadata, &metadata.fields().value_set_all(&all));
    }
}

/// The most verbose level that anyone listens to, as [`RvHost::max_level`](super::RvHost::max_level).
pub(super) fn max_level() -> u32 {
    LevelFilter::current().into_level().map_or(0, super::log::level_code)
}

/// One place in a plug-in's code, as `tracing` wants to know it.
struct Site {
    metadata: OnceLock<Metadata<'static>>,
}

impl Callsite for Site {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata.get().expect("set before the site is shared")
    }
}

fn level(code: u32) -> Level {
    match code {
        1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

/// Filters see only level and target, so one site for each pair answers for all events of it.
static PROBES: Mutex<Option<HashMap<(u32, String), &'static Site>>> = Mutex::new(None);

pub(super) extern "C" fn log_enabled(_: *mut c_void, level_code: u32, target: RvStr) -> u32 {
    // SAFETY: in-strings are readable for the call.
    let target = unsafe { target.to_text() };
    let mut probes = PROBES.lock().unwrap_or_else(PoisonError::into_inner);
    let probe = probes
        .get_or_insert_with(HashMap::new)
        .entry((level_code, target))
        .or_insert_with_key(|(code, target)| site("", target, *code, None, 0, Vec::new()));
    u32::from(tracing::dispatcher::get_default(|dispatch| dispatch.enabled(probe.metadata())))
}

fn site(
    plugin: &str,
    target: &str,
    level_code: u32,
    file: Option<String>,
    line: u32,
    fields: Vec<String>,
) -> &'static Site {
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let site: &'static Site = Box::leak(Box::new(Site { metadata: OnceLock::new() }));
    let mut names: Vec<&'static str> = vec!["message"];
    names.extend(fields.into_iter().map(leak));
    let fields = FieldSet::new(Box::leak(names.into_boxed_slice()), Identifier(site));
    let target = leak(if target.is_empty() { plugin.to_owned() } else { target.to_owned() });
    let line = (line > 0).then_some(line);
    let metadata =
        Metadata::new("event of a plug-in", target, level(level_code), file.map(leak), line, None, fields, Kind::EVENT);
    let _ = site.metadata.set(metadata);
    tracing::callsite::register(site);
    site
}

pub(super) extern "C" fn log(ctx: *mut c_void, event: *const RvLog) {
    // SAFETY: `ctx` is the leaked `PluginLog` of this plug-in; the event and all it names are readable for the call.
    let (plugin, event) = unsafe { (&*ctx.cast::<PluginLog>(), sized::copied(event)) };
    // SAFETY: as above.
    let fields: &[RvField] = unsafe {
        if event.fields.is_null() { &[] } else { std::slice::from_raw_parts(event.fields, event.n_fields as usize) }
    };
    // SAFETY: as above.
    let text = |s: RvStr| unsafe { s.to_text() };
    let value = |f: &RvField| match f.kind {
        1 => LogValue::Signed(f.bits as i64),
        2 => LogValue::Unsigned(f.bits),
        3 => LogValue::Float(f.bits),
        4 => LogValue::Bool(f.bits != 0),
        5 => LogValue::Text(text(f.text)),
        _ => LogValue::Absent,
    };
    plugin.tell(&LogEvent {
        level: event.level,
        target: text(event.target),
        file: text(event.file),
        line: event.line,
        message: text(event.message),
        fields: fields.iter().map(|f| (text(f.key), value(f))).collect(),
        callsite: event.callsite,
    });
}
