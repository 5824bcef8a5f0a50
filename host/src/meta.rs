//! The columns that Rivet adds behind those of the query: when a row was exported, a hash of it, and by which run.

mod row_hash;
mod cells;
mod kinds;
mod nested;
mod number;
mod time;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use rivet_plugin_api::{Error, Result};

use crate::config;

const EXPORTED_AT: &str = "_rivet_exported_at";
const ROW_HASH: &str = "_rivet_row_hash";
const RUN_ID: &str = "_rivet_run_id";

/// Adds the columns that `meta_columns` names to each batch of one window or chunk.
#[derive(Debug)]
pub struct MetaColumns {
    which: config::MetaColumns,
    /// Microseconds since 1970-01-01T00:00:00Z.
    exported_at: i64,
    run_id: String,
    schema: SchemaRef,
}

impl MetaColumns {
    /// For rows of `source`. `exported_at`, in microseconds since 1970-01-01T00:00:00Z, and `run_id` are the same for
    /// each of them.
    ///
    /// # Errors
    /// When the query has a column of such a name, or when the row hash is not defined for the type of a column.
    pub fn new(which: config::MetaColumns, exported_at: i64, run_id: &str, source: &SchemaRef) -> Result<Self> {
        let added = added(which);
        for meta in &added {
            refuse_taken(meta.name(), source)?;
        }
        if which.row_hash {
            source.fields().iter().try_for_each(|field| row_hash::check(field))?;
        }
        let schema = if added.is_empty() {
            SchemaRef::clone(source)
        } else {
            let fields = source.fields().iter().cloned().chain(added.into_iter().map(Arc::new));
            Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), source.metadata().clone()))
        };
        Ok(Self { which, exported_at, run_id: run_id.to_owned(), schema })
    }

    /// The columns of the query, then the added ones.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// `batch` with the columns of [`schema`](Self::schema). Those of the query are not copied.
    ///
    /// # Errors
    /// When the batch does not have the columns that [`new`](Self::new) was told.
    pub fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.which == config::MetaColumns::default() {
            return Ok(batch);
        }
        let rows = batch.num_rows();
        let mut columns = batch.columns().to_vec();
        if self.which.exported_at {
            let exported_at = TimestampMicrosecondArray::from_value(self.exported_at, rows).with_timezone("UTC");
            columns.push(Arc::new(exported_at));
        }
        if self.which.row_hash {
            let hashes: ArrayRef = Arc::new(row_hash::of(&batch)?);
            columns.push(hashes);
        }
        if self.which.run_id {
            columns.push(Arc::new(StringArray::new_repeated(&self.run_id, rows)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns, &options)?)
    }
}

/// The added columns, in the order and with the types of rivet 0.2, which had no run id.
pub fn added(which: config::MetaColumns) -> Vec<Field> {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let all = [
        (which.exported_at, EXPORTED_AT, instant),
        (which.row_hash, ROW_HASH, DataType::Int64),
        (which.run_id, RUN_ID, DataType::Utf8),
    ];
    all.into_iter().filter(|(on, ..)| *on).map(|(_, name, kind)| Field::new(name, kind, false)).collect()
}

/// Most warehouses take names that differ in case for the same.
fn refuse_taken(meta: &str, source: &SchemaRef) -> Result<()> {
    let Some(taken) = source.fields().iter().find(|field| field.name().eq_ignore_ascii_case(meta)) else {
        return Ok(());
    };
    let key = meta.trim_start_matches("_rivet_");
    Err(Error::config(format!(
        "the query has a column \"{}\", and \"meta_columns\" adds one of that name",
        taken.name()
    ))
    .hint(format!("give the column another name in the query, or leave `{key}` out of `meta_columns`")))
}
