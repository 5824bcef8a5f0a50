//! What there is to export: the messages of the `tables` call, by which `rivet init` writes a first configuration.

use serde::{Deserialize, Serialize};

use crate::Timeouts;

/// Asks for the tables and views that could be exported.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TablesRequest {
    /// Only those in these schemas. When empty: the database that the options name where a server calls its databases
    /// schemas, else all schemas that are not the server's own. A source without schemas has no table in any.
    pub schemas: Vec<String>,
    /// Server limits.
    pub timeouts: Timeouts,
}

/// The answer to [`TablesRequest`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tables {
    /// In the order of schema and name. A partition is not listed beside the table that it is a part of.
    pub tables: Vec<Table>,
}

/// A table or view. Nothing of it is counted or scanned to answer: numbers come from statistics.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Table {
    /// The schema, or the database where a server calls its databases schemas; absent where the source has none.
    pub schema: Option<String>,
    /// Its name as the source keeps it.
    pub name: String,
    /// Whether it only stands for a query: it has neither key nor index.
    pub is_view: bool,
    /// Whether the user of the session may not read it.
    pub is_denied: bool,
    /// A query of all its rows and columns, with names as the dialect quotes them: `SELECT * FROM "public"."Order"`.
    pub query: String,
    /// Estimated rows; absent when nobody knows.
    pub rows: Option<u64>,
    /// Bytes it takes in storage, without indexes; absent when nobody knows.
    pub bytes: Option<u64>,
    /// The columns of its primary key, in order.
    pub primary_key: Vec<String>,
    /// Columns by which rows can be found in order: each leads an index of the whole table, such as that of its key.
    pub indexed: Vec<String>,
}
