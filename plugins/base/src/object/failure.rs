//! What an answer or its absence means, by status and by the store's code.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use rivet_plugin_api::{Category, Error, serde_json};
use serde::Deserialize;

use super::clock::drift;
use super::wire::Answer;

/// A request that did not succeed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// What to tell the host.
    pub(crate) error: Error,
    /// What the store answered, when it did.
    pub(crate) answer: Option<Answer>,
    /// Whether the same request may succeed in a moment.
    pub(crate) is_passing: bool,
    /// Whether the store may have done what was asked all the same.
    pub(crate) is_doubtful: bool,
    /// Whether other credentials may help.
    pub(crate) is_stale: bool,
}

/// The body of an answer that refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    /// What Google says more of a right that is missing.
    details: String,
    region: String,
    endpoint: String,
}

#[derive(Deserialize)]
struct GoogleRefusal {
    error: GoogleError,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GoogleError {
    message: String,
    errors: Vec<GoogleReason>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GoogleReason {
    reason: String,
}

/// A reason that says less than the words beside it is told as XML would have it.
impl From<GoogleError> for Refusal {
    fn from(error: GoogleError) -> Self {
        let GoogleError { message, errors } = error;
        let reason = errors.into_iter().next().unwrap_or_default().reason;
        let is_about = |what: &str| message.to_lowercase().contains(what);
        let code = match reason.as_str() {
            "notFound" if is_about("bucket") => "NoSuchBucket".to_owned(),
            "invalid" if is_about("hash") => "BadDigest".to_owned(),
            _ if is_cut_off(&message) => "IncompleteBody".to_owned(),
            _ => reason,
        };
        Self { code, message, ..Self::default() }
    }
}

/// Whether Google misses the end of a body. It went out with all of its marks, so some of it was lost on the way.
fn is_cut_off(message: &str) -> bool {
    ["Malformed multipart body", "Invalid multipart request"].iter().any(|words| message.starts_with(words))
}

impl Failure {
    /// No answer came. `is_sent` when the request may have reached the store.
    pub(crate) fn silent(error: Error, is_sent: bool) -> Self {
        Self { error, answer: None, is_passing: is_sent, is_doubtful: is_sent, is_stale: false }
    }

    /// The store answered something else than success, or success with a refusal inside.
    pub(crate) fn refused(answer: Answer) -> Self {
        let refusal = Refusal::of(&answer.body);
        let (status, code) = (answer.status, refusal.code.as_str());
        let meaning = Meaning::of(status, code);
        let region = refusal.right_region(&answer);
        let category = if region.is_some() { Category::Config } else { meaning.category };
        let mut error = Error::new(category, refusal.text(status));
        error = if code.is_empty() { error.code(status.as_u16().to_string()) } else { error.code(code) };
        if let Some(pause) = retry_after(&answer.headers) {
            error = error.retry_after(pause);
        }
        if let Some(region) = region {
            error = error.hint(format!("the bucket is in region \"{region}\": set `region: {region}`"));
        }
        let hint = match code {
            "RequestTimeTooSkewed" => {
                drift(&answer.headers).map(|drift| format!("set the clock of this machine: it is {drift} the store's"))
            }
            _ => refusal.right().map(|right| format!("grant {right} to these credentials")),
        };
        if let Some(hint) = hint {
            error = error.hint(hint);
        } else if !meaning.hint.is_empty() {
            error = error.hint(meaning.hint);
        }
        let is_doubtful = status.is_server_error() || status.is_success();
        let is_stale = status == StatusCode::UNAUTHORIZED
            || matches!(code, "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken");
        Self { error, is_passing: meaning.is_passing, is_doubtful, is_stale, answer: Some(answer) }
    }

    /// Whether the store took its time and said nothing.
    pub(crate) fn is_silence(&self) -> bool {
        self.answer.is_none() && self.error.category() == Category::Timeout
    }

    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.answer.as_ref().map(|answer| answer.status)
    }

    pub(crate) fn code(&self) -> &str {
        self.error.code_text().unwrap_or_default()
    }
}

impl Refusal {
    /// Reads XML, or JSON as Google writes it; nothing is known of a body that is something else.
    pub(crate) fn of(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).unwrap_or_default();
        if let Ok(GoogleRefusal { error }) = serde_json::from_str(text) {
            return error.into();
        }
        if is_cut_off(text) {
            return Self { code: "IncompleteBody".to_owned(), message: text.trim().to_owned(), ..Self::default() };
        }
        if !text.contains("<Error") {
            return Self::default();
        }
        quick_xml::de::from_str(text).unwrap_or_default()
    }

    /// The right that is missing, where the store names it: `storage.objects.create`, `s3:PutObject`.
    fn right(&self) -> Option<&str> {
        let is_right = |word: &&str| {
            let name = word.strip_prefix("storage.").or_else(|| word.strip_prefix("s3:"));
            name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || c == '.'))
        };
        let words = self.message.split_whitespace().chain(self.details.split_whitespace());
        words.map(|word| word.trim_matches(['\'', '"', '.', ','])).find(is_right)
    }

    /// The store's words in the house style. Other elements may quote the request, these do not.
    fn text(&self, status: StatusCode) -> String {
        let details = if self.code == "AccessDenied" { self.details.as_str() } else { "" };
        let whole = if details.is_empty() { &self.message } else { details };
        let words: String = whole.chars().filter(|c| !c.is_control()).take(300).collect();
        let words = words.trim().trim_end_matches('.');
        let mut letters = words.chars();
        match letters.next() {
            // Not an abbreviation.
            Some(first) if letters.as_str().starts_with(|c: char| c.is_lowercase() || c == ' ') => {
                format!("the store answered: {}{}", first.to_lowercase(), letters.as_str())
            }
            Some(_) => format!("the store answered: {words}"),
            None => match status.canonical_reason() {
                Some(reason) => format!("the store answered {} {}", status.as_u16(), reason.to_lowercase()),
                None => format!("the store answered {}", status.as_u16()),
            },
        }
    }

    /// Where the bucket is, when the store says that it is elsewhere.
    fn right_region(&self, answer: &Answer) -> Option<String> {
        let header = answer.headers.get("x-amz-bucket-region").and_then(|v| v.to_str().ok());
        let is_elsewhere = match self.code.as_str() {
            "AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect" => true,
            // An answer to HEAD has no body.
            "" => answer.status.is_redirection() || (answer.status == StatusCode::BAD_REQUEST && header.is_some()),
            _ => false,
        };
        if !is_elsewhere {
            return None;
        }
        let region = header.unwrap_or(&self.region);
        // As `bucket.s3-us-west-2.amazonaws.com` or `bucket.s3.us-west-2.amazonaws.com`.
        let host = || self.endpoint.strip_suffix(".amazonaws.com")?.rsplit_once("s3")?.1.get(1..);
        let is_name =
            |region: &&str| !region.is_empty() && region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        Some(region).filter(is_name).or_else(|| host().filter(is_name)).map(str::to_owned)
    }
}

/// What the user or the host does next.
struct Meaning {
    category: Category,
    is_passing: bool,
    hint: &'static str,
}

impl Meaning {
    fn of(status: StatusCode, code: &str) -> Self {
        let by_code = Self::of_code(code);
        by_code.unwrap_or_else(|| Self::of_status(status))
    }

    fn last(category: Category, hint: &'static str) -> Self {
        Self { category, is_passing: false, hint }
    }

    fn passing(category: Category) -> Self {
        Self { category, is_passing: true, hint: "" }
    }

    fn of_code(code: &str) -> Option<Self> {
        use Category::{Auth, Capacity, Config, Conflict, Network, NotFound, Permanent, Timeout, Unsupported};
        Some(match code {
            "AccessDenied"
            | "AllAccessDisabled"
            | "AccountProblem"
            | "NotSignedUp"
            | "forbidden"
            | "insufficientPermissions" => {
                Self::last(Auth, "give these credentials the rights that the connector's page names")
            }
            "InvalidAccessKeyId" => Self::last(Auth, "the store does not know this access key"),
            "SignatureDoesNotMatch" => Self::last(Auth, "the secret key does not belong to the access key"),
            "RequestTimeTooSkewed" => Self::last(Auth, "set the clock of this machine"),
            "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken" => {
                Self::last(Auth, "the session token has expired: get new credentials")
            }
            "NoSuchBucket" => Self::last(NotFound, "create the bucket, or correct `bucket`"),
            "InvalidBucketName" => Self::last(Config, "correct `bucket`"),
            "AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect" => {
                Self::last(Config, "correct `region` or `endpoint`")
            }
            "PreconditionFailed" | "ConditionalRequestConflict" => Self::last(Conflict, ""),
            "SlowDown"
            | "ServiceUnavailable"
            | "TooManyRequests"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "rateLimitExceeded"
            | "userRateLimitExceeded" => Self::passing(Capacity),
            "RequestTimeout" => Self::passing(Timeout),
            // Other bytes arrived than were sent, or not all of them.
            "BadDigest"
            | "IncompleteBody"
            | "MalformedXML"
            | "XAmzContentChecksumMismatch"
            | "XAmzContentSHA256Mismatch"
            | "InternalError"
            | "OperationAborted" => Self::passing(Network),
            // What was sent is gone: sending it all again helps, and repeating this request does not.
            "NoSuchUpload" | "InvalidPart" => Self::last(Network, ""),
            "NotImplemented" => Self::last(Unsupported, ""),
            "QuotaExceeded" | "InsufficientStorage" | "XMinioStorageFull" => {
                Self::last(Permanent, "free space in the store, or raise its quota")
            }
            _ => return None,
        })
    }

    fn of_status(status: StatusCode) -> Self {
        use Category::{Auth, Capacity, Config, Conflict, Network, NotFound, Permanent, Timeout, Unsupported};
        match status.as_u16() {
            300..=399 => Self::last(Config, "correct `region` or `endpoint`"),
            401 | 403 => Self::last(Auth, "check the credentials and their rights"),
            404 => Self::last(NotFound, ""),
            408 | 504 => Self::passing(Timeout),
            409 | 412 => Self::last(Conflict, ""),
            429 | 503 => Self::passing(Capacity),
            405 | 501 => Self::last(Unsupported, ""),
            507 => Self::last(Permanent, "free space in the store, or raise its quota"),
            500..=599 => Self::passing(Network),
            _ => Self::last(Permanent, ""),
        }
    }
}

/// The pause that the store asks for, in seconds; the other form, a date, is not used by stores.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
