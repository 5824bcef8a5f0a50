//! One way for every request to a bucket: signed, timed, repeated where that saves the work done so far, and judged.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use opendal::{Buffer, HttpBody, HttpTransport};
use rivet_plugin_api::{Error, Result, WriteRequest};
use tokio::time::{sleep, timeout, timeout_at};

use super::failure::{Failure, Refusal};
use super::sign::Sign;
use crate::net;

mod body;

use body::{IDLE, Metered, Progress};

/// For a name to be resolved, a connection and its encryption.
const CONNECT: Duration = Duration::from_secs(10);

/// For the body of an answer, which is small.
const ANSWER: Duration = Duration::from_mins(1);

/// The longest pause before a request is repeated. Who asks for more gets it from the host, which repeats the attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// How often a request that found no answer is repeated: another connection may find one, and each takes half a minute.
const SILENCES: u32 = 1;

/// How often a single request may be repeated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retry {
    retries: u32,
    backoff: Duration,
}

impl Retry {
    /// Not at all, for requests at the beginning of an attempt: the host repeats that without a loss.
    pub(crate) const NONE: Self = Self { retries: 0, backoff: Duration::ZERO };

    /// For requests that belong to no attempt.
    pub(crate) const FEW: Self = Self { retries: 2, backoff: Duration::from_millis(500) };

    /// As the host allows.
    pub(crate) fn of(request: &WriteRequest) -> Self {
        Self { retries: request.request_retries, backoff: Duration::from_millis(request.request_backoff_ms) }
    }

    /// The pause before retry number `used`, counted from 0; `None` when there is none.
    fn pause(self, used: u32, failure: &Failure) -> Option<Duration> {
        if used >= self.retries || !failure.is_passing {
            return None;
        }
        let doubled = self.backoff.saturating_mul(1_u32.checked_shl(used).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
        let asked = failure.error.retry_after_hint().unwrap_or_default();
        (asked <= LONGEST_PAUSE).then(|| doubled.max(asked))
    }
}

/// A request that is not signed yet.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer with all of its body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// How a request ended, with all of its repetitions.
pub(crate) struct Sent {
    pub(crate) outcome: std::result::Result<Answer, Failure>,
    /// Whether a try without an answer, or with a server's own failure, may have had its effect.
    pub(crate) in_doubt: bool,
}

impl Sent {
    /// Of a request that did not leave.
    pub(crate) fn never(error: Error) -> Self {
        Self { outcome: Err(Failure::silent(error, false)), in_doubt: false }
    }

    pub(crate) fn into_result(self) -> Result<Answer> {
        self.outcome.map_err(|failure| failure.error)
    }
}

/// The way to a bucket. Clones share connections and credentials.
#[derive(Clone)]
pub(crate) struct Wire {
    shared: Arc<Shared>,
    retry: Retry,
    /// What opendal was refused last; it keeps less of it.
    refused: Arc<Mutex<Option<Error>>>,
}

struct Shared {
    client: reqwest::Client,
    signer: Option<Arc<dyn Sign>>,
    /// For messages.
    server: String,
}

impl Wire {
    pub(crate) fn new(url: &str, signer: Option<Arc<dyn Sign>>, ca_file: Option<PathBuf>) -> Result<Self> {
        let uri: Uri = url.parse().map_err(|e| Error::config(format!("`endpoint` is not a URL: {e}")))?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Error::config("`endpoint` is not a URL").hint("write it like `https://storage.example.com`"));
        };
        let client = client(ca_file, uri.scheme_str() == Some("https"))?;
        let shared = Shared { client, signer, server: authority.to_string() };
        Ok(Self { shared: Arc::new(shared), retry: Retry::NONE, refused: Arc::default() })
    }

    /// The same way, with other repetitions.
    pub(crate) fn repeating(&self, retry: Retry) -> Self {
        Self { shared: Arc::clone(&self.shared), retry, refused: Arc::default() }
    }

    /// Sends a request until it succeeds or no repetition can help.
    pub(crate) async fn send(&self, request: &Request) -> Sent {
        let (mut used, mut in_doubt, mut reloaded, mut silences) = (0, false, false, 0);
        loop {
            let failure = match self.send_once(request).await {
                Ok(answer) => return Sent { outcome: Ok(answer), in_doubt },
                Err(failure) => failure,
            };
            in_doubt |= failure.is_doubtful;
            silences += u32::from(failure.is_silence());
            match &self.shared.signer {
                Some(signer) if failure.is_stale && !reloaded => {
                    tracing::info!("loading the credentials again: {}", failure.error);
                    signer.reload();
                    reloaded = true;
                }
                _ => {
                    let pause = self.retry.pause(used, &failure).filter(|_| silences <= SILENCES);
                    let Some(pause) = pause else {
                        return Sent { outcome: Err(failure), in_doubt };
                    };
                    used += 1;
                    let (most, ms) = (self.retry.retries, pause.as_millis());
                    tracing::info!("request retry {used}/{most} in {ms}ms ({})", failure.error);
                    sleep(pause).await;
                }
            }
        }
    }

    async fn send_once(&self, request: &Request) -> std::result::Result<Answer, Failure> {
        let silent = |error: Error| Failure::silent(error, false);
        let mut head = http::Request::new(());
        *head.method_mut() = request.method.clone();
        *head.headers_mut() = request.headers.clone();
        *head.uri_mut() = request.url.parse().map_err(|e| silent(Error::internal(format!("request URL: {e}"))))?;
        let mut head = head.into_parts().0;
        if let Some(signer) = &self.shared.signer {
            signer.sign(&mut head).await.map_err(silent)?;
        }
        let url = reqwest::Url::parse(&head.uri.to_string());
        let url = url.map_err(|e| silent(Error::internal(format!("request URL: {e}"))))?;
        let mut ready = reqwest::Request::new(head.method, url);
        *ready.headers_mut() = head.headers;
        let progress = Progress::new();
        // A body of a known length, also of none.
        *ready.body_mut() = Some(if request.body.is_empty() {
            reqwest::Body::from(Bytes::new())
        } else {
            reqwest::Body::wrap(Metered::new(request.body.clone(), progress.clone()))
        });
        let answer = self.answer(ready, &progress).await?;
        // A store begins its answer before it knows how a completion ends, so that success may hold a refusal.
        let is_refused = request.method == Method::POST && !Refusal::of(&answer.body).code.is_empty();
        if answer.status.is_success() && !is_refused { Ok(answer) } else { Err(Failure::refused(answer)) }
    }

    /// Waits for the answer as long as there is progress.
    async fn answer(&self, request: reqwest::Request, progress: &Progress) -> std::result::Result<Answer, Failure> {
        let length = request.body().and_then(|body| http_body::Body::size_hint(body).exact()).unwrap_or(0);
        let mut answer = self.shared.client.execute(request).boxed();
        let answer = loop {
            let patience = progress.patience(length);
            match timeout_at(patience, &mut answer).await {
                Ok(answer) => break answer.map_err(|e| self.broken(&e))?,
                Err(_) if progress.patience(length) > patience => {}
                Err(_) => return Err(self.silence()),
            }
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = timeout(ANSWER, answer.bytes()).await.map_err(|_| self.silence())?;
        Ok(Answer { status, headers, body: body.map_err(|e| self.broken(&e))? })
    }

    fn silence(&self) -> Failure {
        Failure::silent(Error::timeout(format!("server \"{}\" does not answer", self.shared.server)), true)
    }

    fn broken(&self, error: &reqwest::Error) -> Failure {
        let server = &self.shared.server;
        if let Some(e) = source_of::<rustls::Error>(error) {
            return Failure::silent(distrust(e, server), false);
        }
        if error.is_connect() {
            let text = if error.is_timeout() { "no answer in time".to_owned() } else { reason(error) };
            let error = Error::network(format!("could not connect to server \"{server}\": {text}"));
            return Failure::silent(error.hint("check `endpoint`, and that this machine can reach it"), false);
        }
        let text = format!("the connection to server \"{server}\" broke: {}", reason(error));
        Failure::silent(Error::network(text), true)
    }

    /// What stands behind an error of opendal's: the refusal as it came over the wire, where there was one.
    pub(crate) fn explain(&self, error: opendal::Error) -> Error {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.unwrap_or_else(|| match error.kind() {
            opendal::ErrorKind::ConfigInvalid => Error::config(error.to_string()),
            _ => Error::permanent(error.to_string()),
        })
    }
}

impl HttpTransport for Wire {
    async fn fetch(&self, request: http::Request<Buffer>) -> opendal::Result<http::Response<HttpBody>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        let mut headers = head.headers;
        // The client counts for itself.
        headers.remove(http::header::CONTENT_LENGTH);
        let sent = self.send(&Request { method: head.method, url, headers, body: body.to_bytes() }).await;
        let answer = match sent.outcome {
            Ok(answer) => answer,
            Err(failure) => {
                let text = failure.error.to_string();
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.error);
                match failure.answer {
                    Some(answer) => answer,
                    None => return Err(opendal::Error::new(opendal::ErrorKind::Unexpected, text)),
                }
            }
        };
        let length = answer.headers.get(http::header::CONTENT_LENGTH).cloned();
        let size = answer.body.len() as u64;
        let body = HttpBody::new(stream::iter([Ok(Buffer::from(answer.body))]), Some(size));
        let mut response = http::Response::new(body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        // The length that a HEAD tells is the object's.
        response.headers_mut().insert(http::header::CONTENT_LENGTH, length.unwrap_or(HeaderValue::from(size)));
        response.extensions_mut().insert(head.uri);
        Ok(response)
    }
}

/// A client that follows no redirection, for which a request would have to be signed again. Without `encrypts`, it has no
/// certificates to check with.
fn client(ca_file: Option<PathBuf>, encrypts: bool) -> Result<reqwest::Client> {
    build(builder(ca_file, encrypts)?)
}

pub(super) fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|e| Error::internal(format!("HTTP client: {}", reason(&e))))
}

/// What all clients have in common.
pub(super) fn builder(ca_file: Option<PathBuf>, encrypts: bool) -> Result<reqwest::ClientBuilder> {
    let tls = if encrypts { net::trusting(ca_file)? } else { net::trusting_nobody()? };
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT)
        // Not so long that stores close it just when it is used again.
        .pool_idle_timeout(Duration::from_secs(15))
        .tcp_keepalive(IDLE)
        .tcp_keepalive_interval(Duration::from_secs(10))
        .tcp_keepalive_retries(3)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("rivet/", env!("CARGO_PKG_VERSION")));
    // Sent bytes that nobody confirms: the peer is gone, however slow the link.
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(IDLE);
    Ok(builder)
}

fn distrust(error: &rustls::Error, server: &str) -> Error {
    use rustls::CertificateError::{NotValidForName, NotValidForNameContext, UnknownIssuer};
    use rustls::Error::InvalidCertificate;
    let hint = match error {
        InvalidCertificate(UnknownIssuer) => "give the authority's certificate as `ca_file`",
        InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "write the name that the certificate is for in `endpoint`"
        }
        _ => "check `endpoint`",
    };
    Error::auth(format!("could not negotiate TLS with server \"{server}\": {error}")).hint(hint)
}

/// The innermost reason, which is the system's, without capital and number.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn StdError = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<std::io::Error>() {
        Some(e) => net::plain(e),
        // Without its text, which would name the URL.
        None if innermost.is::<reqwest::Error>() => "the exchange failed".to_owned(),
        None => innermost.to_string(),
    }
}

/// The first error of type `E` behind `error`.
fn source_of<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // As its source, an I/O error tells that of the error it wraps.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = wrapped.map(|e| e as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}
