use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Field, Schema};
use rivet_plugin_api::Category;

use super::*;

/// Text: a row is one value. An `x` becomes a million of them, but only where that is announced.
struct Text {
    cells: Bytes,
    swells: bool,
}

impl Column for Text {
    fn push_row(columns: &mut [Self], row: &[u8]) -> Result<(), Refused> {
        for (column, text) in columns.iter_mut().enumerate() {
            let pushed = match row {
                b"!" => Err(Misfit::Beyond("a \"!\"")),
                b"?" => return Err(Refused::Row(Error::internal("no row"))),
                b"x" if text.swells => text.cells.push("x".repeat(1_000_000).as_bytes()),
                _ => text.cells.push(row),
            };
            pushed.map_err(|misfit| Refused::Value { column, misfit })?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.cells.size()
    }

    fn bound(&self) -> Option<usize> {
        (!self.swells).then_some(4)
    }

    fn finish(&mut self) -> Result<ArrayRef, Misfit> {
        self.cells.take_text(None)
    }

    fn hint(_: Misfit, column: &str) -> String {
        format!("leave \"{column}\" alone")
    }
}

fn builder(limit: BatchSize, swells: &[bool]) -> BatchBuilder<Text> {
    let fields: Vec<Field> =
        swells.iter().enumerate().map(|(i, _)| Field::new(i.to_string(), DataType::Utf8, true)).collect();
    let columns = |rows| swells.iter().map(|swells| Text { cells: Bytes::new(rows, 0), swells: *swells }).collect();
    BatchBuilder::new(Arc::new(Schema::new(fields)), vec!["text".into(); swells.len()], limit, columns)
}

#[test]
fn the_limit_of_bytes_is_exceeded_by_less_than_a_row() {
    for bytes in [1, 50, 1_000, 1 << 20] {
        for length in [0, 1, 40, 7_000] {
            let mut batch = builder(BatchSize { rows: usize::MAX, bytes }, &[false, false]);
            let row = vec![b'a'; length];
            while !batch.is_full() {
                batch.push_row(&row).unwrap();
            }
            let (size, one) = (batch.size(), 2 * (length + 4));
            assert!(size >= bytes && size - bytes < one, "{bytes}, {length}: {size}");
            assert_eq!(batch.finish().unwrap().num_rows(), size / one);
            assert!(!batch.is_full() && batch.size() == 0);
        }
    }
}

#[test]
fn values_that_swell_end_a_batch_as_soon_as_they_fill_it() {
    let mut batch = builder(BatchSize { rows: usize::MAX, bytes: 4 << 20 }, &[false, true]);
    for _ in 0..2 {
        while !batch.is_full() {
            batch.push_row(b"x").unwrap();
        }
        let whole = batch.finish().unwrap();
        assert_eq!(whole.num_rows(), 5);
        assert_eq!(whole.column(1).as_string::<i32>().value(4).len(), 1_000_000);
    }
}

#[test]
fn rows_are_a_limit_too() {
    let mut batch = builder(BatchSize { rows: 2, bytes: usize::MAX }, &[false]);
    batch.push_row(b"a").unwrap();
    assert!(!batch.is_full());
    batch.push_row(b"b").unwrap();
    assert!(batch.is_full() && batch.rows() == 2);
}

#[test]
fn what_does_not_fit_is_named() {
    let mut batch = builder(BatchSize::default(), &[false]);
    let error = batch.push_row(b"!").unwrap_err();
    assert_eq!(error.category(), Category::Data);
    assert_eq!(error.message(), "column \"0\" of type \"text\" holds a \"!\"");
    assert_eq!(error.hint_text(), Some("leave \"0\" alone"));
    assert_eq!(batch.push_row(b"?").unwrap_err().message(), "no row");
    batch.push_row(b"\xff").unwrap();
    assert!(batch.finish().unwrap_err().message().contains("not UTF-8"));
}
