//! Checks of a foreign schema: before arrow reads it, and of the types that arrow made of it.

#![expect(unsafe_code, reason = "follows the pointers of a foreign schema, each after a check")]

use std::ffi::{CStr, c_char};

use arrow_schema::{DataType, Schema};

use super::super::RvArrowSchema;

/// How deep types may nest: more than anyone stores, and far less than the stack holds.
const MAX_DEPTH: u32 = 64;

/// Compares what arrow takes for granted when it reads a schema: it panics over a missing or unreadable format.
///
/// # Safety
/// `schema` must be NULL or point to a readable struct; its texts must end in NUL, and its `children` list must be as
/// long as its count says.
pub(in crate::abi) unsafe fn schema(schema: *const RvArrowSchema) -> Result<(), String> {
    // SAFETY: promised by the caller.
    match unsafe { schema.as_ref() } {
        Some(top) if top.release.is_none() => Err("the schema was released before".into()),
        // SAFETY: promised by the caller.
        top => unsafe { field(top, 0) },
    }
}

/// # Safety
/// As for [`schema`].
unsafe fn field(schema: Option<&RvArrowSchema>, depth: u32) -> Result<(), String> {
    let Some(schema) = schema else { return Err("a field is missing".into()) };
    if depth > MAX_DEPTH {
        return Err("its fields are nested too deep".into());
    }
    let is_text = |text: *const c_char| {
        // SAFETY: the caller promises texts that end in NUL.
        unsafe { CStr::from_ptr(text) }.to_str().is_ok()
    };
    if schema.format.is_null() || !is_text(schema.format) {
        return Err("a field has no readable format".into());
    }
    if !schema.name.is_null() && !is_text(schema.name) {
        return Err("the name of a field is not UTF-8".into());
    }
    let count = usize::try_from(schema.n_children).map_err(|_| "a field has a negative number of children")?;
    if count > 0 && schema.children.is_null() {
        return Err("a field has no list of children".into());
    }
    for i in 0..count {
        // SAFETY: the list is not null and as long as its count says.
        unsafe { field((*schema.children.add(i)).as_ref(), depth + 1)? };
    }
    // SAFETY: NULL or readable by the caller's promise.
    match unsafe { schema.dictionary.as_ref() } {
        // SAFETY: as above.
        Some(values) => unsafe { field(Some(values), depth + 1) },
        None => Ok(()),
    }
}

/// Refuses types that arrow takes as they are written although no array can have them.
pub(in crate::abi) fn types(schema: &Schema) -> Result<(), String> {
    match schema.fields().iter().find(|field| !is_possible(field.data_type())) {
        Some(field) => Err(format!("column \"{}\" has the impossible type {}", field.name(), field.data_type())),
        None => Ok(()),
    }
}

fn is_possible(data_type: &DataType) -> bool {
    match data_type {
        DataType::FixedSizeBinary(width) => *width >= 0,
        DataType::FixedSizeList(item, size) => *size >= 0 && is_possible(item.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => is_possible(item.data_type()),
        DataType::RunEndEncoded(ends, values) => ends.data_type().is_run_ends_type() && is_possible(values.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_possible(field.data_type())),
        DataType::Union(fields, _) => fields.iter().all(|(_, field)| is_possible(field.data_type())),
        DataType::Dictionary(keys, values) => keys.is_dictionary_key_type() && is_possible(values),
        _ => true,
    }
}
