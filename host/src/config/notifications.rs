//! `notifications`: whom to tell about a run, and when.

use std::net::IpAddr;

use rivet_plugin_api::SecretString;
use ureq::http::Uri;

use super::key::{Key, Takes, choices};
use super::section::Section;
use super::{Reader, home};
use crate::code::Code;

/// Whom to tell.
#[derive(Debug)]
pub struct Notifications {
    /// A Slack channel.
    pub slack: Option<Slack>,
}

/// A Slack channel, reached by an incoming webhook.
#[derive(Debug)]
pub struct Slack {
    /// The webhook's URL, a secret; `None` when it is not set or cannot be used, which a warning says.
    pub webhook: Option<SecretString>,
    /// What to tell; nothing when empty.
    pub on: Vec<Occasion>,
}

/// What happened to an export.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Occasion {
    /// It failed.
    Failure,
    /// Its columns changed.
    SchemaChange,
    /// It ended, but not as it should have.
    Degraded,
}

pub(super) const KEYS: &[Key] = &[Key::new("slack", Takes::Section(SLACK_KEYS), "A Slack channel.")];
pub(super) const SLACK_KEYS: &[Key] = &[
    Key::new("webhook_url", Takes::Text, "The URL of the incoming webhook. It is a secret: prefer `webhook_url_env`."),
    Key::new("webhook_url_env", Takes::Text, "The environment variable that holds the URL of the incoming webhook."),
    Key::new("on", Takes::Several(|| choices(OCCASIONS)), "What to tell."),
];

const OCCASIONS: [(&str, Occasion); 3] =
    [("failure", Occasion::Failure), ("schema_change", Occasion::SchemaChange), ("degraded", Occasion::Degraded)];

impl Reader<'_> {
    pub(super) fn notifications(&self, section: &Section<'_>) -> Notifications {
        section.only(KEYS, &[], home);
        let Some(slack) = section.section("slack", "`notifications.slack`") else {
            return Notifications { slack: None };
        };
        slack.only(SLACK_KEYS, &[], home);
        let on = slack.list("on", |node| slack.choice_of("on", node, &OCCASIONS)).unwrap_or_default();
        Notifications { slack: Some(Slack { webhook: self.webhook(&slack), on }) }
    }

    fn webhook(&self, slack: &Section<'_>) -> Option<SecretString> {
        if slack.has("webhook_url") {
            if slack.has("webhook_url_env") {
                let message = "`webhook_url_env` is ignored: `webhook_url` is set too";
                slack.problems.warn(slack.place("webhook_url_env"), message);
            }
            return usable(slack, "webhook_url", slack.text("webhook_url")?);
        }
        if !slack.has("webhook_url_env") {
            let message = "`notifications.slack` has no webhook";
            slack.problem_as(
                Code::MissingKey,
                slack.at,
                message,
                "set `webhook_url_env` to the variable that holds its URL",
            );
            return None;
        }
        let variable = slack.text("webhook_url_env")?;
        let url = (self.variables.env)(variable).filter(|url| !url.is_empty());
        if url.is_none() {
            // A missing channel must not keep data from being exported.
            let message = format!("environment variable \"{variable}\" is not set: Slack is not notified");
            slack.problems.warn(slack.place("webhook_url_env"), message);
        }
        usable(slack, "webhook_url_env", &url?)
    }
}

/// A webhook that messages may be sent to: its address is a secret, so it does not leave this machine in clear.
fn usable(slack: &Section<'_>, key: &str, url: &str) -> Option<SecretString> {
    // Secrets that come from files end in a line feed.
    let url = url.trim();
    let is_loopback = |host: &str| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    let is_usable = url.parse::<Uri>().is_ok_and(|uri| match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(host)) => !host.is_empty(),
        (Some("http"), Some(host)) => is_loopback(host),
        _ => false,
    });
    if !is_usable {
        let message = format!("`{key}` does not give an https:// URL: Slack is not notified");
        slack.problems.warn(slack.place(key), message);
    }
    is_usable.then(|| SecretString::new(url))
}
