//! The columns each export had when it last committed, and how they differ from today's.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::error::{Fault, Result};
use super::{State, rfc3339};

/// A column as the file holds it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SchemaColumn {
    /// Its name.
    pub name: String,
    /// The Arrow type as rivet-cli 0.2 wrote it, such as `Timestamp(Microsecond, None)`: arrow's `Debug`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether the source's table lets it be NULL; absent when not known, and in what rivet-cli 0.2 wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nullable: Option<bool>,
}

impl State {
    /// The columns an export had when it last committed, in order.
    pub fn stored_schema(&self, export: &str) -> Result<Option<Vec<SchemaColumn>>> {
        self.read(|tx| {
            let select = "SELECT columns_json FROM export_schema WHERE export_name = ?1";
            let text: Option<String> = tx.query_row(select, [export], |row| row.get(0)).optional()?;
            text.map(|text| parse(&text)).transpose()
        })
    }
}

pub(super) fn parse(columns: &str) -> Result<Vec<SchemaColumn>, Fault> {
    serde_json::from_str(columns).map_err(|e| Fault::value("table \"export_schema\", column \"columns_json\"", e))
}

pub(super) fn store(tx: &Transaction<'_>, export: &str, columns: &[SchemaColumn], now: Timestamp) -> Result<(), Fault> {
    let json = serde_json::to_string(columns).map_err(|e| Fault::value("column \"columns_json\"", e))?;
    tx.execute(
        "INSERT INTO export_schema (export_name, columns_json, updated_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (export_name) DO UPDATE SET columns_json = excluded.columns_json, updated_at = excluded.updated_at",
        params![export, json, rfc3339(now)],
    )?;
    Ok(())
}

/// What differs between two schemas, by column name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SchemaChange {
    /// New columns.
    pub added: Vec<SchemaColumn>,
    /// Names of columns that are gone.
    pub removed: Vec<String>,
    /// Name, old type and new type.
    pub retyped: Vec<(String, String, String)>,
    /// Name of a column that begins to take NULL (`true`) or ceases to.
    pub nullability: Vec<(String, bool)>,
    /// The old and the new order of the columns that stayed, when it differs.
    pub reordered: Option<(Vec<String>, Vec<String>)>,
}

impl SchemaChange {
    /// Compares the stored columns with today's.
    pub fn between(stored: &[SchemaColumn], current: &[SchemaColumn]) -> Self {
        let old: HashMap<&str, &SchemaColumn> = stored.iter().map(|c| (c.name.as_str(), c)).collect();
        let new: HashSet<&str> = current.iter().map(|c| c.name.as_str()).collect();
        let names = |columns: &[SchemaColumn], stayed: &dyn Fn(&str) -> bool| -> Vec<String> {
            columns.iter().filter(|c| stayed(&c.name)).map(|c| c.name.clone()).collect()
        };
        let before = names(stored, &|name| new.contains(name));
        let after = names(current, &|name| old.contains_key(name));
        let retyped = |c: &SchemaColumn| {
            let before = &old.get(c.name.as_str())?.data_type;
            (*before != c.data_type).then(|| (c.name.clone(), before.clone(), c.data_type.clone()))
        };
        let nullability = |c: &SchemaColumn| {
            let (before, now) = (old.get(c.name.as_str())?.nullable?, c.nullable?);
            (before != now).then(|| (c.name.clone(), now))
        };
        Self {
            added: current.iter().filter(|c| !old.contains_key(c.name.as_str())).cloned().collect(),
            removed: names(stored, &|name| !new.contains(name)),
            retyped: current.iter().filter_map(retyped).collect(),
            nullability: current.iter().filter_map(nullability).collect(),
            reordered: (before != after).then_some((before, after)),
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The lines to log, none when nothing differs.
    pub fn lines(&self, export: &str) -> Vec<String> {
        let first = (!self.is_empty()).then(|| "schema changed!".to_owned());
        first.into_iter().chain(self.details()).map(|line| format!("export \"{export}\": {line}")).collect()
    }

    /// What differs, a text a kind of change.
    pub fn details(&self) -> Vec<String> {
        let mut details = Vec::new();
        if !self.added.is_empty() {
            let added: Vec<_> = self.added.iter().map(|c| format!("{} ({})", c.name, c.data_type)).collect();
            details.push(format!("added columns: {}", added.join(", ")));
        }
        if !self.removed.is_empty() {
            details.push(format!("removed columns: {}", self.removed.join(", ")));
        }
        details.extend(self.retyped.iter().map(|(name, old, new)| format!("type changed: {name} ({old} -> {new})")));
        details.extend(self.nullability.iter().map(|(name, nullable)| {
            let change = if *nullable { "not null -> null" } else { "null -> not null" };
            format!("nullability changed: {name} ({change})")
        }));
        if let Some((old, new)) = &self.reordered {
            details.push(format!("column order changed: {} -> {}", old.join(", "), new.join(", ")));
        }
        details
    }
}
