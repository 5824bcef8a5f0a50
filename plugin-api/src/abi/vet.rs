//! Structural checks of a foreign array before arrow follows its pointers: about 10 ns a column, so always on.

#![expect(unsafe_code, reason = "follows the pointers of a foreign array, each after a check")]

use arrow_data::layout;
use arrow_schema::{DataType, Field, Schema};

use super::RvArrowArray;

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
    if top.n_buffers > 1 || top.null_count > 0 {
        return Err("rows of a batch cannot be null".into());
    }
    if top.offset != 0 && top.length < 0 {
        return Err("negative length".into());
    }
    // SAFETY: as above.
    unsafe { children(top, schema.fields(), "batch") }
}

/// # Safety
/// As for [`batch`].
unsafe fn children(array: &RvArrowArray, fields: &[std::sync::Arc<Field>], what: &str) -> Result<(), String> {
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
        if what == "batch" && child.length < array.length {
            return Err(format!("column \"{}\" has {} rows of {}", field.name(), child.length, array.length));
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
    let fits = |v: i64| (0..=i64::MAX / 2).contains(&v);
    if !fits(array.length) || !fits(array.offset) || array.null_count < -1 || array.null_count > array.length {
        return Err(format!("column \"{name}\" has an impossible length, offset or null count"));
    }
    let expected = buffer_count(field.data_type());
    if usize::try_from(array.n_buffers) != Ok(expected) && !is_view(field.data_type()) {
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
    match field.data_type() {
        // SAFETY: promised by the caller.
        DataType::Struct(fields) => unsafe { children(array, fields, &format!("column \"{name}\"")) },
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => {
            // SAFETY: promised by the caller.
            unsafe { children(array, std::slice::from_ref(item), &format!("column \"{name}\"")) }
        }
        DataType::Dictionary(_, _) if array.dictionary.is_null() => {
            Err(format!("column \"{name}\" lacks its dictionary"))
        }
        _ => Ok(()),
    }
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
