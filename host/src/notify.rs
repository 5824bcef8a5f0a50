//! Tells Slack of exports that failed or whose columns changed. Messages are sent beside the run, and whatever is wrong
//! with one is a warning: the run's result is never changed by it.

mod message;
mod proxy;
mod webhook;

use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::config::{Notifications, Occasion};
use crate::error::{Error, exit};
use crate::event::{Event, Listener};
use crate::preflight::Report;
use crate::report::{Status, Summary};
use webhook::Webhook;

/// The channel of one run.
pub struct Notifier {
    slack: Option<(Webhook, Vec<Occasion>)>,
    under_way: Mutex<Vec<JoinHandle<()>>>,
}

impl Notifier {
    /// Whom the configuration names, if anyone. The webhook's address is hidden from everything shown from now on.
    pub fn new(notifications: Option<&Notifications>) -> Self {
        let slack = notifications.and_then(|n| n.slack.as_ref());
        let slack = slack.and_then(|slack| Some((Webhook::new(slack.webhook.as_ref()?), slack.on.clone())));
        Self { slack, under_way: Mutex::default() }
    }

    /// Tells of exports that failed without a summary, in one message: before they began, or with their process.
    pub fn failed(&self, exports: &[&str], error: &Error) {
        let (export, text, exit_code) = (exports.join(", "), Some(error.to_string()), error.exit_code());
        self.ended(&Summary { export, error: text, exit_code, status: Status::Failed, ..Summary::default() });
    }

    /// Tells of an export that has ended, when that is wanted. One that only met another run's lock is never told of:
    /// the other run is at work.
    fn ended(&self, summary: &Summary) {
        let Some((webhook, on)) = &self.slack else { return };
        let is_wanted = on.iter().any(|occasion| match occasion {
            Occasion::Failure => summary.status == Status::Failed,
            Occasion::SchemaChange => summary.schema_changed == Some(true),
            // A verdict on a source, which no run gives: see `judged`.
            Occasion::Degraded => false,
        });
        if !is_wanted || summary.exit_code == exit::LOCKED {
            return;
        }
        self.send(webhook, message::of(summary), summary.export.clone());
    }

    /// Tells of an export from which its source would suffer, when that is wanted.
    pub fn judged(&self, report: &Report) {
        let Some((webhook, on)) = &self.slack else { return };
        let Some(verdict) = report.verdict.filter(|verdict| verdict.is_degraded()) else { return };
        if on.contains(&Occasion::Degraded) {
            self.send(webhook, message::of_verdict(report, verdict), report.export.clone());
        }
    }

    fn send(&self, webhook: &Webhook, message: Value, export: String) {
        let webhook = webhook.clone();
        let thread_export = export.clone();
        let sending = move || match webhook.post(&message) {
            Ok(()) => tracing::info!("Slack was told of export \"{thread_export}\""),
            Err(e) => tracing::warn!("Slack was not told of export \"{thread_export}\": {e}"),
        };
        match thread::Builder::new().name("notify".to_owned()).spawn(sending) {
            Ok(thread) => self.under_way.lock().unwrap_or_else(PoisonError::into_inner).push(thread),
            Err(e) => tracing::warn!("Slack was not told of export \"{export}\": {e}"),
        }
    }

    /// Waits for the messages that are under way, which is bounded.
    pub fn wait(&self) {
        let under_way = std::mem::take(&mut *self.under_way.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in under_way {
            // What is there to say about a message was said by its thread.
            let _ = thread.join();
        }
    }
}

impl Listener for Notifier {
    fn hear(&self, _: Option<&str>, event: &Event) {
        if let Event::ExportFinished(summary) = event {
            self.ended(summary);
        }
    }
}
