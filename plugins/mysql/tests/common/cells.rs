//! Cells as text.

#![expect(unreachable_pub, clippy::unwrap_used, reason = "helpers of tests")]

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::array_value_to_string;

/// The cells of the first row: NULL as `None`.
pub fn first_row(batch: &RecordBatch) -> Vec<Option<String>> {
    let cell = |column: &ArrayRef| match column.as_primitive_opt::<TimestampMicrosecondType>() {
        // Printing an instant would need a time zone database.
        Some(instants) => array_value_to_string(&instants.clone().with_timezone_opt(None::<String>), 0).unwrap(),
        None => array_value_to_string(column, 0).unwrap(),
    };
    batch.columns().iter().map(|column| column.is_valid(0).then(|| cell(column))).collect()
}
