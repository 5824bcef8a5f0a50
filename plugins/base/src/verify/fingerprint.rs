//! A number for each cell of an array, made from its value alone: neither the encoding, such as a dictionary, nor what
//! lies beneath a NULL matters. Values of up to 64 bits are their own number.

use arrow_array::cast::AsArray;
use arrow_array::types::ByteArrayType;
use arrow_array::{Array, GenericByteArray, OffsetSizeTrait};
use arrow_schema::DataType;
use rivet_plugin_api::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

/// Stands for NULL: 64 bits of pi that no counter, date or bit pattern comes near.
const NULL: u64 = 0x243f_6a88_85a3_08d3;

/// A row's share in a sum, different for all rows.
pub(super) fn place(row: u64) -> u64 {
    // 2^64 divided by the golden ratio, which spreads adjacent numbers best.
    row.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Spreads a number over all 64 bits; different numbers stay different. It is the last step of MurmurHash3.
pub(super) fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    number = (number ^ (number >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ (number >> 33)
}

/// Appends the numbers of all cells of `array`.
pub(super) fn append(array: &dyn Array, out: &mut Vec<u64>) -> Result<()> {
    let start = out.len();
    match array.data_type() {
        DataType::Null => out.resize(start + array.len(), NULL),
        DataType::Boolean => out.extend(array.as_boolean().values().iter().map(u64::from)),
        DataType::Utf8 => texts(array.as_string::<i32>(), out),
        DataType::LargeUtf8 => texts(array.as_string::<i64>(), out),
        DataType::Utf8View => out.extend(rows(array).map(|row| xxh3_64(array.as_string_view().value(row).as_bytes()))),
        DataType::Binary => texts(array.as_binary::<i32>(), out),
        DataType::LargeBinary => texts(array.as_binary::<i64>(), out),
        DataType::BinaryView => out.extend(rows(array).map(|row| xxh3_64(array.as_binary_view().value(row)))),
        DataType::FixedSizeBinary(_) => {
            out.extend(rows(array).map(|row| xxh3_64(array.as_fixed_size_binary().value(row))));
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            sequences(lists.values(), lists.value_offsets(), out)?;
        }
        DataType::LargeList(_) => {
            let lists = array.as_list::<i64>();
            sequences(lists.values(), lists.value_offsets(), out)?;
        }
        DataType::Map(..) => sequences(array.as_map().entries(), array.as_map().value_offsets(), out)?,
        DataType::FixedSizeList(..) => {
            let lists = array.as_fixed_size_list();
            let offsets: Vec<i64> = (0..=array.len()).map(|row| row as i64 * i64::from(lists.value_length())).collect();
            let length = array.len() * lists.value_length() as usize;
            sequences(&lists.values().slice(lists.value_offset_at(0), length), &offsets, out)?;
        }
        DataType::Struct(_) => structures(array, out)?,
        DataType::Dictionary(..) => entries(array, out)?,
        _ => primitives(array, out)?,
    }
    if let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
        for (number, valid) in out[start..].iter_mut().zip(nulls.iter()) {
            *number = if valid { *number } else { NULL };
        }
    }
    Ok(())
}

fn rows(array: &dyn Array) -> std::ops::Range<usize> {
    0..array.len()
}

fn texts<T: ByteArrayType>(array: &GenericByteArray<T>, out: &mut Vec<u64>) {
    out.extend(rows(array).map(|row| xxh3_64(array.value(row).as_ref())));
}

/// By their bits, so that zeros of either sign and the kinds of NaN are told apart.
fn primitives(array: &dyn Array, out: &mut Vec<u64>) -> Result<()> {
    let Some(width) = array.data_type().primitive_width() else {
        return Err(Error::unsupported(format!("type \"{}\" cannot be validated", array.data_type()))
            .hint("run without `--validate`"));
    };
    let data = array.to_data();
    let values = &data.buffers()[0].as_slice()[data.offset() * width..][..array.len() * width];
    match width {
        1 => widen::<1>(values, out),
        2 => widen::<2>(values, out),
        4 => widen::<4>(values, out),
        8 => widen::<8>(values, out),
        _ => out.extend(values.chunks_exact(width).map(xxh3_64)),
    }
    Ok(())
}

fn widen<const WIDTH: usize>(values: &[u8], out: &mut Vec<u64>) {
    out.extend(values.as_chunks::<WIDTH>().0.iter().map(|value| {
        let mut wide = [0; 8];
        wide[..WIDTH].copy_from_slice(value);
        u64::from_le_bytes(wide)
    }));
}

/// Cells that are made of the elements from one offset to the next.
fn sequences<O: OffsetSizeTrait>(elements: &dyn Array, offsets: &[O], out: &mut Vec<u64>) -> Result<()> {
    let first = offsets.first().map_or(0, |offset| offset.as_usize());
    let last = offsets.last().map_or(0, |offset| offset.as_usize());
    let mut numbers = Vec::with_capacity(last - first);
    append(&elements.slice(first, last - first), &mut numbers)?;
    out.extend(offsets.windows(2).map(|ends| {
        let cell = &numbers[ends[0].as_usize() - first..ends[1].as_usize() - first];
        cell.iter().fold(cell.len() as u64, |number, element| mix(number ^ element))
    }));
    Ok(())
}

fn structures(array: &dyn Array, out: &mut Vec<u64>) -> Result<()> {
    let start = out.len();
    out.resize(start + array.len(), 0);
    let mut numbers = Vec::with_capacity(array.len());
    for field in array.as_struct().columns() {
        numbers.clear();
        append(field, &mut numbers)?;
        for (number, field) in out[start..].iter_mut().zip(&numbers) {
            *number = mix(*number ^ field);
        }
    }
    Ok(())
}

fn entries(array: &dyn Array, out: &mut Vec<u64>) -> Result<()> {
    let dictionary = array.as_any_dictionary();
    let mut numbers = Vec::with_capacity(dictionary.values().len());
    append(dictionary.values(), &mut numbers)?;
    if numbers.is_empty() {
        // There are only NULL keys, which normalized_keys refuses.
        out.resize(out.len() + array.len(), NULL);
    } else {
        out.extend(dictionary.normalized_keys().into_iter().map(|key| numbers[key]));
    }
    Ok(())
}
