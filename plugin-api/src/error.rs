//! The one error type of every connector. It crosses the ABI, so a host and a plug-in built years apart agree on it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What went wrong, by what the user or the host does next.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Category {
    /// The connection could not be made or broke. The host retries on a new connection.
    Network,
    /// A statement, lock or client time limit was reached. The host retries the same window.
    Timeout,
    /// The server is full, starting or shutting down. The host waits longer, then retries.
    Capacity,
    /// Deadlock or serialization failure. The host retries at once.
    Deadlock,
    /// Credentials are missing, expired or refused, or a right is missing. The user fixes them; never retried.
    Auth,
    /// The bucket, path, database or object does not exist. The user names another or creates it; never retried.
    NotFound,
    /// The name is taken by another file or run. The host picks another name.
    Conflict,
    /// An option of the connector is wrong. The user corrects the configuration; never retried.
    Config,
    /// A value cannot be represented without loss. The user overrides the mapping; never retried.
    Data,
    /// This connector does not offer the call. The user picks another mode or connector; never retried.
    Unsupported,
    /// Anything else that repeating cannot cure, such as a syntax error in the query; never retried.
    Permanent,
    /// The host asked to stop; never retried.
    Cancelled,
    /// A defect in a connector or in the host: a panic or a broken promise of the contract. Report it; never retried.
    Internal,
}

impl Category {
    /// Every category, for documentation and tests.
    pub const ALL: [Self; 13] = [
        Self::Network,
        Self::Timeout,
        Self::Capacity,
        Self::Deadlock,
        Self::Auth,
        Self::NotFound,
        Self::Conflict,
        Self::Config,
        Self::Data,
        Self::Unsupported,
        Self::Permanent,
        Self::Cancelled,
        Self::Internal,
    ];

    /// Whether a later attempt may succeed without anyone changing anything.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Network | Self::Timeout | Self::Capacity | Self::Deadlock)
    }

    /// The stable name used in logs, JSON and documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Capacity => "capacity",
            Self::Deadlock => "deadlock",
            Self::Auth => "auth",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Config => "config",
            Self::Data => "data",
            Self::Unsupported => "unsupported",
            Self::Permanent => "permanent",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error with all that the user needs to act: what, where, and what to do next.
///
/// Messages are lower case, without a full stop, with values in double quotes, and never hold a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Inner {
    #[serde(deserialize_with = "known_category")]
    category: Category,
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    context: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// A category of a newer version of the contract counts as permanent, and the rest of the error is kept.
fn known_category<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Category, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(Category::ALL.into_iter().find(|category| category.as_str() == name).unwrap_or(Category::Permanent))
}

/// The result of every call of a connector.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The [`code`](Error::code) of a file that was read back and does not hold what was written.
    pub const VALIDATION: &'static str = "validation";

    /// The [`code`](Error::code) of a read whose [snapshot](crate::ReadRequest::snapshot) is gone: repeating it is of no
    /// use, everything has to be read again in a new one.
    pub const SNAPSHOT: &'static str = "snapshot";

    /// The [`code`](Error::code) of a call in which the process of an isolated plug-in ended. Only the host makes it.
    pub const CRASHED: &'static str = "crashed";

    /// An error of `category` with a message for people.
    pub fn new(category: Category, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            category,
            message: message.into(),
            context: Vec::new(),
            hint: None,
            code: None,
            retry_after_ms: None,
        }))
    }

    /// [`Category::Network`].
    pub fn network(message: impl Into<String>) -> Self {
        Self::new(Category::Network, message)
    }

    /// [`Category::Timeout`].
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(Category::Timeout, message)
    }

    /// [`Category::Auth`].
    pub fn auth(message: impl Into<String>) -> Self {
        Self::new(Category::Auth, message)
    }

    /// [`Category::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Category::NotFound, message)
    }

    /// [`Category::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Category::Conflict, message)
    }

    /// [`Category::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Category::Config, message)
    }

    /// [`Category::Data`].
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Category::Data, message)
    }

    /// [`Category::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Category::Unsupported, message)
    }

    /// [`Category::Permanent`].
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(Category::Permanent, message)
    }

    /// [`Category::Cancelled`].
    pub fn cancelled() -> Self {
        Self::new(Category::Cancelled, "stopped on request")
    }

    /// [`Category::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Category::Internal, message)
    }

    /// Says what was being done, outermost last: `err.context("could not read \"orders\"")`.
    #[must_use]
    pub fn context(mut self, doing: impl Into<String>) -> Self {
        self.0.context.push(doing.into());
        self
    }

    /// Says what the user can do next. The innermost hint stays, being the most specific.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The code of the system that failed: an SQLSTATE, a server error number, an HTTP status or an errno name.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// The pause the failed system asked for, or that its kind of failure needs, before a retry.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.0.retry_after_ms = Some(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// See [`Category`].
    pub fn category(&self) -> Category {
        self.0.category
    }

    /// The message alone, without context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What was being done, innermost first.
    pub fn contexts(&self) -> &[String] {
        &self.0.context
    }

    /// What the user can do next.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// See [`Error::code`].
    pub fn code_text(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// See [`Error::retry_after`].
    pub fn retry_after_hint(&self) -> Option<Duration> {
        self.0.retry_after_ms.map(Duration::from_millis)
    }

    /// The same error with every text passed through `f`, for a host that removes secrets.
    #[must_use]
    pub fn map_text(mut self, f: impl Fn(&str) -> String) -> Self {
        self.0.message = f(&self.0.message);
        self.0.hint = self.0.hint.as_deref().map(&f);
        self.0.context.iter_mut().for_each(|c| *c = f(c));
        self
    }
}

/// One line, outermost first: `could not read "orders": relation "ordres" does not exist (42P01)`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for doing in self.0.context.iter().rev() {
            write!(f, "{doing}: ")?;
        }
        f.write_str(&self.0.message)?;
        match &self.0.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let category = match e.kind() {
            K::ConnectionRefused
            | K::ConnectionReset
            | K::ConnectionAborted
            | K::NotConnected
            | K::BrokenPipe
            | K::HostUnreachable
            | K::NetworkUnreachable
            | K::UnexpectedEof => Category::Network,
            K::TimedOut => Category::Timeout,
            K::PermissionDenied | K::ReadOnlyFilesystem => Category::Auth,
            K::NotFound => Category::NotFound,
            _ => Category::Permanent,
        };
        Self::new(category, e.to_string())
    }
}

impl From<arrow_schema::ArrowError> for Error {
    fn from(e: arrow_schema::ArrowError) -> Self {
        Self::internal(format!("arrow: {e}"))
    }
}

/// Adds context to the error of a `Result`.
pub trait ResultExt<T> {
    /// See [`Error::context`]; the text is made only on failure.
    fn context(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for std::result::Result<T, E> {
    fn context(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| e.into().context(doing()))
    }
}
