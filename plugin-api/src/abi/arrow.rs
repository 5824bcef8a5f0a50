//! The Arrow C Data Interface as structs of our own, so that the contract names no version of arrow.

#![expect(unsafe_code, reason = "the structs of the Arrow C Data Interface are moved by pointer")]

mod export;
#[cfg(test)]
mod tests;

use std::ffi::{c_char, c_void};

use abi_stable::StableAbi;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{RecordBatch, StructArray};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};

use crate::{Error, Result};

/// `ArrowSchema` of the Arrow C Data Interface.
#[repr(C)]
#[derive(StableAbi)]
pub struct RvArrowSchema {
    /// Type, in Arrow's format strings.
    pub format: *const c_char,
    /// Field name.
    pub name: *const c_char,
    /// Key-value metadata.
    pub metadata: *const c_char,
    /// Nullable, dictionary-ordered, keys-sorted.
    pub flags: i64,
    /// Number of `children`.
    pub n_children: i64,
    /// Child fields.
    pub children: *mut *mut RvArrowSchema,
    /// Value type of a dictionary.
    pub dictionary: *mut RvArrowSchema,
    /// Frees the struct's contents; NULL once released.
    pub release: Option<extern "C" fn(*mut RvArrowSchema)>,
    /// For `release`.
    pub private_data: *mut c_void,
}

/// `ArrowArray` of the Arrow C Data Interface.
#[repr(C)]
#[derive(StableAbi)]
pub struct RvArrowArray {
    /// Rows.
    pub length: i64,
    /// NULLs among them, or -1 when not counted.
    pub null_count: i64,
    /// Rows to skip in the buffers.
    pub offset: i64,
    /// Number of `buffers`.
    pub n_buffers: i64,
    /// Number of `children`.
    pub n_children: i64,
    /// Buffers, by type.
    pub buffers: *mut *const c_void,
    /// Child arrays.
    pub children: *mut *mut RvArrowArray,
    /// Values of a dictionary.
    pub dictionary: *mut RvArrowArray,
    /// Frees the struct's contents; NULL once released.
    pub release: Option<extern "C" fn(*mut RvArrowArray)>,
    /// For `release`.
    pub private_data: *mut c_void,
}

const _: () = {
    assert!(size_of::<RvArrowSchema>() == size_of::<FFI_ArrowSchema>());
    assert!(align_of::<RvArrowSchema>() == align_of::<FFI_ArrowSchema>());
    assert!(size_of::<RvArrowArray>() == size_of::<FFI_ArrowArray>());
    assert!(align_of::<RvArrowArray>() == align_of::<FFI_ArrowArray>());
};

impl RvArrowSchema {
    /// A released schema, for the other side to fill.
    pub fn empty() -> Self {
        // SAFETY: every field is a number or a nullable pointer, for which zero is valid, and means "released".
        unsafe { std::mem::zeroed() }
    }
}

impl RvArrowArray {
    /// A released array, for the other side to fill.
    pub fn empty() -> Self {
        // SAFETY: as for the schema.
        unsafe { std::mem::zeroed() }
    }
}

/// Moves `schema` to `out`, which takes over its release.
///
/// # Safety
/// `out` must be valid for writes; what it held is overwritten without release.
pub unsafe fn export_schema(schema: &Schema, out: *mut RvArrowSchema) -> Result<()> {
    let ffi = FFI_ArrowSchema::try_from(schema)?;
    // SAFETY: both structs are the C Data Interface's (sizes asserted above); the caller promises a valid `out`.
    unsafe { out.cast::<FFI_ArrowSchema>().write(ffi) };
    Ok(())
}

/// Takes `schema` over and reads it.
///
/// # Safety
/// `schema` must point to a schema that keeps the rules of the C Data Interface; it is released by this call.
pub unsafe fn import_schema(schema: *mut RvArrowSchema) -> Result<SchemaRef> {
    // SAFETY: the caller promises a schema; only its own fields are followed.
    if let Err(why) = unsafe { super::vet::schema(schema) } {
        // Leaked, as a batch that lies about itself is.
        return Err(Error::internal(format!("malformed schema: {why}")));
    }
    // SAFETY: `from_raw` moves the struct out and marks the original as released; layouts are equal.
    let ffi = unsafe { FFI_ArrowSchema::from_raw(schema.cast()) };
    let malformed = |why: String| Error::internal(format!("malformed schema: {why}"));
    // arrow asserts that a type has the children it needs.
    let converted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Schema::try_from(&ffi)));
    let schema = converted.map_err(|_| malformed("a field lacks what its type needs".into()))??;
    super::vet::types(&schema).map_err(malformed)?;
    Ok(SchemaRef::new(schema))
}

/// Moves `batch` to `out` as a struct array, without copying a buffer.
///
/// # Safety
/// `out` must be valid for writes; what it held is overwritten without release.
pub unsafe fn export_batch(batch: RecordBatch, out: *mut RvArrowArray) {
    // SAFETY: the caller promises a valid `out`.
    unsafe { out.write(export::export(batch)) };
}

/// Takes `array` over as a batch of `schema`, without copying a buffer. `full` also checks offsets and UTF-8.
///
/// # Safety
/// `array` must point to an array whose buffers are as long as its own numbers say. What numbers can show is checked
/// here: a wrong number of children or buffers, negative lengths, missing buffers.
pub unsafe fn import_batch(array: *mut RvArrowArray, schema: &SchemaRef, full: bool) -> Result<RecordBatch> {
    // SAFETY: the caller promises a valid array; only its own fields are followed.
    if let Err(why) = unsafe { super::vet::batch(array, schema) } {
        // An array that lies about itself is leaked: its release callback is not trusted either.
        return Err(Error::internal(format!("malformed batch: {why}")));
    }
    // SAFETY: `from_raw` moves the struct out and marks the original as released; layouts are equal.
    let ffi = unsafe { FFI_ArrowArray::from_raw(array.cast()) };
    // arrow asserts what the vetting does not know, such as the children of its rarer types.
    let converted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let data_type = DataType::Struct(schema.fields().clone());
        // SAFETY: the vetting above has compared children and buffers with this very type.
        let mut data = unsafe { arrow_array::ffi::from_ffi_and_data_type(ffi, data_type) }?;
        if full {
            if has_idle_offset(&data) {
                data = without_idle_offsets(data);
            }
            data.validate_full()?;
        }
        let rows = data.len();
        let (_, columns, nulls) = StructArray::from(data).into_parts();
        if nulls.is_some_and(|nulls| nulls.null_count() > 0) {
            return Err(ArrowError::InvalidArgumentError("rows of a batch cannot be null".into()));
        }
        // Comparing every field once more would take a tenth of the whole import.
        // SAFETY: the columns were converted by the fields of this very schema, and a struct's columns have its length.
        Ok(unsafe { RecordBatch::new_unchecked(schema.clone(), columns, rows) })
    }));
    let malformed = |why: String| Error::internal(format!("malformed batch: {why}"));
    match converted {
        Ok(batch) => batch.map_err(|e| malformed(e.to_string())),
        Err(_) => Err(malformed("its structure is not that of its schema".into())),
    }
}

/// Texts without rows have one offset, which may be anything. arrow gives them no values, and would then find the offset
/// beyond these.
fn without_idle_offsets(data: ArrayData) -> ArrayData {
    if is_idle(&data) {
        return ArrayData::new_empty(data.data_type());
    }
    if data.child_data().is_empty() {
        return data;
    }
    let children = data.child_data().iter().cloned().map(without_idle_offsets).collect();
    // SAFETY: every child is what it was; those without rows have none as before.
    unsafe { data.into_builder().child_data(children).build_unchecked() }
}

/// Almost no batch has such a column, and none is taken apart without.
fn has_idle_offset(data: &ArrayData) -> bool {
    is_idle(data) || data.child_data().iter().any(has_idle_offset)
}

fn is_idle(data: &ArrayData) -> bool {
    let is_text =
        matches!(data.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary);
    is_text && data.is_empty() && data.offset() == 0
}
