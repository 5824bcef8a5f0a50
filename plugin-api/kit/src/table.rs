//! Rows in a form that can be compared whatever batches they came in.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};
use libtest_mimic::Failed;
use rivet_plugin_api::CursorValue;

/// All rows of one read.
pub(crate) struct Table {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Table {
    pub(crate) fn row_count(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }

    /// One text a row, in the order of arrival.
    pub(crate) fn rows(&self) -> Result<Vec<String>, Failed> {
        // NULL prints like nothing else does; texts and binaries that print alike have different columns.
        let options = FormatOptions::default().with_null("\u{2205}");
        let mut rows = Vec::new();
        for batch in &self.batches {
            let printable = batch.columns().iter().map(without_zone).collect::<Result<Vec<_>, _>>()?;
            let columns = printable.iter().map(|column| ArrayFormatter::try_new(column, &options));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            rows.extend((0..batch.num_rows()).map(|row| {
                columns
                    .iter()
                    .map(|column| format!("{:?}", column.value(row).to_string()))
                    .collect::<Vec<_>>()
                    .join(",")
            }));
        }
        Ok(rows)
    }

    /// As [`Table::rows`], sorted: two tables with the same are equal as multisets.
    pub(crate) fn sorted(&self) -> Result<Vec<String>, Failed> {
        let mut rows = self.rows()?;
        rows.sort_unstable();
        Ok(rows)
    }

    /// A column as typed values, in the order of arrival; NULL is `None`.
    pub(crate) fn values(&self, column: &str) -> Result<Vec<Option<CursorValue>>, Failed> {
        let mut values = Vec::new();
        for batch in &self.batches {
            let array = batch.column_by_name(column).ok_or_else(|| format!("the result has no column \"{column}\""))?;
            values.extend(cursor_values(array)?);
        }
        Ok(values)
    }
}

/// An instant as its number: arrow prints named zones only with a time zone database linked in.
fn without_zone(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let DataType::Timestamp(unit, Some(_)) = column.data_type() else { return Ok(column.clone()) };
    let naive = column.to_data().into_builder().data_type(DataType::Timestamp(*unit, None)).build()?;
    Ok(make_array(naive))
}

fn cursor_values(array: &dyn Array) -> Result<Vec<Option<CursorValue>>, Failed> {
    Ok(match array.data_type() {
        DataType::UInt64 => array.as_primitive::<UInt64Type>().iter().map(|v| v.map(CursorValue::UInt)).collect(),
        t if t.is_integer() => {
            let wide = arrow_cast::cast(array, &DataType::Int64)?;
            wide.as_primitive::<Int64Type>().iter().map(|v| v.map(CursorValue::Int)).collect()
        }
        DataType::Utf8 => array.as_string::<i32>().iter().map(|v| v.map(|v| CursorValue::Text(v.to_owned()))).collect(),
        DataType::Date32 => array.as_primitive::<Date32Type>().iter().map(|v| v.map(CursorValue::Date)).collect(),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let value = if zone.is_some() { CursorValue::Instant } else { CursorValue::Timestamp };
            array.as_primitive::<TimestampMicrosecondType>().iter().map(|v| v.map(value)).collect()
        }
        other => return Err(format!("the kit bounds no column of type {other}: name another key").into()),
    })
}
