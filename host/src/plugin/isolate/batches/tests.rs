use std::collections::HashMap;

use arrow_array::builder::{ListBuilder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::{Int32Type, IntervalMonthDayNanoType};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, FixedSizeBinaryArray, Float64Array,
    Int64Array, NullArray, PrimitiveArray, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
};
use arrow_buffer::i256;
use arrow_schema::Field;

use super::*;

/// Sends batches as one stream and reads them as the other side does.
fn sent(batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let flat = |buffers: Vec<Buffer>| buffers.iter().flat_map(|b| b.as_slice().to_vec()).collect::<Vec<u8>>();
    let schema = batches[0].schema();
    assert_eq!(Decoder::schema(flat(Encoder::schema(&schema).unwrap())).unwrap(), schema);
    let (mut encoder, mut decoder) = (Encoder::new(&schema).unwrap(), Decoder::default());
    batches.iter().map(|batch| decoder.batch(flat(encoder.batch(batch).unwrap())).unwrap()).collect()
}

fn words(words: &[&str]) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    builder.extend(words.iter().map(Some));
    Arc::new(builder.finish())
}

fn every_type(dictionary: ArrayRef) -> RecordBatch {
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("a"), None]);
    lists.append_null();
    lists.append_value([None::<&str>; 0]);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(1)]));
    let inner = Arc::new(Field::new("n", numbers.data_type().clone(), true));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", numbers.clone()),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("f", Arc::new(Float64Array::from(vec![f64::NAN, -0.0, f64::INFINITY]))),
        ("t", Arc::new(StringArray::from(vec![Some("\u{1f980}"), None, Some("")]))),
        ("v", Arc::new(StringViewArray::from(vec![Some("a text that is too long to be inline"), None, Some("x")]))),
        ("x", Arc::new(BinaryArray::from(vec![Some(&[0_u8, 255][..]), None, Some(b"")]))),
        ("u", Arc::new(FixedSizeBinaryArray::try_from_iter([[1_u8; 16]; 3].iter()).unwrap())),
        ("d", Arc::new(Decimal128Array::from(vec![1, -1, 0]).with_precision_and_scale(38, 2).unwrap())),
        ("e", Arc::new(Decimal256Array::from(vec![i256::MAX, i256::MINUS_ONE, i256::ZERO]))),
        ("i", Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(-1)]).with_timezone("UTC"))),
        ("m", Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::from(vec![None, None, None]))),
        ("z", Arc::new(NullArray::new(3))),
        ("l", Arc::new(lists.finish())),
        ("s", Arc::new(StructArray::from(vec![(inner, numbers)]))),
        ("w", dictionary),
    ];
    let described = |(name, column): &(&str, ArrayRef)| {
        let metadata = HashMap::from([("rivet.native_type".to_owned(), format!("type of {name}"))]);
        Field::new(*name, column.data_type().clone(), true).with_metadata(metadata)
    };
    let fields: Vec<Field> = columns.iter().map(described).collect();
    let schema = Schema::new(fields).with_metadata(HashMap::from([("k".to_owned(), "v".to_owned())]));
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, column)| column).collect()).unwrap()
}

#[test]
fn every_type_arrives_as_it_was_sent() {
    // A dictionary that grows, one that is another, and the first one again.
    let dictionaries =
        [words(&["a", "b", "a"]), words(&["a", "b", "c"]), words(&["x", "y", "x"]), words(&["a", "b", "a"])];
    let batches: Vec<RecordBatch> = dictionaries.into_iter().map(every_type).collect();
    let arrived = sent(&batches);
    // NaN is not itself, so that the printed form is compared.
    assert_eq!(format!("{arrived:?}"), format!("{batches:?}"));
    assert_eq!(arrived[0].schema(), batches[0].schema());
}

#[test]
fn slices_and_batches_without_data_arrive() {
    let batch = every_type(words(&["a", "b", "a"]));
    for part in [batch.slice(1, 2), batch.slice(2, 1), batch.slice(0, 0)] {
        assert_eq!(format!("{:?}", sent(std::slice::from_ref(&part))[0]), format!("{part:?}"));
    }
    let nothing: ArrayRef = Arc::new(NullArray::new(7));
    let batch = RecordBatch::try_from_iter([("z", nothing)]).unwrap();
    assert_eq!(sent(&[batch.clone(), batch.clone()]), [batch.clone(), batch]);
}

#[test]
fn what_is_no_stream_is_refused() {
    let batch = every_type(words(&["a", "b", "a"]));
    let whole: Vec<u8> =
        Encoder::new(&batch.schema()).unwrap().batch(&batch).unwrap().iter().flat_map(|b| b.to_vec()).collect();
    for cut in [0, 1, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        assert!(Decoder::default().batch(whole[..cut].to_vec()).is_err(), "{cut}");
    }
    // Whatever is written over it, nothing worse than an error or another batch comes of it.
    for place in (0..whole.len()).step_by(11) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xa5;
        let _ = Decoder::default().batch(bytes);
    }
}
