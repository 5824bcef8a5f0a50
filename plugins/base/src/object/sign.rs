//! Signing, by reqsign: each request just before it is sent, so that a repeated one is signed anew and opendal's requests
//! and ours have the same credentials.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use reqsign_core::{Context, ErrorKind, HttpSend, OsEnv, ProvideCredentialDyn, SignRequest, Signer, SigningCredential};
use reqsign_file_read_tokio::TokioFileRead;
use rivet_plugin_api::{Category, Error, Result};

use super::wire;

/// Signs requests to a store.
pub trait Sign: Send + Sync {
    /// Adds what proves who sends the request.
    fn sign<'a>(&'a self, head: &'a mut Parts) -> BoxFuture<'a, Result<()>>;

    /// Has the next request load the credentials again: the store calls these expired.
    fn reload(&self);
}

/// Credentials that reqsign loads, keeps as long as they are valid, and signs with.
pub struct Credentials<K: SigningCredential> {
    provider: Arc<dyn ProvideCredentialDyn<Credential = K>>,
    signer: Mutex<Signer<K>>,
    hint: &'static str,
}

impl<K: SigningCredential> Credentials<K> {
    /// Credentials from `provider`. `hint` says what a user does who has none.
    pub fn new(
        provider: Arc<dyn ProvideCredentialDyn<Credential = K>>,
        signer: impl SignRequest<Credential = K>,
        hint: &'static str,
    ) -> Self {
        let context = Context::new().with_file_read(TokioFileRead).with_http_send(Http).with_env(OsEnv);
        let signer = Mutex::new(Signer::new(context, Arc::clone(&provider), signer));
        Self { provider, signer, hint }
    }
}

impl<K: SigningCredential> Sign for Credentials<K> {
    fn sign<'a>(&'a self, head: &'a mut Parts) -> BoxFuture<'a, Result<()>> {
        let signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let signed = signer.sign(head, None).await.map_err(|e| {
                let category = if e.is_retryable() { Category::Network } else { Category::Auth };
                tracing::debug!("credentials: {e:?}");
                // What cannot be signed, or is not believed, for another reason than the credentials themselves.
                let hint =
                    if e.kind() == ErrorKind::RequestInvalid { "set the clock of this machine" } else { self.hint };
                Error::new(category, format!("loading credentials: {e}")).hint(hint)
            });
            // Signed, and then left to the client to send, which may speak another version of HTTP.
            head.headers.remove(http::header::HOST);
            signed
        })
    }

    fn reload(&self) {
        let mut signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        *signer = signer.clone().with_credential_provider(Arc::clone(&self.provider));
    }
}

/// What asks token and metadata services. They answer at once or are not there.
#[derive(Clone, Copy)]
struct Http;

/// For a whole answer.
const ANSWER: Duration = Duration::from_secs(10);

/// For services that are part of the machine or its cloud; elsewhere the address leads nowhere.
const NEARBY: Duration = Duration::from_secs(2);

/// For services elsewhere, and for those nearby, to which no proxy leads.
static CLIENTS: LazyLock<Result<[reqwest::Client; 2]>> = LazyLock::new(|| {
    Ok([wire::build(wire::builder(None, true)?)?, wire::build(wire::builder(None, false)?.no_proxy())?])
});

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl HttpSend for Http {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign_core::Result<http::Response<Bytes>> {
        let unexpected = |text: String| reqsign_core::Error::unexpected(text).set_retryable(true);
        let [far, near] = CLIENTS.as_ref().map_err(|e| reqsign_core::Error::config_invalid(e.to_string()))?;
        let host = request.uri().host().unwrap_or_default();
        let is_near = host.starts_with("169.254.") || host == "metadata.google.internal";
        let (client, limit) = if is_near { (near, NEARBY) } else { (far, ANSWER) };
        let sent = async {
            let request = request.try_into().map_err(reqwest::Error::without_url)?;
            let answer = client.execute(request).await.map_err(reqwest::Error::without_url)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut response = http::Response::new(answer.bytes().await.map_err(reqwest::Error::without_url)?);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok::<_, reqwest::Error>(response)
        };
        match tokio::time::timeout(limit, sent).await {
            Ok(outcome) => outcome.map_err(|e| unexpected(wire::reason(&e))),
            Err(_) => Err(unexpected(format!("no answer in {} s", limit.as_secs()))),
        }
    }
}
