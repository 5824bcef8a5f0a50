//! The destination half of the contract: the traits an author implements and the messages they exchange with the host.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Context, DestinationCapabilities, Error, Result};

/// Takes Arrow batches and makes them durable. One value is one connection, used by one thread at a time.
pub trait Destination: Sized + Send + 'static {
    /// What users may write under `destination:`. See [`Source::Options`](crate::Source::Options).
    type Options: DeserializeOwned + JsonSchema;

    /// What the host may ask for.
    const CAPABILITIES: DestinationCapabilities;

    /// How reports name the connector, where its name with a capital letter is not right.
    const TITLE: &'static str = "";

    /// The options of which the first that is set says where output goes; see
    /// [`DestinationSpec::place`](crate::DestinationSpec::place).
    const PLACE: &'static [&'static str] = &[];

    /// Checks the options. May connect; nothing is written.
    fn open(options: Self::Options, context: &Context) -> Result<Self>;

    /// Really writes, reads back and removes a uniquely named object. What it had to create for that is removed too.
    fn probe(&mut self, context: &Context) -> Result<DestinationProbe>;

    /// Starts one attempt to write a window or chunk. The writer may outlive `self`.
    fn begin(&mut self, request: WriteRequest, schema: SchemaRef, context: &Context) -> Result<Box<dyn BatchWriter>>;

    /// What is known of a finished part, `None` when it does not exist; with [`DestinationCapabilities::stat`].
    fn stat(&mut self, _name: &str, _context: &Context) -> Result<Option<PartStat>> {
        Err(Error::unsupported("this destination does not offer \"stat\""))
    }

    /// Deletes a finished part; no error when it does not exist; with [`DestinationCapabilities::remove`].
    fn remove(&mut self, _name: &str, _context: &Context) -> Result<()> {
        Err(Error::unsupported("this destination does not offer \"remove\""))
    }

    /// Writes a small text, durable and visible whole or not at all; with [`DestinationCapabilities::put`].
    fn put(&mut self, _request: PutRequest, _context: &Context) -> Result<Part> {
        Err(Error::unsupported("this destination does not offer \"put\""))
    }
}

/// One attempt to write. Exactly one of `finish` and `abort` ends it; dropping it counts as `abort`.
pub trait BatchWriter: Send {
    /// Takes one batch of the schema given to [`Destination::begin`].
    fn write(&mut self, batch: RecordBatch) -> Result<Progress>;

    /// Makes everything durable and visible, and says what landed. Without rows there are no parts.
    fn finish(&mut self) -> Result<Receipt>;

    /// Leaves nothing of this attempt behind. Safe at any point, also after an error.
    fn abort(&mut self) -> Result<()>;
}

/// What `probe` found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DestinationProbe {
    /// Where the output goes, such as a directory or `bucket/prefix`.
    pub location: String,
    /// What an operator should know, one sentence each.
    pub warnings: Vec<String>,
}

/// What to write and how. Names come from the host and are the same for every attempt.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WriteRequest {
    /// The export's name.
    pub export: String,
    /// File name without part suffix and extension, such as `orders_20260329_125200_chunk3`.
    pub base_name: String,
    /// How to encode; table-like destinations ignore it.
    pub format: Format,
    /// Written into the footer where the format has one: export, run id, source type.
    pub metadata: BTreeMap<String, String>,
    /// Whether a part of this name from an earlier attempt may be replaced. Otherwise a taken name is
    /// [`Category::Conflict`](crate::Category::Conflict), reported by [`Destination::begin`] before anything is written.
    pub replace: bool,
    /// Whether each finished part is read back and compared before it is published.
    pub verify: bool,
    /// Whether nothing may be visible before [`BatchWriter::finish`], also where output would otherwise show as it comes.
    /// Destinations that are [`atomic`](DestinationCapabilities::atomic) never do otherwise.
    pub hold: bool,
    /// About how many bytes the writer may hold in memory, for a host that runs several; it decides when absent.
    pub memory_bytes: Option<u64>,
    /// How often a single request to a store may be repeated in this attempt when the failure passes by itself. An attempt
    /// sends many, and repeating it as a whole would read everything again.
    pub request_retries: u32,
    /// The pause before the first of them, in milliseconds; doubles with each further one.
    pub request_backoff_ms: u64,
}

impl WriteRequest {
    /// The name of part `index`; the suffix appears only when there is more than one part.
    pub fn part_name(&self, index: usize, several: bool) -> String {
        let extension = self.format.extension();
        if several {
            format!("{}_part{index}.{extension}", self.base_name)
        } else {
            format!("{}.{extension}", self.base_name)
        }
    }
}

/// A small text to lay beside the parts, such as a manifest of them.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PutRequest {
    /// File name, without directory or prefix.
    pub name: String,
    /// What it holds.
    pub content: String,
    /// Whether one of this name may be replaced; a taken name is [`Category::Conflict`](crate::Category::Conflict)
    /// otherwise.
    pub replace: bool,
}

/// How file-like destinations encode batches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Format {
    /// The file format.
    pub kind: FormatKind,
    /// How an Arrow file is laid out; the other formats ignore it.
    pub arrow_layout: ArrowLayout,
    /// The codec of Parquet pages and Arrow buffers; CSV ignores it.
    pub compression: Compression,
    /// The codec's level; its default when absent.
    pub level: Option<u32>,
    /// Close a part once it has this many bytes.
    pub max_file_size: Option<u64>,
}

impl Format {
    /// The file name extension. Those of Arrow are the registered ones, by which readers tell the layouts apart.
    pub fn extension(&self) -> &'static str {
        match (self.kind, self.arrow_layout) {
            (FormatKind::Parquet, _) => "parquet",
            (FormatKind::Csv, _) => "csv",
            (FormatKind::Arrow, ArrowLayout::Stream) => "arrows",
            (FormatKind::Arrow, ArrowLayout::File) => "arrow",
        }
    }
}

/// A file format.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatKind {
    /// Apache Parquet.
    #[default]
    Parquet,
    /// RFC 4180 with a header line.
    Csv,
    /// Arrow IPC.
    Arrow,
}

impl FormatKind {
    /// The name in configurations and in the state file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Arrow => "arrow",
        }
    }
}

/// How Arrow IPC is laid out. Both are written from front to back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrowLayout {
    /// One message after the other, to be read in order.
    #[default]
    Stream,
    /// The messages, and a footer that says where each of them is, for readers that pick batches.
    File,
}

/// A codec.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Zstandard, levels 1 to 22, default 3.
    #[default]
    Zstd,
    /// Snappy.
    Snappy,
    /// Gzip, levels 0 to 10, default 6.
    Gzip,
    /// LZ4 raw blocks.
    Lz4,
    /// No compression.
    None,
}

impl Compression {
    /// The name in configurations and in the state file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::None => "none",
        }
    }
}

/// How far a writer is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Bytes held in memory.
    pub buffered: u64,
    /// Encoded bytes so far.
    pub written: u64,
}

/// What landed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// The parts in order; none when there were no rows.
    pub parts: Vec<Part>,
}

/// One durable file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Part {
    /// File name, without directory or prefix.
    pub name: String,
    /// Where it is, for people: a path or a URL.
    pub location: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// `xxh3-128:` and 32 hexadecimal digits over its bytes.
    pub checksum: String,
    /// The store's own checksum or etag, where it has one.
    pub store_checksum: Option<String>,
    /// The records counted when the part was read back, when [`WriteRequest::verify`] asked for it.
    pub validated_rows: Option<u64>,
}

/// What is known of a finished part.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartStat {
    /// Its size.
    pub bytes: u64,
    /// As in [`Part::checksum`], when it can be known.
    pub checksum: Option<String>,
    /// As in [`Part::store_checksum`], where the store has one.
    pub store_checksum: Option<String>,
}
