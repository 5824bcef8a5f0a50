#![expect(unsafe_code, reason = "takes exported structs apart, as a reader in another language may")]

use std::sync::{Arc, Weak};

use arrow_array::types::{Decimal128Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Float64Array, Int64Array,
    LargeStringArray, ListArray, NullArray, PrimitiveArray, RecordBatch, StringArray, StringViewArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{Field, Schema, SchemaRef};

use super::{RvArrowArray, export_batch, import_batch};

/// Columns with and without children, with and without NULLs.
fn columns() -> Vec<ArrayRef> {
    let decimals = PrimitiveArray::<Decimal128Type>::from(vec![Some(1), None, Some(-3), Some(4)]);
    let lists = [Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(4)])];
    let inner: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("d")]));
    vec![
        Arc::new(Int64Array::from(vec![1, 2, 3, 4])),
        Arc::new(Float64Array::from(vec![Some(0.5), None, Some(f64::MAX), Some(-0.0)])),
        Arc::new(decimals.with_precision_and_scale(20, 2).unwrap()),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(3), Some(4)]).with_timezone("UTC")),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
        Arc::new(StringArray::from(vec![Some("one"), None, Some(""), Some("four")])),
        Arc::new(LargeStringArray::from(vec!["", "", "", ""])),
        Arc::new(BinaryArray::from(vec![Some(&b"\0"[..]), None, Some(b""), Some(b"\xff")])),
        Arc::new(FixedSizeBinaryArray::try_from_iter([[1, 2], [3, 4], [5, 6], [7, 8]].into_iter()).unwrap()),
        Arc::new(StringViewArray::from(vec![Some("short"), None, Some("longer than twelve bytes"), Some("")])),
        Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("x"), None, Some("y"), Some("x")])),
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)),
        Arc::new(StructArray::from(vec![(Arc::new(Field::new("s", inner.data_type().clone(), true)), inner)])),
        Arc::new(NullArray::new(4)),
    ]
}

fn batch() -> RecordBatch {
    let columns = columns();
    let field = |(i, column): (usize, &ArrayRef)| Field::new(format!("c{i}"), column.data_type().clone(), true);
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(SchemaRef::new(schema), columns).unwrap()
}

fn exported(batch: RecordBatch) -> RvArrowArray {
    let mut array = RvArrowArray::empty();
    // SAFETY: the array is writable.
    unsafe { export_batch(batch, &raw mut array) };
    array
}

#[test]
fn a_batch_crosses_unchanged_wherever_it_was_cut() {
    let whole = batch();
    for (from, rows) in [(0, 4), (0, 3), (1, 3), (3, 1), (2, 0), (4, 0)] {
        let part = whole.slice(from, rows);
        let mut array = exported(part.clone());
        // SAFETY: it was exported above.
        let back = unsafe { import_batch(&raw mut array, &whole.schema(), true) }.unwrap();
        assert_eq!(back, part, "{rows} rows from {from}");
    }
}

#[test]
fn every_struct_gives_its_memory_back_in_any_order() {
    let numbers = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let left: Weak<Int64Array> = Arc::downgrade(&numbers);
    let batch = RecordBatch::try_from_iter([("a", Arc::clone(&numbers) as ArrayRef), ("b", numbers as ArrayRef)]);
    let mut parent = exported(batch.unwrap());
    // SAFETY: the parent has two children; one is moved out of it as the interface allows, and each is released once.
    unsafe {
        let first = &mut **parent.children;
        let mut moved = std::ptr::read(first);
        first.release = None;
        let release = parent.release.unwrap();
        release(&raw mut parent);
        assert!(parent.release.is_none());
        assert!(left.upgrade().is_some(), "the moved child keeps the memory");
        let values = (*moved.buffers.add(1)).cast::<i64>();
        assert_eq!(std::slice::from_raw_parts(values, 3), [1, 2, 3]);
        let release = moved.release.unwrap();
        release(&raw mut moved);
        assert!(moved.release.is_none());
    }
    assert!(left.upgrade().is_none(), "nothing keeps it any longer");
}
