//! Logging in the process of a plug-in: every event goes to the host, which shows it as its own.

use rivet_plugin_api::abi::LogEvent;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::Out;
use crate::plugin::isolate::frame::{self, HANDLE, Kind};

/// Sends what the host would show to `out` from now on.
pub(super) fn install(out: Out) {
    tracing_subscriber::registry().with(crate::log_filter()).with(Forward(out)).init();
}

struct Forward(Out);

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // An event without JSON is none that can be shown.
        if let Ok(json) = frame::encode(&LogEvent::of(event)) {
            self.0.send(Kind::Log, HANDLE, &[&json]);
        }
    }
}
