//! Structural checks of foreign arrays and schemas before arrow follows their pointers: about 10 ns a column, so
//! always on.

#![expect(unsafe_code, reason = "follows the pointers of a foreign array, each after a check")]

use std::ffi::{CStr, c_char};

use arrow_data::layout;
use arrow_schema::{DataType, Field, FieldRef, Schema};

use super::{RvArrowArray, RvArrowSchema};

/// How deep types may nest: more than anyone stores, and far less than the stack holds.
const MAX_DEPTH: u32 = 64;

/// Compares what arrow takes for granted when it reads a schema: it panics over a missing or unreadable format.
///
/// # Safety
/// `schema` must be NULL or point to a readable struct; its texts must end in NUL, and its `children` list must be as
/// long as its count says.
pub(super) unsafe fn schema(schema: *const RvArrowSchema) -> Result<(), String> {
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

/// Compares what can be compared without reading data.
///
/// # Safety
/// `array` must be NULL or point to a readable struct, and so must the pointers in its `children` and `buffers` lists
/// when its counts say that they exist.
pub(super) unsafe fn batch(array: *const RvArrowArray, schema: &Schema) -> Result<(), String> {
    // SAFETY: promised by the caller.
    let Some(top) = (unsafe { array.as_ref() }) else { return Err("no array".into()) };
    if top.release.is_none() {
        return Err("the array was released before".into());
    }
    // SAFETY: the count says that the list has an entry.
    let has_validity = top.n_buffers == 1 && !top.buffers.is_null() && unsafe { !(*top.buffers).is_null() };
    if top.n_buffers > 1 || top.null_count > 0 || (has_validity && top.null_count != 0) {
        return Err("rows of a batch cannot be null".into());
    }
    if !fits(top.length) || !fits(top.offset) {
        return Err("the batch has an impossible length or offset".into());
    }
    // SAFETY: as above.
    unsafe { children(top, schema.fields(), true, "batch") }
}

/// # Safety
/// As for [`batch`].
unsafe fn children(array: &RvArrowArray, fields: &[FieldRef], of_struct: bool, what: &str) -> Result<(), String> {
    if usize::try_from(array.n_children) != Ok(fields.len()) {
        return Err(format!("{what} has {} columns, its schema has {}", array.n_children, fields.len()));
    }
    for (i, field) in fields.iter().enumerate() {
        if array.children.is_null() {
            return Err(format!("{what} has no list of columns"));
        }
        // SAFETY: the count was compared above and the list is not null.
        let Some(child) = (unsafe { (*array.children.add(i)).as_ref() }) else {
            return Err(format!("column \"{}\" is missing", field.name()));
        };
        // A struct's children have a row for each of its own; the sum cannot overflow, since both were vetted.
        let rows = array.offset + array.length;
        if of_struct && child.length < rows {
            return Err(format!("column \"{}\" has {} rows of {rows}", field.name(), child.length));
        }
        // SAFETY: as above.
        unsafe { column(child, field)? };
    }
    Ok(())
}

/// # Safety
/// As for [`batch`].
unsafe fn column(array: &RvArrowArray, field: &Field) -> Result<(), String> {
    let name = field.name();
    if !fits(array.length) || !fits(array.offset) || array.null_count < -1 || array.null_count > array.length {
        return Err(format!("column \"{name}\" has an impossible length, offset or null count"));
    }
    let expected = buffer_count(field.data_type());
    // A view column has any number of data buffers and ends in a list of their sizes.
    let right = match usize::try_from(array.n_buffers) {
        Ok(count) if is_view(field.data_type()) => count > expected,
        count => count == Ok(expected),
    };
    if !right {
        return Err(format!("column \"{name}\" has {} buffers, {} has {expected}", array.n_buffers, field.data_type()));
    }
    if expected > 0 && array.buffers.is_null() {
        return Err(format!("column \"{name}\" has no list of buffers"));
    }
    let first_data = usize::from(has_validity(field.data_type()));
    for i in 0..expected {
        // SAFETY: the list is not null and the count was compared above.
        let buffer = unsafe { *array.buffers.add(i) };
        let may_be_null = i < first_data && array.null_count <= 0;
        // The last buffer of a variable-length column may be absent when it has no bytes; arrow reads its offsets first.
        let empty = array.length == 0 || (expected == 3 && i == 2);
        if buffer.is_null() && !may_be_null && !empty {
            return Err(format!("column \"{name}\" lacks buffer {i}"));
        }
    }
    // SAFETY: the lists and buffers were compared above.
    unsafe { last_offset(array, field)? };
    match field.data_type() {
        // SAFETY: promised by the caller.
        DataType::Struct(fields) => unsafe { children(array, fields, true, &format!("column \"{name}\"")) },
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => {
            // SAFETY: promised by the caller.
            unsafe { children(array, std::slice::from_ref(item), false, &format!("column \"{name}\"")) }
        }
        DataType::Dictionary(_, _) if array.dictionary.is_null() => {
            Err(format!("column \"{name}\" lacks its dictionary"))
        }
        _ => Ok(()),
    }
}

/// Looks at the offset by which arrow tells how long the data of a column is: it takes what it reads there for granted.
///
/// # Safety
/// As for [`batch`]; the column must have a list of as many buffers as its type.
unsafe fn last_offset(array: &RvArrowArray, field: &Field) -> Result<(), String> {
    let width = match field.data_type() {
        DataType::Utf8 | DataType::Binary | DataType::List(_) | DataType::Map(_, _) => size_of::<i32>(),
        DataType::LargeUtf8 | DataType::LargeBinary | DataType::LargeList(_) => size_of::<i64>(),
        _ => return Ok(()),
    };
    let name = field.name();
    // SAFETY: such a column has at least two buffers.
    let offsets = unsafe { *array.buffers.add(1) };
    let last = (array.offset + array.length) as usize;
    if offsets.is_null() || last == 0 {
        return if last == 0 { Ok(()) } else { Err(format!("column \"{name}\" lacks buffer 1")) };
    }
    if !offsets.addr().is_multiple_of(width) {
        return Err(format!("column \"{name}\" has offsets that are not aligned"));
    }
    // SAFETY: aligned, and the caller promises as many offsets as there are rows, and one more.
    let value = unsafe {
        if width == size_of::<i32>() {
            i64::from(*offsets.cast::<i32>().add(last))
        } else {
            *offsets.cast::<i64>().add(last)
        }
    };
    if fits_in_memory(value) { Ok(()) } else { Err(format!("column \"{name}\" has an impossible offset")) }
}

/// Whether `v` can be a length or an offset: more rows than this come in no batch.
fn fits(v: i64) -> bool {
    (0..=i64::from(i32::MAX)).contains(&v)
}

fn fits_in_memory(v: i64) -> bool {
    (0..=i64::MAX / 2).contains(&v)
}

fn has_validity(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Null | DataType::Union(_, _) | DataType::RunEndEncoded(_, _))
}

fn is_view(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8View | DataType::BinaryView)
}

fn buffer_count(data_type: &DataType) -> usize {
    layout(data_type).buffers.len() + usize::from(has_validity(data_type))
}
