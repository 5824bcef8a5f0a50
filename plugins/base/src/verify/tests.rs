//! What the sums tell apart, and what they do not.

use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::*;

use super::*;

fn sum(arrays: &[ArrayRef]) -> u64 {
    let mut sums = Sums::new(1);
    for array in arrays {
        sums.add(&RecordBatch::try_from_iter_with_nullable([("c", Arc::clone(array), true)]).unwrap()).unwrap();
    }
    sums.columns[0]
}

fn of(array: impl Array + 'static) -> u64 {
    sum(&[Arc::new(array)])
}

fn lists(rows: &[Option<&[Option<i32>]>]) -> u64 {
    let rows = rows.iter().map(|row| row.map(<[Option<i32>]>::to_vec));
    of(ListArray::from_iter_primitive::<Int32Type, _, _>(rows))
}

#[test]
fn neither_batches_nor_encodings_matter() {
    let texts = [Some("a"), None, Some(""), Some("a"), Some("long enough to be hashed in another way")];
    let plain: ArrayRef = Arc::new(texts.iter().collect::<StringArray>());
    let whole = sum(&[Arc::clone(&plain)]);
    for at in 0..5 {
        assert_eq!(sum(&[plain.slice(0, at), plain.slice(at, 5 - at)]), whole);
    }
    assert_eq!(of(texts.iter().collect::<LargeStringArray>()), whole);
    assert_eq!(of(texts.iter().collect::<StringViewArray>()), whole);
    assert_eq!(of(texts.into_iter().collect::<DictionaryArray<Int8Type>>()), whole);
}

#[test]
fn values_nulls_and_their_order_matter() {
    let sums = [
        of(Int64Array::from(vec![Some(1), Some(2), None])),
        of(Int64Array::from(vec![Some(2), Some(1), None])),
        of(Int64Array::from(vec![Some(1), None, Some(2)])),
        of(Int64Array::from(vec![Some(1), Some(2), Some(0)])),
        of(Int64Array::from(vec![Some(1), Some(3), None])),
        of(Int64Array::from(vec![Some(0), Some(3), None])),
        of(Float64Array::from(vec![0.0])),
        of(Float64Array::from(vec![-0.0])),
        of(Float64Array::from(vec![f64::NAN])),
        of(Float64Array::from(vec![-f64::NAN])),
        of(StringArray::from(vec!["", "ab", "c"])),
        of(StringArray::from(vec!["", "a", "bc"])),
        of(StringArray::from(vec![None, Some("a"), Some("bc")])),
        lists(&[Some(&[Some(1)]), Some(&[Some(2), Some(3)])]),
        lists(&[Some(&[Some(1), Some(2)]), Some(&[Some(3)])]),
        lists(&[Some(&[Some(2), Some(1)]), Some(&[Some(3)])]),
        lists(&[Some(&[Some(2), None]), Some(&[Some(3)])]),
        lists(&[Some(&[]), None]),
        lists(&[None, Some(&[])]),
        lists(&[None, Some(&[None])]),
    ];
    let mut distinct = sums.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), sums.len(), "{sums:x?}");
}

#[test]
fn what_lies_beneath_a_null_does_not_matter() {
    let zeros = Int64Array::new(vec![7, 0].into(), Some(vec![true, false].into()));
    let noise = Int64Array::new(vec![7, 99].into(), Some(vec![true, false].into()));
    assert_eq!(of(zeros), of(noise));
}
