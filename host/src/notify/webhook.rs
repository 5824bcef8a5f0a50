//! Sends a message to a webhook, whose whole address is a secret: no error names even the host.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rivet_plugin_api::{Cancel, SecretString};
use rustls::crypto::ring;
use serde_json::Value;
use ureq::http::{StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Error};

use super::proxy;
use crate::clock::{self, Stopwatch};
use crate::{distribution, environment, secret, signal};

/// How long a message may take in all, from the look-up of the host to the answer.
const LIMIT: Duration = Duration::from_secs(5);
/// The same in a run that was asked to stop and has to end soon.
const LIMIT_WHEN_STOPPED: Duration = Duration::from_secs(2);
/// The pause before the second attempt: Slack takes one message a second.
const PAUSE: Duration = Duration::from_secs(1);

/// Where messages go.
#[derive(Clone)]
pub(super) struct Webhook(SecretString);

/// Why an attempt failed, and whether another one may do better.
struct Failure {
    reason: String,
    is_transient: bool,
}

impl Webhook {
    /// A webhook whose address is shown nowhere from now on, neither whole nor without its host.
    pub(super) fn new(url: &SecretString) -> Self {
        let path = url.expose().parse::<Uri>().ok().and_then(|uri| Some(uri.path_and_query()?.to_string()));
        secret::add(&[url.expose().to_owned(), path.unwrap_or_default()]);
        Self(url.clone())
    }

    /// Sends a message, with a second attempt when that may help and there is time. The error is a reason in words.
    pub(super) fn post(&self, message: &Value) -> Result<(), String> {
        let limit = if signal::received().is_some() { LIMIT_WHEN_STOPPED } else { LIMIT };
        let watch = Stopwatch::start();
        let body = message.to_string();
        let agent = agent(self.0.expose())?;
        let first = match self.attempt(&agent, &body, limit) {
            Err(failure) if failure.is_transient && watch.elapsed() + PAUSE < limit => failure,
            last => return last.map_err(|failure| failure.reason),
        };
        tracing::debug!("the Slack webhook is tried again: {}", first.reason);
        clock::sleep(PAUSE, &Cancel::new());
        let left = limit.saturating_sub(watch.elapsed());
        self.attempt(&agent, &body, left).map_err(|failure| failure.reason)
    }

    fn attempt(&self, agent: &Agent, body: &str, limit: Duration) -> Result<(), Failure> {
        let request = agent.post(self.0.expose()).config().timeout_global(Some(limit)).build();
        match request.content_type("application/json").send(body) {
            // The answer's text says nothing that its status does not; it is not read.
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => {
                let status = answer.status();
                let is_transient = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                Err(Failure { reason: format!("the Slack webhook answered {status}"), is_transient })
            }
            Err(e) => Err(failure(&e)),
        }
    }
}

/// A client for one message: it keeps no connection, and follows no redirect, since another host is not to be trusted.
fn agent(url: &str) -> Result<Agent, String> {
    let uri: Uri = url.parse().map_err(|_| "the address of the Slack webhook is no URL")?;
    let config = Agent::config_builder()
        .tls_config(tls(&uri))
        .proxy(proxy::of(&uri, environment)?)
        .max_redirects(0)
        .max_idle_connections(0)
        .http_status_as_error(false)
        .user_agent(distribution::user_agent());
    Ok(config.build().new_agent())
}

/// TLS as connectors have it: the provider is given, and the system says whom to trust.
fn tls(uri: &Uri) -> TlsConfig {
    let mut roots = Vec::new();
    if uri.scheme_str() == Some("https") {
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::debug!("could not read some of the system's certificates: {error}");
        }
        roots.extend(native.certs.iter().map(|der| Certificate::from_der(der).to_owned()));
    }
    let tls = TlsConfig::builder().root_certs(RootCerts::from(roots));
    tls.unversioned_rustls_crypto_provider(Arc::new(ring::default_provider())).build()
}

fn failure(error: &Error) -> Failure {
    let (reason, is_transient) = match error {
        Error::Timeout(_) => ("the Slack webhook did not answer in time".to_owned(), false),
        Error::HostNotFound => ("the host of the Slack webhook is not known".to_owned(), true),
        Error::Io(e) => match tls_error(e) {
            Some(e) => (tls_reason(e), false),
            None => (format!("the Slack webhook cannot be reached: {e}"), true),
        },
        Error::Rustls(e) => (tls_reason(e), false),
        Error::ConnectProxyFailed(_) => ("the proxy does not lead to the Slack webhook".to_owned(), true),
        Error::ConnectionFailed => ("the Slack webhook cannot be reached".to_owned(), true),
        _ => ("the Slack webhook did not answer as one does".to_owned(), false),
    };
    Failure { reason, is_transient }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|e| e.downcast_ref())
}

/// Not the library's words, which name the host.
fn tls_reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(_) => "the certificate of the Slack webhook is not trusted".to_owned(),
        _ => "the Slack webhook does not speak TLS as this program does".to_owned(),
    }
}
