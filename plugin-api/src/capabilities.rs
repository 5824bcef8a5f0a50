//! What a connector can do. The host never asks for what is not announced.

use serde::{Deserialize, Serialize};

/// What a source can do beyond `describe` and an unfiltered `read`. All default to no.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceCapabilities {
    /// `explain` answers row estimate, scan type and index.
    pub explain: bool,
    /// `bounds` and `next_above` answer the least and greatest value of a column.
    pub bounds: bool,
    /// `count` answers the exact number of rows.
    pub count: bool,
    /// `snapshot` gives a token that other connections can join.
    pub snapshot: bool,
    /// `split` cuts a query into parts, and `read` honours [`Filter::Part`](crate::Filter::Part).
    pub split: bool,
    /// `tables` lists what there is to export.
    pub tables: bool,
    /// `read` honours [`Filter::Window`](crate::Filter::Window).
    pub window: bool,
    /// `read` honours [`Filter::Range`](crate::Filter::Range).
    pub range: bool,
    /// `read` honours [`Filter::Dense`](crate::Filter::Dense).
    pub dense: bool,
    /// `read` honours [`Filter::Since`](crate::Filter::Since).
    pub since: bool,
    /// Every call with a query replaces `:name` in it by the value of that name in its
    /// [`params`](crate::ReadRequest::params).
    pub params: bool,
    /// Several readers may be open at once, each from an own handle.
    pub concurrent_readers: bool,
    /// `describe`, `explain` and `bounds` honour [`frugal`](crate::BoundsRequest::frugal), so that `rivet check` may ask a
    /// loaded server.
    pub frugal: bool,
    /// A column of instants is also compared with a [`Timestamp`](crate::CursorValue::Timestamp), which then is a time on the
    /// clock of the server. So rivet 0.2 stored the cursors of connectors that had their sessions in the server's zone.
    pub server_time: bool,
}

/// What a destination can do beyond `begin`, `write`, `finish` and `abort`. All default to no.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DestinationCapabilities {
    /// A part becomes visible whole or not at all.
    pub atomic: bool,
    /// `stat` answers size and checksum of a finished part.
    pub stat: bool,
    /// `remove` deletes a finished part.
    pub remove: bool,
    /// `put` writes a small text beside the parts.
    pub put: bool,
    /// The output cannot be read again, written again or split (a pipe).
    pub stream: bool,
    /// Takes `parquet`.
    pub parquet: bool,
    /// Takes `csv`.
    pub csv: bool,
    /// Takes `arrow`.
    pub arrow: bool,
}

impl SourceCapabilities {
    /// `describe` and unfiltered `read` only.
    pub const NONE: Self = Self {
        explain: false,
        bounds: false,
        count: false,
        snapshot: false,
        split: false,
        tables: false,
        window: false,
        range: false,
        dense: false,
        since: false,
        params: false,
        concurrent_readers: false,
        frugal: false,
        server_time: false,
    };
}

impl DestinationCapabilities {
    /// `begin`, `write`, `finish` and `abort` only, for a destination that takes batches as they are.
    pub const NONE: Self = Self {
        atomic: false,
        stat: false,
        remove: false,
        put: false,
        stream: false,
        parquet: false,
        csv: false,
        arrow: false,
    };
}
