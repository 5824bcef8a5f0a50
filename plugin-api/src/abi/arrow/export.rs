//! A batch as a struct array of the C Data Interface: some allocations for the whole of it, where the conversion of the
//! arrow crates takes a dozen for each column.

#![expect(unsafe_code, reason = "released structs give back what their private data points to")]

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::types::ByteArrayType;
use arrow_array::{Array, ArrayRef, GenericByteArray, RecordBatch, downcast_primitive_array};
use arrow_schema::DataType;

use super::RvArrowArray;

/// Pointers to validity, offsets and values; no type of [`plain`] has more. A count of 0 leaves the column to arrow.
struct Buffers {
    list: [*const c_void; 3],
    count: usize,
}

impl Buffers {
    const NONE: Self = Self { list: [ptr::null(); 3], count: 0 };
}

/// What the structs of a batch point to. Each of them holds a count of it, since a reader may move a child out of its
/// parent and keep it for longer.
struct Exported {
    buffers: Box<[Buffers]>,
    children: Box<[UnsafeCell<RvArrowArray>]>,
    list: Box<[*mut RvArrowArray]>,
    /// The parent's only buffer: rows of a batch are never null.
    no_validity: *const c_void,
    /// Keeps the memory that `buffers` points to.
    columns: Vec<ArrayRef>,
}

// SAFETY: the columns may go to any thread, and so may the pointers into them and into the struct itself. The children
// are touched by whoever holds the parent only, which is one thread at a time by the rules of the interface.
unsafe impl Send for Exported {}
// SAFETY: as above; nothing but the count is used by two holders at once.
unsafe impl Sync for Exported {}

/// The struct array of `batch`, whose buffers are the batch's own.
pub(super) fn export(batch: RecordBatch) -> RvArrowArray {
    let rows = batch.num_rows();
    let (_, columns, _) = batch.into_parts();
    let children: Box<[_]> = columns.iter().map(|_| UnsafeCell::new(RvArrowArray::empty())).collect();
    let exported = Arc::new(Exported {
        buffers: columns.iter().map(|column| plain(column).unwrap_or(Buffers::NONE)).collect(),
        list: children.iter().map(UnsafeCell::get).collect(),
        children,
        no_validity: ptr::null(),
        columns,
    });
    for (i, child) in exported.children.iter().enumerate() {
        let array = if exported.buffers[i].count == 0 { other(&exported.columns[i]) } else { child_of(&exported, i) };
        // SAFETY: nobody else knows of the child yet.
        unsafe { *child.get() = array };
    }
    RvArrowArray {
        length: rows as i64,
        null_count: 0,
        offset: 0,
        n_buffers: 1,
        n_children: exported.list.len() as i64,
        buffers: (&raw const exported.no_validity).cast_mut(),
        children: exported.list.as_ptr().cast_mut(),
        dictionary: ptr::null_mut(),
        release: Some(release_parent),
        private_data: Arc::into_raw(exported).cast_mut().cast(),
    }
}

fn child_of(exported: &Arc<Exported>, i: usize) -> RvArrowArray {
    let (column, buffers) = (&exported.columns[i], &exported.buffers[i]);
    RvArrowArray {
        length: column.len() as i64,
        null_count: column.null_count() as i64,
        offset: 0,
        n_buffers: buffers.count as i64,
        n_children: 0,
        buffers: buffers.list.as_ptr().cast_mut(),
        children: ptr::null_mut(),
        dictionary: ptr::null_mut(),
        release: Some(release_child),
        private_data: Arc::into_raw(Arc::clone(exported)).cast_mut().cast(),
    }
}

/// A nested or rare column, or one whose bits do not begin with a byte.
fn other(column: &dyn Array) -> RvArrowArray {
    let array = FFI_ArrowArray::new(&column.to_data());
    // SAFETY: both are the struct of the C Data Interface, which the new one is moved to.
    unsafe { std::mem::transmute::<FFI_ArrowArray, RvArrowArray>(array) }
}

/// The buffers of a column that has no children, from its first row on.
fn plain(column: &dyn Array) -> Option<Buffers> {
    let validity = match column.nulls() {
        None => ptr::null(),
        Some(nulls) if nulls.offset() == 0 => nulls.buffer().as_ptr(),
        Some(_) => return None,
    };
    let data = downcast_primitive_array!(
        column => [column.values().inner().as_ptr(), ptr::null()],
        DataType::Boolean => {
            let bits = column.as_boolean().values();
            if bits.offset() != 0 {
                return None;
            }
            [bits.inner().as_ptr(), ptr::null()]
        },
        DataType::Utf8 => bytes(column.as_string::<i32>()),
        DataType::LargeUtf8 => bytes(column.as_string::<i64>()),
        DataType::Binary => bytes(column.as_binary::<i32>()),
        DataType::LargeBinary => bytes(column.as_binary::<i64>()),
        _ => return None,
    );
    let list = [validity, data[0], data[1]].map(<*const u8>::cast);
    Some(Buffers { list, count: 2 + usize::from(!data[1].is_null()) })
}

fn bytes<T: ByteArrayType>(column: &GenericByteArray<T>) -> [*const u8; 2] {
    [column.offsets().inner().inner().as_ptr(), column.values().as_ptr()]
}

/// Gives back the count that a struct holds, and marks it as released.
///
/// # Safety
/// `array` must be a struct that [`export`] made, wherever it was moved to, and be released for the first time.
unsafe fn take(array: *mut RvArrowArray) -> Arc<Exported> {
    // SAFETY: promised by the caller; each struct was given a count of its own.
    unsafe {
        (*array).release = None;
        Arc::from_raw((*array).private_data.cast_const().cast())
    }
}

extern "C" fn release_child(array: *mut RvArrowArray) {
    // SAFETY: the C Data Interface has the callback called once, with the struct that holds it.
    drop(unsafe { take(array) });
}

extern "C" fn release_parent(array: *mut RvArrowArray) {
    // SAFETY: as for a child.
    let exported = unsafe { take(array) };
    for child in &exported.children {
        // SAFETY: the parent's holder releases the children that were not moved; `exported` keeps them meanwhile.
        if let Some(release) = unsafe { (*child.get()).release } {
            release(child.get());
        }
    }
}
