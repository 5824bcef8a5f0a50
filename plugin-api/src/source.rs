//! The source half of the contract: the traits an author implements and the messages they exchange with the host.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{Field, SchemaRef};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Context, CursorValue, Error, Locations, Params, Result, SourceCapabilities, Tables, TablesRequest};

/// Reads rows out of a system as Arrow batches. One value is one connection, used by one thread at a time.
pub trait Source: Sized + Send + 'static {
    /// What users may write under `source:`. Doc comments become the reference; use
    /// [`SecretString`](crate::SecretString) for secrets and `#[serde(deny_unknown_fields)]` against typing errors.
    type Options: DeserializeOwned + JsonSchema;

    /// What the host may ask for beyond `describe` and an unfiltered `read`.
    const CAPABILITIES: SourceCapabilities;

    /// How reports name the connector, where its name with a capital letter is not right.
    const TITLE: &'static str = "";
    /// Which URLs are its own.
    const LOCATIONS: Locations = Locations::NONE;

    /// Checks the options and connects.
    fn open(options: Self::Options, context: &Context) -> Result<Self>;

    /// Says who answers at the other end, and what a careful operator should know.
    fn probe(&mut self, context: &Context) -> Result<Probe>;

    /// The columns of a query, without reading its rows.
    fn describe(&mut self, request: &DescribeRequest, context: &Context) -> Result<Description>;

    /// Starts reading. The reader may outlive `self`; when it needs the connection it takes it.
    fn read(&mut self, request: &ReadRequest, context: &Context) -> Result<Box<dyn BatchReader>>;

    /// How the server would run `request`; with [`SourceCapabilities::explain`].
    fn explain(&mut self, _request: &ReadRequest, _context: &Context) -> Result<Explanation> {
        Err(not_offered("explain"))
    }

    /// The least and greatest value of a column; with [`SourceCapabilities::bounds`].
    fn bounds(&mut self, _request: &BoundsRequest, _context: &Context) -> Result<Bounds> {
        Err(not_offered("bounds"))
    }

    /// The exact number of rows that `request` would read; with [`SourceCapabilities::count`].
    fn count(&mut self, _request: &ReadRequest, _context: &Context) -> Result<u64> {
        Err(not_offered("count"))
    }

    /// A token for [`ReadRequest::snapshot`], valid while `self` lives; with [`SourceCapabilities::snapshot`].
    fn snapshot(&mut self, _context: &Context) -> Result<String> {
        Err(not_offered("snapshot"))
    }

    /// Cuts a query into parts that several readers can read at once; with [`SourceCapabilities::split`].
    fn split(&mut self, _request: &SplitRequest, _context: &Context) -> Result<Split> {
        Err(not_offered("split"))
    }

    /// What there is to export; with [`SourceCapabilities::tables`].
    fn tables(&mut self, _request: &TablesRequest, _context: &Context) -> Result<Tables> {
        Err(not_offered("tables"))
    }
}

fn not_offered(call: &str) -> Error {
    Error::unsupported(format!("this source does not offer \"{call}\""))
}

/// The rows of one read, batch by batch. After an error only `close` is called.
pub trait BatchReader: Send {
    /// The schema every batch has.
    fn schema(&self) -> SchemaRef;

    /// The next batch, or `None` when all rows were delivered. Never an empty batch.
    fn next(&mut self) -> Result<Option<RecordBatch>>;

    /// Ends the read, also in the middle: the server must not go on working for it.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A reader over an iterator, for sources that make their batches one by one and have nothing to close.
pub fn reader_of(
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>> + Send + 'static,
) -> Box<dyn BatchReader> {
    Box::new(IteratorReader { schema, batches })
}

struct IteratorReader<I> {
    schema: SchemaRef,
    batches: I,
}

impl<I: Iterator<Item = Result<RecordBatch>> + Send> BatchReader for IteratorReader<I> {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.batches.next().transpose()
    }
}

/// What `probe` found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// The product, such as `PostgreSQL`.
    pub server: String,
    /// Its version as it states it.
    pub version: String,
    /// The user the session runs as.
    pub user: Option<String>,
    /// The database or file.
    pub database: Option<String>,
    /// Whether the connection is encrypted; `None` where that has no meaning.
    pub encrypted: Option<bool>,
    /// Whether the server is on another machine; `None` where that has no meaning.
    pub remote: Option<bool>,
    /// Whether the server follows another one and takes no writes of its own; `None` when not known.
    pub replica: Option<bool>,
    /// What an operator should know, one sentence each.
    pub warnings: Vec<String>,
}

/// Replaces the default type mapping. Column entries win over type entries.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mapping {
    /// By native type name, such as `numeric`.
    pub types: BTreeMap<String, String>,
    /// By column name of the result.
    pub columns: BTreeMap<String, String>,
}

/// Asks for the columns of a query.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DescribeRequest {
    /// The user's query, as written.
    pub query: String,
    /// The values of the query, all of which it uses; with [`SourceCapabilities::params`].
    pub params: Params,
    /// Overrides of the type mapping.
    pub mapping: Mapping,
    /// Whether to find out as well, without running the query, that the session may read all it reads. A right that is
    /// missing is an error of [`Category::Auth`](crate::Category::Auth).
    pub rights: bool,
    /// Rather leave a type open, and say so in its rule, than look at many rows; with [`SourceCapabilities::frugal`].
    pub frugal: bool,
}

/// The key of a field's metadata that says whether the table's column behind a result column takes NULL: `true` or
/// `false`, as the table declares it. Absent where the source cannot know, as with an expression. The field itself may be
/// nullable nevertheless, since a join can add NULLs.
///
/// Like the rest of the schema it depends on the query alone, so that all parts of an export agree.
pub const NULLABLE: &str = "rivet.nullable";

/// What is known of a field by [`NULLABLE`]. One that is not nullable in Arrow needs no metadata to say so.
pub fn declared_nullable(field: &Field) -> Option<bool> {
    if !field.is_nullable() {
        return Some(false);
    }
    field.metadata().get(NULLABLE)?.parse().ok()
}

/// The columns of a query, in order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Description {
    /// One entry a column.
    pub columns: Vec<Column>,
}

impl Description {
    /// The description that follows from an Arrow schema alone.
    pub fn of(schema: &arrow_schema::Schema) -> Self {
        let column = |field: &arrow_schema::FieldRef| Column {
            name: field.name().clone(),
            native_type: field.data_type().to_string(),
            arrow_type: field.data_type().to_string(),
            nullable: declared_nullable(field).unwrap_or(true),
            rule: "as it is".to_owned(),
        };
        Self { columns: schema.fields().iter().map(column).collect() }
    }
}

/// One column of a query's result.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Column {
    /// Its name in the result and in the output.
    pub name: String,
    /// The type as the server names it, such as `numeric(12,2)`.
    pub native_type: String,
    /// The Arrow type, as arrow's `DataType` prints it; empty when the column cannot be read, or when a frugal request
    /// left it open.
    pub arrow_type: String,
    /// Whether the table's column takes NULL, as [`NULLABLE`] says; `true` when not known.
    pub nullable: bool,
    /// The mapping rule that applied, or why there is none.
    pub rule: String,
}

/// Which rows to read. Values are data: the connector renders its dialect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Filter {
    /// Every row of the query.
    #[default]
    All,
    /// Rows with `after < column <= upto`; an absent bound is open.
    Window {
        /// The cursor column.
        column: String,
        /// The exclusive lower bound.
        after: Option<CursorValue>,
        /// The inclusive upper bound.
        upto: Option<CursorValue>,
        /// Whether rows with a NULL cursor are wanted too.
        include_null: bool,
    },
    /// Rows with `from <= column < to`; an absent bound is open.
    Range {
        /// The chunk column.
        column: String,
        /// The inclusive lower bound.
        from: Option<CursorValue>,
        /// The exclusive upper bound.
        to: Option<CursorValue>,
        /// Whether rows with a NULL key are wanted too.
        include_null: bool,
    },
    /// Rows whose number in the order of `order_by`, from 0, is at least `from` and below `to`.
    Dense {
        /// The column that orders the rows.
        order_by: String,
        /// First row number, inclusive.
        from: u64,
        /// Last row number, exclusive.
        to: u64,
    },
    /// Rows at or after an instant.
    Since {
        /// The time column.
        column: String,
        /// Microseconds since 1970-01-01T00:00:00Z.
        instant: i64,
        /// How the column encodes time.
        encoding: TimeEncoding,
    },
    /// The rows of one part of a [`Split`]. Only the source that made it knows what it means.
    Part {
        /// What the source wrote.
        token: String,
    },
}

/// How a time column encodes time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeEncoding {
    /// A date, timestamp or instant of the database.
    #[default]
    Timestamp,
    /// A number of seconds since 1970-01-01T00:00:00Z.
    Unix,
}

/// How the rows should be fetched.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The connector decides.
    #[default]
    Auto,
    /// One long statement at full speed.
    Stream,
    /// Many short statements, which statement limits and throttling need.
    Cursor,
}

/// How large a batch should get; whichever limit is reached first ends it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchSize {
    /// Rows, at least 1.
    pub rows: usize,
    /// Bytes of Arrow buffers. A single larger row still makes a batch.
    pub bytes: usize,
}

impl Default for BatchSize {
    fn default() -> Self {
        Self { rows: 10_000, bytes: 16 << 20 }
    }
}

/// Limits that the connector sets on the server. Zero means none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timeouts {
    /// Seconds of server work for one statement; time in which the host sleeps must not count.
    pub statement_s: u64,
    /// Seconds to wait for a lock.
    pub lock_s: u64,
}

impl Timeouts {
    /// The statement limit, if any.
    pub fn statement(&self) -> Option<Duration> {
        (self.statement_s > 0).then(|| Duration::from_secs(self.statement_s))
    }

    /// The lock limit, if any.
    pub fn lock(&self) -> Option<Duration> {
        (self.lock_s > 0).then(|| Duration::from_secs(self.lock_s))
    }
}

/// What to read and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadRequest {
    /// The user's query, as written: it may end in `;` or a comment.
    pub query: String,
    /// The values of the query, all of which it uses; with [`SourceCapabilities::params`].
    pub params: Params,
    /// Which rows of it.
    pub filter: Filter,
    /// Columns to order by, ascending.
    pub order_by: Vec<String>,
    /// Columns to return; all when absent.
    pub columns: Option<Vec<String>>,
    /// Batch limits.
    pub batch: BatchSize,
    /// Server limits.
    pub timeouts: Timeouts,
    /// How to fetch.
    pub strategy: Strategy,
    /// A token of [`Source::snapshot`] to read in.
    pub snapshot: Option<String>,
    /// Overrides of the type mapping.
    pub mapping: Mapping,
    /// For [`Source::explain`]: as [`DescribeRequest::frugal`].
    pub frugal: bool,
}

/// Asks for the bounds of a column.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BoundsRequest {
    /// The user's query, as written.
    pub query: String,
    /// The values of the query, all of which it uses; with [`SourceCapabilities::params`].
    pub params: Params,
    /// The column.
    pub column: String,
    /// Only values above this one count: the next key after a gap.
    pub above: Option<CursorValue>,
    /// Whether [`Bounds::now`] is wanted.
    pub now: bool,
    /// A token of [`Source::snapshot`] to read in.
    pub snapshot: Option<String>,
    /// Server limits.
    pub timeouts: Timeouts,
    /// Overrides of the type mapping.
    pub mapping: Mapping,
    /// Rather answer [`Bounds::declined`] than look at more than about 100 000 rows, as without an index on a large table;
    /// with [`SourceCapabilities::frugal`].
    pub frugal: bool,
}

/// The bounds of a column.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Bounds {
    /// The least value; absent without rows.
    pub min: Option<CursorValue>,
    /// The greatest value; absent without rows.
    pub max: Option<CursorValue>,
    /// How many rows hold NULL, where that is cheap to know.
    pub nulls: Option<u64>,
    /// What the clock of the source shows, in microseconds since 1970-01-01T00:00:00Z; present when it was asked for.
    /// Rows that are read afterwards must be those of this moment or a later one.
    pub now: Option<i64>,
    /// Why a frugal request got no answer, for the user; `min` and `max` mean nothing then.
    pub declined: Option<String>,
    /// What was read, told apart from every other database or file and the same however the options name it, without
    /// secrets: `db://db.example:5432/shop`. It belongs to a stored cursor, which is only good for one place.
    pub place: Option<String>,
}

/// Asks for parts of a query that can be read at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SplitRequest {
    /// The user's query, as written.
    pub query: String,
    /// The values of the query, all of which it uses; with [`SourceCapabilities::params`].
    pub params: Params,
    /// How many parts are wanted, at least 1. A small table may get fewer.
    pub parts: usize,
    /// A token of [`Source::snapshot`] in which the parts will be read.
    pub snapshot: Option<String>,
    /// Server limits.
    pub timeouts: Timeouts,
}

/// A query cut into parts: read in one snapshot, every row of the query is in exactly one of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Split {
    /// [`Filter::Part`]s or other filters, of about equal work. Empty when the query cannot be cut.
    pub parts: Vec<Filter>,
    /// Why there are no parts, for the user: `the query has a "LIMIT"`.
    pub reason: Option<String>,
}

/// How a server would run a read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// Estimated rows.
    pub rows: Option<u64>,
    /// Rows that the server looks at to find them, over all relations; `rows` when absent.
    pub examined: Option<u64>,
    /// Average bytes of a row of the result by the statistics, or of the table where these know no more.
    pub row_bytes: Option<u64>,
    /// The scan of the largest relation, such as `Seq Scan on events` or `Index Scan using events_pkey`.
    pub scan: Option<String>,
    /// Whether that scan goes through the whole relation, or through the whole of its index.
    pub whole: Option<bool>,
    /// The largest relation.
    pub table: Option<String>,
    /// Its rows by the statistics.
    pub table_rows: Option<u64>,
    /// Its bytes in storage, without indexes.
    pub table_bytes: Option<u64>,
    /// The index used, if any.
    pub index: Option<String>,
    /// The columns of that index.
    pub index_columns: Vec<String>,
    /// The server's own cost figure.
    pub cost: Option<f64>,
    /// The plan as the server prints it.
    pub plan: String,
    /// What makes these figures worth less than they seem, one sentence each.
    pub warnings: Vec<String>,
    /// Whether no index could serve the filter, because the source compares what it computes from the column.
    pub unindexable: bool,
}
