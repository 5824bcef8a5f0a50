//! How a row looks on PostgreSQL's wire, and how batches of such rows begin.

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use rivet_plugin_api::BatchSize;
use rivet_plugin_base::batch::{Column, Misfit, Refused};

use crate::decode::ColumnBuilder;
use crate::error::protocol;
use crate::types::Decoder;

/// Builds one batch after the other.
pub(crate) type BatchBuilder = rivet_plugin_base::batch::BatchBuilder<ColumnBuilder>;

/// Builds batches of `schema`, whose fields `decoders` fill.
pub(crate) fn builder(
    schema: SchemaRef,
    native_types: Vec<String>,
    decoders: &[Decoder],
    limit: BatchSize,
) -> BatchBuilder {
    let columns = |rows| decoders.iter().map(|decoder| ColumnBuilder::new(decoder, rows)).collect();
    BatchBuilder::new(schema, native_types, limit, columns)
}

impl Column for ColumnBuilder {
    /// A 16-bit field count, then per field a 32-bit length (-1 for NULL) and the value.
    #[inline]
    fn push_row(columns: &mut [Self], row: &[u8]) -> Result<(), Refused> {
        let Some((count, mut rest)) = row.split_first_chunk() else { return Err(cut_short()) };
        if usize::from(u16::from_be_bytes(*count)) != columns.len() {
            return Err(Refused::Row(protocol("a row with another number of columns")));
        }
        for (index, column) in columns.iter_mut().enumerate() {
            let Some((length, fields)) = rest.split_first_chunk() else { return Err(cut_short()) };
            let length = i32::from_be_bytes(*length);
            let pushed = if length == -1 {
                rest = fields;
                column.push_null()
            } else {
                // Any other negative length becomes larger than every row.
                let Some((field, fields)) = fields.split_at_checked(length as u32 as usize) else {
                    return Err(cut_short());
                };
                rest = fields;
                column.push(field)
            };
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
                "the database stores text without checking it (SQL_ASCII): convert the column in the query".to_owned()
            }
            _ => format!(
                "exclude such rows, or say what becomes of them: columns: {{ \"{column}\": text }}, or \"null\", or \"clamp\""
            ),
        }
    }
}

#[cold]
fn cut_short() -> Refused {
    Refused::Row(protocol("a row that is cut short"))
}
