//! One lie each about arrays of the rarer types; the commoner ones are told by a plug-in in plain C.

#![expect(unsafe_code, reason = "changes exported arrays and schemas by pointer")]

use std::ffi::{CStr, CString};
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int32Array, ListArray, ListViewArray, RecordBatch,
    RunArray, StringViewArray, UnionArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, UnionFields};

use crate::abi::RvArrowArray;
use crate::abi::arrow::{export_batch, export_schema, import_batch, import_schema};

/// Exports `array` as the only column, lets `lie` change it, and imports the batch.
fn import(array: ArrayRef, lie: impl Fn(&mut RvArrowArray)) -> crate::Result<RecordBatch> {
    let field = Field::new("c", array.data_type().clone(), true);
    let schema = SchemaRef::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema.clone(), vec![array]).unwrap();
    let mut top = RvArrowArray::empty();
    // SAFETY: `top` is writable, and has one column after it; the import reads no further than its numbers allow, which
    // is what these tests are about.
    unsafe {
        export_batch(batch, &raw mut top);
        lie(&mut **top.children);
        import_batch(&raw mut top, &schema, true)
    }
}

fn is_refused(array: ArrayRef, why: &str, lie: impl Fn(&mut RvArrowArray)) {
    import(array.clone(), |_| ()).expect("the truth is taken");
    let error = import(array, lie).expect_err(why).to_string();
    assert!(error.contains(&format!("malformed batch: {why}")), "{error}");
}

/// Puts `value` in place of a buffer.
fn set_buffer<T>(array: &mut RvArrowArray, buffer: usize, value: *const T) {
    // SAFETY: the tests name buffers that the array has.
    unsafe { *array.buffers.add(buffer) = value.cast() };
}

#[test]
fn buffers_are_needed_by_an_empty_column_too() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(Vec::<Option<i32>>::new())]);
    is_refused(Arc::new(list), "column \"item\" lacks buffer 1", |c| {
        // SAFETY: such a column has one child.
        let numbers = unsafe { &mut **c.children };
        numbers.offset = 2;
        set_buffer::<i32>(numbers, 1, std::ptr::null());
    });
}

static NEGATIVE: i64 = -8;

/// Found by the fuzzer.
#[test]
fn the_one_offset_of_texts_without_rows_may_be_anything() {
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append(true);
    let batch = import(Arc::new(list.finish()), |c| {
        // SAFETY: such a column has one child.
        set_buffer(unsafe { &mut **c.children }, 1, &raw const IDLE);
    });
    assert_eq!(batch.unwrap().column(0).as_list::<i32>().value(0).len(), 0);
}

static IDLE: i32 = 29;

#[test]
fn views_name_the_sizes_of_their_buffers() {
    let texts = || Arc::new(StringViewArray::from(vec!["longer than twelve bytes"])) as ArrayRef;
    is_refused(texts(), "column \"c\" lacks the buffer of its offsets or sizes", |c| {
        set_buffer::<i64>(c, 3, std::ptr::null());
    });
    is_refused(texts(), "column \"c\" has an impossible size", |c| set_buffer(c, 3, &raw const NEGATIVE));
    is_refused(texts(), "column \"c\" lacks a data buffer", |c| set_buffer::<u8>(c, 2, std::ptr::null()));
    is_refused(texts(), "column \"c\" has 2 buffers", |c| c.n_buffers = 2);
}

#[test]
fn values_of_a_dictionary_are_looked_into() {
    let words = || Arc::new(DictionaryArray::<Int32Type>::from_iter(["a", "b", "a"])) as ArrayRef;
    is_refused(words(), "column \"c\" lacks its dictionary", |c| c.dictionary = std::ptr::null_mut());
    // SAFETY: such a column has a dictionary.
    is_refused(words(), "column \"c\" has an impossible length", |c| unsafe { (*c.dictionary).length = -1 });
    // SAFETY: as above.
    is_refused(words(), "column \"c\" has 2 buffers", |c| unsafe { (*c.dictionary).n_buffers = 2 });
}

#[test]
fn lists_of_every_kind_have_their_children() {
    let rows = || vec![Some(vec![Some(1), Some(2)]), None, Some(vec![])];
    let list = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows())) as ArrayRef;
    is_refused(list, "column \"c\" has 0 columns, its schema has 1", |c| c.n_children = 0);
    let views = || Arc::new(ListViewArray::from_iter_primitive::<Int32Type, _, _>(rows())) as ArrayRef;
    is_refused(views(), "column \"c\" has 0 columns, its schema has 1", |c| c.n_children = 0);
    is_refused(views(), "column \"c\" lacks buffer 2", |c| set_buffer::<i32>(c, 2, std::ptr::null()));
    let pairs = vec![Some(vec![Some(1), Some(2)]), Some(vec![Some(3), Some(4)])];
    let fixed = arrow_array::FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(pairs, 2);
    // SAFETY: such a column has one child.
    is_refused(Arc::new(fixed), "column \"item\" has 3 rows of 4", |c| unsafe { (**c.children).length = 3 });
}

#[test]
fn unions_and_runs_have_their_children() {
    let fields = UnionFields::try_new([0], [Field::new("n", DataType::Int32, true)]).unwrap();
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let union = UnionArray::try_new(fields, vec![0, 0].into(), None, vec![numbers.clone()]).unwrap();
    // SAFETY: such a column has one child.
    is_refused(Arc::new(union), "column \"n\" has 1 rows of 2", |c| unsafe { (**c.children).length = 1 });
    let runs = RunArray::try_new(&Int32Array::from(vec![2, 5]), numbers.as_ref()).unwrap();
    is_refused(Arc::new(runs), "column \"c\" has 1 columns, its schema has 2", |c| c.n_children = 1);
}

#[test]
fn sizes_that_overflow_are_refused() {
    let bytes = FixedSizeBinaryArray::try_from_iter([vec![0; 4]].into_iter()).unwrap();
    let schema = SchemaRef::new(Schema::new(vec![Field::new("c", DataType::FixedSizeBinary(i32::MAX), true)]));
    let batch = RecordBatch::try_from_iter([("c", Arc::new(bytes) as ArrayRef)]).unwrap();
    let mut top = RvArrowArray::empty();
    // SAFETY: as in `import`.
    let outcome = unsafe {
        export_batch(batch, &raw mut top);
        (top.length, (**top.children).length) = (i32::MAX.into(), i32::MAX.into());
        import_batch(&raw mut top, &schema, true)
    };
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("column \"c\" has an impossible offset or width"), "{error}");
}

/// Imports a schema of one field, whose format is `format`, without children.
fn import_format(format: &CStr) -> crate::Result<SchemaRef> {
    let schema = Schema::new(vec![Field::new("c", DataType::Int32, true)]);
    let mut top = crate::abi::RvArrowSchema::empty();
    // SAFETY: `top` is writable and has one field after it, whose format is a `CString` that its release frees.
    unsafe {
        export_schema(&schema, &raw mut top).unwrap();
        let field = &mut **top.children;
        drop(CString::from_raw(field.format.cast_mut()));
        field.format = format.to_owned().into_raw();
        import_schema(&raw mut top)
    }
}

#[test]
fn schemas_with_impossible_types_are_refused() {
    for (format, why) in [
        (c"w:-5", "column \"c\" has the impossible type"),
        (c"+l", "malformed schema"),
        (c"+w:3", "malformed schema"),
        (c"+r", "malformed schema"),
        (c"+m", "malformed schema"),
    ] {
        let error = import_format(format).expect_err(why).to_string();
        assert!(error.contains(why), "{format:?}: {error}");
    }
}
