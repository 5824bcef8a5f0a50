//! From SQLite's values to Arrow batches: one builder a column, chosen once, and no allocation a cell.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use rivet_plugin_api::{BatchSize, Error, Result};
use rusqlite::types::ValueRef;

use crate::time::{parse_date, parse_timestamp};
use crate::types::{Kind, Typed, schema};

/// Text and binary arrays address their data with 32 bits. SQLite's values stay below 10⁹ bytes, so a batch that ends
/// here has room for one more row of any size.
const MOST_BYTES: usize = 1 << 30;

/// Collects rows into batches of one schema.
pub(crate) struct Batches {
    schema: SchemaRef,
    columns: Vec<Column>,
    size: BatchSize,
    rows: usize,
    bytes: usize,
    /// Rows in the batches before this one, for messages.
    before: usize,
}

impl Batches {
    pub(crate) fn new(typed: &[Typed], size: BatchSize) -> Self {
        let size = BatchSize { rows: size.rows.max(1), bytes: size.bytes.min(MOST_BYTES) };
        let columns = typed.iter().map(|t| Column::new(t.kind)).collect();
        Self { schema: schema(typed), columns, size, rows: 0, bytes: 0, before: 0 }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Adds one row, whose columns `value` gives, and returns the batch that it completes.
    pub(crate) fn push<'a>(&mut self, value: impl Fn(usize) -> Result<ValueRef<'a>>) -> Result<Option<RecordBatch>> {
        for i in 0..self.columns.len() {
            let value = value(i)?;
            match self.columns[i].push(value) {
                Ok(bytes) => self.bytes += bytes,
                Err(found) => return Err(self.refuse(i, found, value)),
            }
        }
        self.rows += 1;
        if self.rows >= self.size.rows || self.bytes >= self.size.bytes { self.finish() } else { Ok(None) }
    }

    /// The rows that are left, if any.
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.before += self.rows;
        (self.rows, self.bytes) = (0, 0);
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?))
    }

    fn refuse(&self, column: usize, found: Found, value: ValueRef<'_>) -> Error {
        let name = self.schema.field(column).name();
        let target = match (found, value) {
            (_, ValueRef::Blob(_)) | (Found::NotUtf8, _) => "binary",
            (_, ValueRef::Text(_)) => "text",
            (Found::Class | Found::Inexact, ValueRef::Real(_)) => "float64 or text",
            _ => "int64 or text",
        };
        let row = self.before + self.rows + 1;
        let what = found.describe(value);
        let kind = self.columns[column].kind();
        Error::data(format!("row {row} of column \"{name}\" holds {what}, which does not fit {kind}"))
            .hint(format!("override the type of column \"{name}\" with {target}, or convert it in the query"))
    }
}

/// Why a value does not fit its column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Found {
    /// Another storage class than the column's type takes.
    Class,
    /// A number that the column's type would round.
    Inexact,
    /// An integer other than 0 and 1.
    NotBoolean,
    NotUtf8,
    NotDate,
    NotTimestamp,
}

impl Found {
    fn describe(self, value: ValueRef<'_>) -> &'static str {
        match (self, value) {
            (Self::Inexact, ValueRef::Integer(_)) => "an integer that no double holds exactly",
            (Self::Inexact, _) => "a real number that is no 64-bit integer",
            (Self::NotBoolean, _) => "an integer other than 0 and 1",
            (Self::NotUtf8, _) => "text that is not UTF-8",
            (Self::NotDate, _) => "text other than YYYY-MM-DD",
            (Self::NotTimestamp, _) => "text other than YYYY-MM-DD HH:MM:SS with at most microseconds",
            (Self::Class, ValueRef::Null) => "NULL",
            (Self::Class, ValueRef::Integer(_)) => "an integer",
            (Self::Class, ValueRef::Real(_)) => "a real number",
            (Self::Class, ValueRef::Text(_)) => "text",
            (Self::Class, ValueRef::Blob(_)) => "a blob",
        }
    }
}

/// One column under construction.
enum Column {
    Int64(Int64Builder),
    Float64(Float64Builder),
    Boolean(BooleanBuilder),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Int64 => Self::Int64(Int64Builder::new()),
            Kind::Float64 => Self::Float64(Float64Builder::new()),
            Kind::Boolean => Self::Boolean(BooleanBuilder::new()),
            Kind::Numeric | Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Binary => Self::Binary(BinaryBuilder::new()),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new()),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Int64(_) => Kind::Int64,
            Self::Float64(_) => Kind::Float64,
            Self::Boolean(_) => Kind::Boolean,
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
            Self::Date(_) => Kind::Date,
            Self::Timestamp(_) => Kind::Timestamp,
        }
    }

    /// Appends a value and returns about how many bytes it takes.
    #[inline]
    fn push(&mut self, value: ValueRef<'_>) -> Result<usize, Found> {
        use ValueRef as V;
        match (self, value) {
            (column, V::Null) => column.push_null(),
            (Self::Int64(b), V::Integer(v)) => b.append_value(v),
            (Self::Int64(b), V::Real(v)) => b.append_value(exact_integer(v).ok_or(Found::Inexact)?),
            (Self::Float64(b), V::Real(v)) => b.append_value(v),
            (Self::Float64(b), V::Integer(v)) => b.append_value(exact_real(v).ok_or(Found::Inexact)?),
            (Self::Boolean(b), V::Integer(v @ (0 | 1))) => b.append_value(v == 1),
            (Self::Boolean(_), V::Integer(_)) => return Err(Found::NotBoolean),
            (Self::Text(b), value) => return push_text(b, value),
            (Self::Binary(b), V::Blob(v) | V::Text(v)) => {
                b.append_value(v);
                return Ok(v.len() + 4);
            }
            (Self::Date(b), V::Text(v)) => b.append_value(parse_date(v).ok_or(Found::NotDate)?),
            (Self::Timestamp(b), V::Text(v)) => b.append_value(parse_timestamp(v).ok_or(Found::NotTimestamp)?),
            _ => return Err(Found::Class),
        }
        Ok(8)
    }

    fn push_null(&mut self) {
        match self {
            Self::Int64(b) => b.append_null(),
            Self::Float64(b) => b.append_null(),
            Self::Boolean(b) => b.append_null(),
            Self::Text(b) => b.append_null(),
            Self::Binary(b) => b.append_null(),
            Self::Date(b) => b.append_null(),
            Self::Timestamp(b) => b.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int64(b) => Arc::new(b.finish()),
            Self::Float64(b) => Arc::new(b.finish()),
            Self::Boolean(b) => Arc::new(b.finish()),
            Self::Text(b) => Arc::new(b.finish()),
            Self::Binary(b) => Arc::new(b.finish()),
            Self::Date(b) => Arc::new(b.finish()),
            Self::Timestamp(b) => Arc::new(b.finish()),
        }
    }
}

fn push_text(builder: &mut StringBuilder, value: ValueRef<'_>) -> Result<usize, Found> {
    let before = builder.values_slice().len();
    match value {
        ValueRef::Text(v) => {
            builder.append_value(std::str::from_utf8(v).map_err(|_| Found::NotUtf8)?);
            return Ok(v.len() + 4);
        }
        // Writing to a builder allocates nothing and cannot fail; the empty value then closes what was written.
        ValueRef::Integer(v) => write!(builder, "{v}"),
        ValueRef::Real(v) if v.is_infinite() => builder.write_str(if v > 0.0 { "Inf" } else { "-Inf" }),
        // The shortest text that reads back as the same double, without exponent.
        ValueRef::Real(v) => write!(builder, "{v}"),
        ValueRef::Null | ValueRef::Blob(_) => return Err(Found::Class),
    }
    .map_err(|_| Found::Class)?;
    builder.append_value("");
    Ok(builder.values_slice().len() - before + 4)
}

/// The double that is `v`, if there is one.
pub(crate) fn exact_real(v: i64) -> Option<f64> {
    let real = v as f64;
    (real as i128 == i128::from(v)).then_some(real)
}

/// The integer that is `v` to the last bit; not for -0.0, whose sign an integer cannot hold.
fn exact_integer(v: f64) -> Option<i64> {
    let integer = v as i64;
    ((integer as f64).to_bits() == v.to_bits() && integer != i64::MAX).then_some(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_widen_only_without_loss() {
        assert_eq!(exact_real(1 << 53), Some(9_007_199_254_740_992.0));
        assert_eq!(exact_real((1 << 53) + 1), None);
        assert_eq!(exact_real(i64::MAX), None);
        assert_eq!(exact_real(i64::MIN), Some(-9_223_372_036_854_775_808.0));
        assert_eq!(exact_integer(5.0), Some(5));
        assert_eq!(exact_integer(-9_223_372_036_854_775_808.0), Some(i64::MIN));
        for v in [0.5, -0.0, 9_223_372_036_854_775_808.0, f64::INFINITY] {
            assert_eq!(exact_integer(v), None, "{v}");
        }
    }
}
