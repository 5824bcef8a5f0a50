//! How a row looks on MySQL's wire, and how batches of such rows begin.

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use rivet_plugin_api::BatchSize;
use rivet_plugin_base::batch::{Column, Misfit, Refused};

use crate::decode::ColumnBuilder;
use crate::error::protocol;
use crate::select::Field;
use crate::types::NativeColumn;

/// Builds one batch after the other.
pub(crate) type BatchBuilder = rivet_plugin_base::batch::BatchBuilder<ColumnBuilder>;

/// Builds batches of `schema` from rows that hold `fields`.
pub(crate) fn builder(schema: SchemaRef, fields: &[Field], sent: &[NativeColumn], limit: BatchSize) -> BatchBuilder {
    let native_types = fields.iter().map(|field| field.native_type.clone()).collect();
    let columns =
        |rows| fields.iter().zip(sent).map(|(field, sent)| ColumnBuilder::new(&field.mapped, sent, rows)).collect();
    BatchBuilder::new(schema, native_types, limit, columns)
}

impl Column for ColumnBuilder {
    /// A zero, a bit for each NULL from the third bit on, and the other values one after the other.
    #[inline]
    fn push_row(columns: &mut [Self], row: &[u8]) -> Result<(), Refused> {
        // Seven more, for two reserved bits and for rounding up.
        let nulls = (columns.len() + 9) / 8;
        let Some((nulls, mut rest)) = row.get(1..).and_then(|row| row.split_at_checked(nulls)) else {
            return Err(Refused::Row(protocol("a row that is cut short")));
        };
        for (index, column) in columns.iter_mut().enumerate() {
            let bit = index + 2;
            let pushed = if nulls[bit / 8] >> (bit % 8) & 1 == 1 { column.push_null() } else { column.push(&mut rest) };
            if let Err(misfit) = pushed {
                return Err(Refused::Value { column: index, misfit });
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(Refused::Row(protocol("a row that is longer than its columns"))) }
    }

    fn size(&self) -> usize {
        self.size()
    }

    fn bound(&self) -> Option<usize> {
        self.bound()
    }

    fn finish(&mut self) -> Result<ArrayRef, Misfit> {
        self.finish()
    }

    fn hint(misfit: Misfit, column: &str) -> String {
        match misfit {
            Misfit::NotUtf8 => {
                format!("export the column as bytes: columns: {{ \"{column}\": binary }}, or convert it in the query")
            }
            _ => format!(
                "export such dates as NULL: columns: {{ \"{column}\": \"null\" }}, or all as text: columns: \
                 {{ \"{column}\": text }}"
            ),
        }
    }
}
