//! What an author tells the kit about a connector: options that work and data whose content is known.

use rivet_plugin_api::TimeEncoding;
use serde_json::Value;

/// Where a destination's files are looked at from outside.
type List = Box<dyn Fn() -> Vec<String> + Send + Sync>;
type Fetch = Box<dyn Fn(&str) -> std::io::Result<Vec<u8>> + Send + Sync>;

/// A source with data that does not change while the trials run.
#[derive(Clone, Debug, Default)]
pub struct SourceTarget {
    /// Options that open it.
    pub options: Value,
    /// A query with at least 20 rows of some variety; a thousand show batch limits at work.
    pub query: String,
    /// How many rows it has.
    pub rows: u64,
    /// A column of it without NULL or repeated values: an integer, text, date or timestamp.
    pub key: String,
    /// A column of it with some NULLs, for windows and ranges that include them.
    pub nullable_key: Option<String>,
    /// A query with columns but no rows.
    pub empty: Option<String>,
    /// Queries that run until they are stopped; best one that yields rows and one that yields none.
    pub endless: Vec<String>,
    /// A query with a syntax error. When it is given, the trials of SQL run: comments, semicolons, two statements.
    pub wrong: Option<String>,
    /// Statements that a read must refuse, such as `delete from events`; the query's rows show that nothing changed.
    pub forbidden: Vec<String>,
    /// A query of one row with the value of parameter `value` in its column `v`, such as `select :value as v`; needed
    /// when the capability is announced.
    pub echo: Option<String>,
    /// A table that the user may read, by schema and name; needed when the capability is announced.
    pub table: Option<(Option<String>, String)>,
    /// A time filter of known result; needed when the capability is announced.
    pub since: Option<SinceTarget>,
    /// Why the trials that open the source cannot run here. With the variable `CI` set they fail instead.
    pub skip: Option<String>,
}

/// A time filter of known result.
#[derive(Clone, Debug)]
pub struct SinceTarget {
    /// The time column of [`SourceTarget::query`].
    pub column: String,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub instant: i64,
    /// How the column encodes time.
    pub encoding: TimeEncoding,
    /// How many rows are at or after the instant.
    pub rows: u64,
}

/// A destination that the trials may fill and empty.
pub struct DestinationTarget {
    /// Options that open it.
    pub options: Value,
    /// The names of all objects there, temporary ones too, in any order.
    pub list: List,
    /// The content of one object.
    pub fetch: Fetch,
    /// As in [`SourceTarget::skip`].
    pub skip: Option<String>,
}

impl Default for DestinationTarget {
    /// One without objects, where nothing can be fetched.
    fn default() -> Self {
        let fetch = |_: &str| Err(std::io::ErrorKind::Unsupported.into());
        Self { options: Value::Null, list: Box::new(Vec::new), fetch: Box::new(fetch), skip: None }
    }
}

/// What [`library`](crate::library) judges the halves of a library with.
#[derive(Default)]
pub struct Targets {
    /// Of its source.
    pub source: Option<SourceTarget>,
    /// Of its destination.
    pub destination: Option<DestinationTarget>,
}

impl SourceTarget {
    /// A target that needs a server, whose address is in an environment variable.
    pub fn from_env(variable: &str, make: impl FnOnce(String) -> Self) -> Self {
        match std::env::var(variable) {
            Ok(address) if !address.is_empty() => make(address),
            _ => Self { skip: Some(format!("{variable} is not set")), ..Self::default() },
        }
    }
}

/// What the suite needs to know of either kind.
pub(crate) trait Target: Send + Sync + 'static {
    fn skip(&self) -> Option<&str>;
}

impl Target for SourceTarget {
    fn skip(&self) -> Option<&str> {
        self.skip.as_deref()
    }
}

impl Target for DestinationTarget {
    fn skip(&self) -> Option<&str> {
        self.skip.as_deref()
    }
}
