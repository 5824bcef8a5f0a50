//! Checks of the sizes that arrow reads from a foreign array's buffers and takes for granted.

#![expect(unsafe_code, reason = "reads the buffers of a foreign array, each after a check")]

use arrow_schema::DataType;

use super::super::RvArrowArray;

/// Looks at what tells arrow how long the data of a column of `rows` is, its offset included: the last of its offsets,
/// the list of a view's sizes, or the width of a value. A negative one would make a buffer without an end.
///
/// # Safety
/// The column must have a list of as many buffers as its type, and those that are not NULL must be as long as its
/// numbers say.
pub(super) unsafe fn sizes(array: &RvArrowArray, data_type: &DataType, rows: i64) -> Result<(), &'static str> {
    let last = match data_type {
        DataType::Utf8 | DataType::Binary | DataType::List(_) | DataType::Map(_, _) if rows > 0 => {
            // SAFETY: such a column has an offset for each row, and one more.
            unsafe { number::<i32>(array, 1, rows) }.map(i64::from)
        }
        DataType::LargeUtf8 | DataType::LargeBinary | DataType::LargeList(_) if rows > 0 => {
            // SAFETY: as above.
            unsafe { number::<i64>(array, 1, rows) }
        }
        DataType::Utf8View | DataType::BinaryView => {
            // Validity, views, any number of data buffers, and the list of their sizes.
            let (list, count) = (array.n_buffers - 1, array.n_buffers - 3);
            // SAFETY: the list has a number for each data buffer.
            return (0..count).try_for_each(|i| match unsafe { number::<i64>(array, list, i) }? {
                // SAFETY: the column has as many buffers.
                size if size > 0 && unsafe { pointer(array, i + 2) }.is_null() => Err("lacks a data buffer"),
                size if is_size(size) => Ok(()),
                _ => Err("has an impossible size of a data buffer"),
            });
        }
        DataType::FixedSizeBinary(width) => Ok(rows.saturating_mul(i64::from(*width).saturating_mul(8))),
        DataType::FixedSizeList(_, size) => Ok(rows.saturating_mul(i64::from(*size))),
        _ => return Ok(()),
    };
    if is_size(last?) { Ok(()) } else { Err("has an impossible offset or width") }
}

/// Half of what a number can hold, so that two can be added.
fn is_size(v: i64) -> bool {
    (0..=i64::MAX / 2).contains(&v)
}

/// # Safety
/// The column must have such a buffer in its list.
unsafe fn pointer(array: &RvArrowArray, buffer: i64) -> *const std::ffi::c_void {
    // SAFETY: promised by the caller.
    unsafe { *array.buffers.offset(buffer as isize) }
}

/// The number at `index` of a buffer.
///
/// # Safety
/// The buffer must be in the column's list, and be NULL or hold as many numbers.
unsafe fn number<T: Copy>(array: &RvArrowArray, buffer: i64, index: i64) -> Result<T, &'static str> {
    // SAFETY: promised by the caller.
    let start = unsafe { pointer(array, buffer) }.cast::<T>();
    if start.is_null() {
        return Err("lacks the buffer of its offsets or sizes");
    }
    if !start.is_aligned() {
        return Err("has offsets or sizes that are not aligned");
    }
    // SAFETY: neither NULL nor misaligned, and as long as the caller promises.
    Ok(unsafe { *start.offset(index as isize) })
}
