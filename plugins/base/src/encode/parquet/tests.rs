//! What arrives in a file, and how it is written there.

use std::sync::Arc;

use ::parquet::basic::Encoding;
use ::parquet::basic::Type;
use ::parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, StringArray};
use rivet_plugin_api::FormatKind;
use xxhash_rust::xxh3::xxh3_64;

use super::*;

fn noise(from: u64, count: u64, below: u64) -> impl Iterator<Item = u64> {
    (from..from + count).map(move |i| xxh3_64(&i.to_le_bytes()) % below)
}

/// One column for each way of writing, every seventh value NULL but in the key.
fn batch(from: u64, count: u64) -> RecordBatch {
    let numbers = || noise(from, count, 1 << 20).map(|n| (!n.is_multiple_of(7)).then_some(n as i64));
    let price: Decimal128Array = numbers().map(|n| n.map(i128::from)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("key", Arc::new(Int64Array::from_iter_values((from..from + count).map(|n| n as i64)))),
        ("number", Arc::new(numbers().collect::<Int64Array>())),
        ("price", Arc::new(price.with_precision_and_scale(9, 2).unwrap())),
        ("measure", Arc::new(numbers().map(|n| n.map(|n| n as f64 / 7.0)).collect::<Float64Array>())),
        ("text", Arc::new(numbers().map(|n| n.map(|n| format!("{n} {n:x}"))).collect::<StringArray>())),
        ("status", Arc::new(numbers().map(|n| n.map(|n| (n % 5).to_string())).collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn write(codec: Compression, batches: &[RecordBatch]) -> File {
    let format = Format { kind: FormatKind::Parquet, compression: codec, ..Format::default() };
    let metadata = [("rivet.export".to_owned(), "orders".to_owned())].into();
    let request = WriteRequest { format, metadata, ..WriteRequest::default() };
    let file = tempfile::tempfile().unwrap();
    let sink = Box::new(file.try_clone().unwrap());
    let mut encoder = Box::new(ParquetEncoder::new(sink, &request, &batches[0]).unwrap());
    for batch in batches {
        encoder.write(batch).unwrap();
    }
    encoder.finish().unwrap();
    file
}

#[test]
fn every_value_arrives_whatever_its_encoding_and_codec() {
    // More rows than a row group takes, so that batches are split.
    let batches: Vec<RecordBatch> = (0..11).map(|n| batch(n * 100_000, 100_000)).collect();
    for codec in [Compression::Zstd, Compression::Lz4, Compression::None] {
        let reader = ParquetRecordBatchReaderBuilder::try_new(write(codec, &batches)).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        let mut row = 0;
        for read in reader.with_batch_size(10_000).build().unwrap() {
            let (read, within) = (read.unwrap(), row % 100_000);
            let sent = batches[row / 100_000].slice(within, read.num_rows().min(100_000 - within));
            assert_eq!(read.columns()[..], sent.columns()[..], "{codec:?} from row {row}");
            row += read.num_rows();
        }
        assert_eq!(row, 1_100_000);
    }
}

#[test]
fn a_file_ends_near_its_limit_however_well_it_compresses() {
    let codecs = [Compression::Zstd, Compression::None];
    for (limit, codec) in [1 << 20, 4 << 20].into_iter().flat_map(|limit| codecs.map(|codec| (limit, codec))) {
        let format =
            Format { kind: FormatKind::Parquet, compression: codec, max_file_size: Some(limit), ..Format::default() };
        let request = WriteRequest { format, ..WriteRequest::default() };
        let file = tempfile::tempfile().unwrap();
        // Texts of which nearly nothing is left, and numbers.
        let texts = |from: u64, column: u64| {
            let text = move |n| format!("{}{}", "a long and boring beginning ".repeat(4), (n / 50 + column) % 9_000);
            Arc::new(StringArray::from_iter_values((from..from + 1_000).map(text))) as ArrayRef
        };
        let batch = |from: u64| {
            let numbers = noise(from, 1_000, 1 << 40).map(|n| n as i64);
            let texts = (0..12).map(|column| (format!("t{column}"), texts(from, column)));
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
            RecordBatch::try_from_iter(texts.chain([("n".to_owned(), numbers)])).unwrap()
        };
        let mut encoder = ParquetEncoder::new(Box::new(file.try_clone().unwrap()), &request, &batch(0)).unwrap();
        let mut from = 0;
        while encoder.written() < limit {
            encoder.write(&batch(from)).unwrap();
            from += 1_000;
        }
        Box::new(encoder).finish().unwrap();
        let bytes = file.metadata().unwrap().len();
        let most = limit + batch(0).get_array_memory_size() as u64;
        assert!((limit * 3 / 4..most).contains(&bytes), "{codec:?}: {bytes} of {limit}");
    }
}

#[test]
fn columns_are_written_as_their_values_suggest() {
    let file = write(Compression::Zstd, &[batch(0, 50_000)]);
    let metadata = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    let metadata = metadata.parse_and_finish(&file).unwrap();
    let pairs = metadata.file_metadata().key_value_metadata().unwrap();
    assert!(pairs.contains(&KeyValue::new("rivet.export".to_owned(), "orders".to_owned())));
    let expected = [
        ("key", Type::INT64, Encoding::DELTA_BINARY_PACKED),
        ("number", Type::INT64, Encoding::DELTA_BINARY_PACKED),
        ("price", Type::INT32, Encoding::DELTA_BINARY_PACKED),
        ("measure", Type::DOUBLE, Encoding::PLAIN),
        ("text", Type::BYTE_ARRAY, Encoding::PLAIN),
        ("status", Type::BYTE_ARRAY, Encoding::RLE_DICTIONARY),
    ];
    for (column, (name, physical, encoding)) in metadata.row_group(0).columns().iter().zip(expected) {
        assert_eq!((column.column_path().string().as_str(), column.column_type()), (name, physical));
        assert!(column.encodings().any(|used| used == encoding), "{name}");
        assert!(column.statistics().is_some_and(|s| s.min_bytes_opt().is_some()), "{name}");
        assert_eq!(column.column_index_range().is_some(), name == "key", "only a sorted column has use for it");
    }
}
