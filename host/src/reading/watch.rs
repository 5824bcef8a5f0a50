//! An eye on the cursor column while its rows pass.

use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{Array as _, RecordBatch};
use arrow_schema::Schema;
use rivet_plugin_api::{Category, Error, Filter, Result};

use crate::column;

/// Counts the rows of a window that have no cursor, and refuses rows that came after the window was planned.
#[derive(Debug, Default)]
pub struct Watch {
    column: Option<usize>,
    /// Whether the column had no value when the window was planned.
    only_null: bool,
    nulls: AtomicU64,
}

impl Watch {
    /// Watches the column that `filter` names.
    pub fn new(filter: &Filter, schema: &Schema) -> Self {
        match filter {
            Filter::Window { column, upto, .. } => {
                let column = find(schema, column);
                Self { column, only_null: upto.is_none(), nulls: AtomicU64::new(0) }
            }
            _ => Self::default(),
        }
    }

    /// Looks at a batch.
    ///
    /// # Errors
    /// A value in a column that had none: with no upper end it could not be told from the next window's rows. Another
    /// attempt plans the window anew.
    pub fn see(&self, batch: &RecordBatch) -> Result<()> {
        let Some(column) = self.column else { return Ok(()) };
        let nulls = batch.column(column).logical_null_count();
        if self.only_null && nulls < batch.num_rows() {
            let error = Error::new(Category::Deadlock, "the first rows with a cursor value arrived during the run");
            return Err(error.hint("run again"));
        }
        self.nulls.fetch_add(nulls as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Rows without a cursor so far.
    pub fn nulls(&self) -> u64 {
        self.nulls.load(Ordering::Relaxed)
    }
}

/// The column that a source finds under this name, whether or not it regards case.
fn find(schema: &Schema, name: &str) -> Option<usize> {
    column::place(schema.fields().iter().map(|field| field.name().as_str()), name)
}
