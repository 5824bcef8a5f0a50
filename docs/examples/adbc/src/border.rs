//! The way from the arrow of the ADBC crates to that of Rivet. They are different versions, whose Rust types do not fit;
//! what both speak is the Arrow C Data Interface, and through it no buffer is copied.

use adbc_core::error::{Error as AdbcError, Status};
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{Array as _, RecordBatch, StructArray};
use arrow_schema::{DataType, Schema};
use rivet_plugin_api::abi::arrow::{import_batch, import_schema};
use rivet_plugin_api::abi::{RvArrowArray, RvArrowSchema};
use rivet_plugin_api::arrow_array::RecordBatch as RivetBatch;
use rivet_plugin_api::arrow_schema::SchemaRef;
use rivet_plugin_api::{Error, Result};

// Both sides are the structs of the interface, which never change.
const _: () = {
    assert!(size_of::<FFI_ArrowSchema>() == size_of::<RvArrowSchema>());
    assert!(size_of::<FFI_ArrowArray>() == size_of::<RvArrowArray>());
};

/// The schema on Rivet's side. Types that no file format of Rivet takes are refused by the name of their column.
pub(crate) fn schema(schema: &Schema) -> Result<SchemaRef> {
    for field in schema.fields() {
        if let Some(odd) = odd_type(field.data_type()) {
            return Err(Error::data(format!(
                "column \"{}\" is of type {odd}, which has no place in a file",
                field.name()
            ))
            .hint("cast it in the query, or leave it out"));
        }
    }
    let mut exported = FFI_ArrowSchema::try_from(schema).map_err(|e| Error::internal(e.to_string()))?;
    // SAFETY: the struct is that of the C Data Interface, whole and ours; the import moves it out.
    unsafe { import_schema((&raw mut exported).cast()) }
}

/// A batch on Rivet's side. Its contents are checked: a driver is one more library that may err.
pub(crate) fn batch(batch: RecordBatch, schema: &SchemaRef) -> Result<RivetBatch> {
    let mut exported = FFI_ArrowArray::new(&StructArray::from(batch).to_data());
    // SAFETY: as above; arrow made it of a batch, so that its buffers are as long as its numbers say.
    unsafe { import_batch((&raw mut exported).cast(), schema, true) }
}

fn odd_type(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::Union(_, _)
        | DataType::RunEndEncoded(_, _)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Interval(_)
        | DataType::Float16 => Some(data_type),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => odd_type(item.data_type()),
        DataType::Struct(fields) => fields.iter().find_map(|field| odd_type(field.data_type())),
        DataType::Dictionary(_, values) => odd_type(values),
        _ => None,
    }
}

/// What went wrong in a stream. Its error is text alone, since the Arrow stream has no room for more.
pub(crate) fn stream_error(error: &arrow_schema::ArrowError) -> AdbcError {
    let text = error.to_string();
    let text = text.strip_prefix("C Data interface error: ").unwrap_or(&text);
    AdbcError::with_message_and_status(text, Status::Unknown)
}
