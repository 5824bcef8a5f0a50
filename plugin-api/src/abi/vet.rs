//! Structural checks of foreign arrays and schemas before arrow follows their pointers: about 10 ns a column, so
//! always on.

#![expect(unsafe_code, reason = "follows the pointers of a foreign array, each after a check")]

mod schema;
mod sizes;
#[cfg(test)]
mod tests;

use arrow_data::layout;
use arrow_schema::{DataType, FieldRef, Schema, UnionMode};

use super::RvArrowArray;
pub(super) use schema::{schema, types};

/// Compares what can be compared without reading data, but for the numbers that say how long the data is.
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
    if !(0..=1).contains(&top.n_buffers) || top.null_count > 0 || (has_validity && top.null_count != 0) {
        return Err("rows of a batch cannot be null".into());
    }
    if !fits(top.length) || !fits(top.offset) {
        return Err("the batch has an impossible length or offset".into());
    }
    // SAFETY: as above.
    unsafe { children(top, schema.fields(), Some(top.offset + top.length), || "batch".into()) }
}

/// Each child needs at least `rows`, where its parent has no offsets that say which of them it uses.
///
/// # Safety
/// As for [`batch`].
unsafe fn children<'a>(
    array: &RvArrowArray,
    fields: impl IntoIterator<Item = &'a FieldRef, IntoIter: ExactSizeIterator>,
    rows: Option<i64>,
    what: impl Fn() -> String,
) -> Result<(), String> {
    let fields = fields.into_iter();
    if usize::try_from(array.n_children) != Ok(fields.len()) {
        return Err(format!("{} has {} columns, its schema has {}", what(), array.n_children, fields.len()));
    }
    for (i, field) in fields.enumerate() {
        let name = field.name();
        if array.children.is_null() {
            return Err(format!("{} has no list of columns", what()));
        }
        // SAFETY: the count was compared above and the list is not null.
        let Some(child) = (unsafe { (*array.children.add(i)).as_ref() }) else {
            return Err(format!("column \"{name}\" is missing"));
        };
        if let Some(rows) = rows.filter(|rows| child.length < *rows) {
            return Err(format!("column \"{name}\" has {} rows of {rows}", child.length));
        }
        // SAFETY: as above.
        unsafe { column(child, name, field.data_type())? };
    }
    Ok(())
}

/// # Safety
/// As for [`batch`].
unsafe fn column(array: &RvArrowArray, name: &str, data_type: &DataType) -> Result<(), String> {
    if !fits(array.length) || !fits(array.offset) || array.null_count < -1 || array.null_count > array.length {
        return Err(format!("column \"{name}\" has an impossible length, offset or null count"));
    }
    // Both were vetted, so that the sum cannot overflow.
    let rows = array.offset + array.length;
    let expected = buffer_count(data_type);
    // A view column has any number of data buffers and ends in a list of their sizes.
    let right = match usize::try_from(array.n_buffers) {
        Ok(count) if is_view(data_type) => count > expected,
        count => count == Ok(expected),
    };
    if !right {
        return Err(format!("column \"{name}\" has {} buffers, {data_type} has {expected}", array.n_buffers));
    }
    if expected > 0 && array.buffers.is_null() {
        return Err(format!("column \"{name}\" has no list of buffers"));
    }
    let first_data = usize::from(has_validity(data_type));
    for i in 0..expected {
        // SAFETY: the list is not null and the count was compared above.
        let buffer = unsafe { *array.buffers.add(i) };
        let may_be_null = i < first_data && array.null_count <= 0;
        // The last buffer of a variable-length column may be absent when it has no bytes; arrow reads its offsets first.
        let empty = rows == 0 || (expected == 3 && i == 2 && !is_list_view(data_type));
        if buffer.is_null() && !may_be_null && !empty {
            return Err(format!("column \"{name}\" lacks buffer {i}"));
        }
    }
    // SAFETY: the list has as many buffers as the type.
    unsafe { sizes::sizes(array, data_type, rows) }.map_err(|why| format!("column \"{name}\" {why}"))?;
    // SAFETY: promised by the caller.
    unsafe { nested(array, name, data_type, rows) }
}

/// What is inside of a column.
///
/// # Safety
/// As for [`batch`].
unsafe fn nested(array: &RvArrowArray, name: &str, data_type: &DataType, rows: i64) -> Result<(), String> {
    let what = || format!("column \"{name}\"");
    // SAFETY: promised by the caller.
    let of = |list: &[&FieldRef], rows| unsafe { children(array, list.iter().copied(), rows, what) };
    match data_type {
        // SAFETY: promised by the caller.
        DataType::Struct(fields) => unsafe { children(array, fields, Some(rows), what) },
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => of(&[item], None),
        // The product was compared with what a number can hold.
        DataType::FixedSizeList(item, size) => of(&[item], Some(rows * i64::from(*size))),
        DataType::RunEndEncoded(ends, values) => of(&[ends, values], None),
        DataType::Union(fields, mode) => {
            let rows = (*mode == UnionMode::Sparse).then_some(rows);
            of(&fields.iter().map(|(_, field)| field).collect::<Vec<_>>(), rows)
        }
        // SAFETY: promised by the caller.
        DataType::Dictionary(_, values) => match unsafe { array.dictionary.as_ref() } {
            // SAFETY: as above.
            Some(dictionary) => unsafe { column(dictionary, name, values) },
            None => Err(format!("{} lacks its dictionary", what())),
        },
        _ => Ok(()),
    }
}

/// Whether `v` can be a length or an offset: more rows than this come in no batch.
fn fits(v: i64) -> bool {
    (0..=i64::from(i32::MAX)).contains(&v)
}

fn has_validity(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Null | DataType::Union(_, _) | DataType::RunEndEncoded(_, _))
}

fn is_view(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8View | DataType::BinaryView)
}

fn is_list_view(data_type: &DataType) -> bool {
    matches!(data_type, DataType::ListView(_) | DataType::LargeListView(_))
}

fn buffer_count(data_type: &DataType) -> usize {
    layout(data_type).buffers.len() + usize::from(has_validity(data_type))
}
