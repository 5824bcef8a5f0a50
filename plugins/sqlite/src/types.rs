//! From a column of the result to an Arrow field: an override first, then the declared type by SQLite's rules of
//! affinity, and the values themselves where nothing is declared.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use rivet_plugin_api::{Error, Mapping, NULLABLE, Result};

use crate::query::{Query, ResultColumn};
use crate::sample::{Sample, Seen};

/// What a column becomes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Int64,
    Float64,
    Boolean,
    /// Text that SQLite compares as numbers: the columns of numeric affinity.
    Numeric,
    Text,
    Binary,
    Date,
    Timestamp,
}

impl Kind {
    /// The targets of an override.
    const TARGETS: [(&'static str, Self); 7] = [
        ("text", Self::Text),
        ("int64", Self::Int64),
        ("float64", Self::Float64),
        ("bool", Self::Boolean),
        ("binary", Self::Binary),
        ("date", Self::Date),
        ("timestamp", Self::Timestamp),
    ];

    fn target(name: &str, key: &str) -> Result<Self> {
        Self::TARGETS.iter().find(|(target, _)| *target == name).map(|(_, kind)| *kind).ok_or_else(|| {
            let known = Self::TARGETS.map(|(target, _)| target).join(", ");
            Error::config(format!("the type override of \"{key}\" names the unknown target \"{name}\""))
                .hint(format!("the sqlite source offers {known}"))
        })
    }

    /// Whether keys are computed from the text of the column, so that they are in no index on it.
    pub(crate) fn is_computed(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp)
    }

    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Numeric | Self::Text => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }
}

/// The target that an override would name.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Boolean => "bool",
            Self::Numeric | Self::Text => "text",
            Self::Binary => "binary",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
        })
    }
}

/// A column with its decided type.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) name: String,
    /// The declared type as written, or `any`.
    pub(crate) native: String,
    /// As of [`ResultColumn`].
    pub(crate) nullable: Option<bool>,
    pub(crate) kind: Kind,
    /// The rule that decided, for `describe`.
    pub(crate) rule: String,
}

/// The Arrow schema of `columns`. A result may hold NULL whatever the table says.
pub(crate) fn schema(columns: &[Typed]) -> SchemaRef {
    let field = |c: &Typed| {
        let mut metadata = HashMap::from([("rivet.native_type".to_owned(), c.native.clone())]);
        metadata.extend(c.nullable.map(|nullable| (NULLABLE.to_owned(), nullable.to_string())));
        Field::new(&c.name, c.kind.data_type(), true).with_metadata(metadata)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// The rule of a column whose type takes looking at too many rows.
pub(crate) const UNDECIDED: &str = "no declared type; the first rows of a run decide";

/// The overrides, checked.
pub(crate) struct Overrides {
    types: Vec<(String, Kind)>,
    columns: Vec<(String, Kind)>,
}

impl Overrides {
    pub(crate) fn check(mapping: &Mapping) -> Result<Self> {
        let kinds = |entries: &BTreeMap<String, String>, key: fn(&str) -> String| {
            entries.iter().map(|(k, target)| Ok((key(k), Kind::target(target, k)?))).collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            types: kinds(&mapping.types, base_name)?,
            columns: kinds(&mapping.columns, str::to_ascii_lowercase)?,
        })
    }

    /// Whether the type of some column can be told from its values alone.
    pub(crate) fn need_sample(&self, query: &Query) -> bool {
        query.columns.iter().any(|c| c.declared.is_none() && self.find(c).is_none())
    }

    /// Decides every column; `sample` is looked at for those that nothing else decides.
    pub(crate) fn decide(&self, query: &Query, sample: &Sample) -> Vec<Typed> {
        for (name, _) in &self.columns {
            if !query.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name)) {
                tracing::warn!("the type override of column \"{name}\" has no effect: the query has no such column");
            }
        }
        query.columns.iter().enumerate().map(|(i, column)| self.decide_one(column, sample.seen(i))).collect()
    }

    /// As [`Overrides::decide`] without a look at any row.
    pub(crate) fn decide_unseen(&self, query: &Query) -> Vec<Typed> {
        let mut typed = self.decide(query, &Sample::default());
        for (column, typed) in query.columns.iter().zip(&mut typed) {
            if column.declared.is_none() && self.find(column).is_none() {
                UNDECIDED.clone_into(&mut typed.rule);
            }
        }
        typed
    }

    fn decide_one(&self, column: &ResultColumn, seen: Seen) -> Typed {
        let (kind, rule) = match (self.find(column), &column.declared) {
            (Some(found), _) => found,
            (None, Some(declared)) => by_declaration(declared),
            (None, None) => seen.decide(),
        };
        let native = column.declared.clone().unwrap_or_else(|| "any".to_owned());
        Typed { name: column.name.clone(), native, nullable: column.nullable, kind, rule }
    }

    fn find(&self, column: &ResultColumn) -> Option<(Kind, String)> {
        let by_column = self.columns.iter().find(|(name, _)| column.name.eq_ignore_ascii_case(name));
        if let Some((_, kind)) = by_column {
            return Some((*kind, "override of the column".to_owned()));
        }
        let native = column.declared.as_deref().map_or_else(|| "any".to_owned(), base_name);
        let (name, kind) = self.types.iter().find(|(name, _)| *name == native)?;
        Some((*kind, format!("override of the type \"{name}\"")))
    }
}

/// `VarChar (20)` and `DOUBLE  precision` as `varchar` and `double precision`.
fn base_name(declared: &str) -> String {
    let name = declared.split('(').next().unwrap_or(declared);
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

/// Names that say more than their affinity come first; the rest is section 3.1 of SQLite's "Datatypes" page.
fn by_declaration(declared: &str) -> (Kind, String) {
    let name = base_name(declared);
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let (kind, rule) = match name.as_str() {
        "boolean" | "bool" => (Kind::Boolean, "declared boolean"),
        "date" => (Kind::Date, "declared date"),
        "datetime" | "timestamp" => (Kind::Timestamp, "declared timestamp"),
        "json" | "uuid" => (Kind::Text, "declared text"),
        _ if has(&["int"]) => (Kind::Int64, "INTEGER affinity"),
        _ if has(&["char", "clob", "text"]) => (Kind::Text, "TEXT affinity"),
        _ if has(&["blob"]) => (Kind::Binary, "BLOB affinity"),
        _ if has(&["real", "floa", "doub"]) => (Kind::Float64, "REAL affinity"),
        _ => (Kind::Numeric, "NUMERIC affinity, as exact text"),
    };
    (kind, rule.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinity_decides_unless_the_name_says_more() {
        for (declared, kind) in [
            ("INTEGER", Kind::Int64),
            ("unsigned big int", Kind::Int64),
            ("VARCHAR(20)", Kind::Text),
            ("NATIVE CHARACTER (70)", Kind::Text),
            ("clob", Kind::Text),
            ("BLOB", Kind::Binary),
            ("DOUBLE  PRECISION", Kind::Float64),
            ("float", Kind::Float64),
            ("DECIMAL(10,2)", Kind::Numeric),
            ("TIME", Kind::Numeric),
            ("Boolean", Kind::Boolean),
            ("DATE", Kind::Date),
            ("timestamp(6)", Kind::Timestamp),
            ("JSON", Kind::Text),
            // SQLite's own surprise, which section 3.1 of its page names too.
            ("FLOATING POINT", Kind::Int64),
        ] {
            assert_eq!(by_declaration(declared).0, kind, "{declared}");
        }
    }

    #[test]
    fn an_unknown_target_lists_the_known_ones() {
        let mapping = Mapping { types: BTreeMap::from([("numeric".into(), "decimal".into())]), ..Mapping::default() };
        let error = Overrides::check(&mapping).err().unwrap();
        assert_eq!(error.category(), rivet_plugin_api::Category::Config);
        assert!(error.hint_text().unwrap().ends_with("text, int64, float64, bool, binary, date, timestamp"));
    }
}
