//! The dialect, value by value, and the record counter against what the encoder writes.

use std::io::Write;
use std::sync::{Arc, Mutex};

use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::*;
use arrow_buffer::i256;
use arrow_schema::{DataType, Field};

use super::*;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn csv(batch: &RecordBatch) -> Result<String> {
    let memory = Memory::default();
    let mut encoder = Box::new(CsvEncoder::new(Box::new(memory.clone()), &batch.schema()));
    encoder.write(batch)?;
    let announced = encoder.written();
    encoder.finish()?;
    let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    assert_eq!(announced, text.len() as u64);
    let mut reader = CsvReader::new(text.as_bytes(), usize::MAX).unwrap();
    let read = reader.next().transpose().unwrap();
    assert_eq!(read, (batch.num_rows() > 0).then(|| texts(batch).unwrap()));
    assert!(reader.next().is_none());
    Ok(text)
}

fn column(array: impl Array + 'static) -> Vec<String> {
    let guard = Int32Array::from(vec![7; array.len()]);
    let batch = RecordBatch::try_from_iter([("g", Arc::new(guard) as ArrayRef), ("c", Arc::new(array))]).unwrap();
    csv(&batch).unwrap().lines().skip(1).map(|line| line.strip_prefix("7,").unwrap().to_owned()).collect()
}

#[test]
fn the_predecessors_sample() {
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef, true),
        ("name", Arc::new(StringArray::from(vec!["alice", "bob"])), true),
        ("score", Arc::new(Float64Array::from(vec![95.5, 87.0])), true),
        ("active", Arc::new(BooleanArray::from(vec![true, false])), true),
    ])
    .unwrap();
    assert_eq!(csv(&batch).unwrap(), "id,name,score,active\n1,alice,95.5,true\n2,bob,87,false\n");
    assert_eq!(csv(&batch.slice(0, 0)).unwrap(), "id,name,score,active\n");
    assert_eq!(csv(&batch.slice(1, 1)).unwrap(), "id,name,score,active\n2,bob,87,false\n");
}

#[test]
fn text_is_quoted_only_when_needed_and_null_is_not_empty() {
    let text = StringArray::from(vec![
        Some("plain"),
        Some(""),
        None,
        Some("a,b"),
        Some("say \"x\""),
        Some("\"\""),
        Some("\\."),
        Some(" é "),
    ]);
    let expected = ["plain", "\"\"", "", "\"a,b\"", "\"say \"\"x\"\"\"", "\"\"\"\"\"\"", "\"\\.\"", " é "];
    assert_eq!(column(text.clone()), expected);
    assert_eq!(column(text.iter().collect::<LargeStringArray>()), expected);
    assert_eq!(column(text.iter().collect::<StringViewArray>()), expected);
    let batch =
        RecordBatch::try_from_iter([("a\n\"b\"", Arc::new(StringArray::from(vec!["x\ny\r\nz", "\r"])) as ArrayRef)]);
    assert_eq!(csv(&batch.unwrap()).unwrap(), "\"a\n\"\"b\"\"\"\n\"x\ny\r\nz\"\n\"\r\"\n");
    let long = format!("{}\n", "x".repeat(100));
    let batch = RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec![long.clone()])) as ArrayRef)]);
    assert_eq!(csv(&batch.unwrap()).unwrap(), format!("a\n\"{long}\"\n"));
}

#[test]
fn numbers() {
    assert_eq!(column(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)])), ["-32768", "", "32767"]);
    assert_eq!(column(UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
    let floats = Float64Array::from(vec![87.0, -0.0, 0.1, 1e300, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    let texts = column(floats.clone());
    assert_eq!(texts[..3], ["87", "-0", "0.1"]);
    assert_eq!(texts[3].len(), 301);
    assert_eq!(texts[4].parse::<f64>().unwrap().to_bits(), 1);
    assert_eq!(texts[5..], ["NaN", "inf", "-inf"]);
    assert_eq!(column(Float32Array::from(vec![0.1, 16_777_216.0])), ["0.1", "16777216"]);
    let decimal =
        |scale| Decimal128Array::from(vec![0, 5, -12345, 10_i128.pow(30)]).with_precision_and_scale(38, scale).unwrap();
    assert_eq!(column(decimal(2)), ["0.00", "0.05", "-123.45", "10000000000000000000000000000.00"]);
    assert_eq!(column(decimal(0))[1..3], ["5", "-12345"]);
    assert_eq!(column(decimal(-2))[..3], ["0", "500", "-1234500"]);
    assert_eq!(column(decimal(7))[2], "-0.0012345");
    let wide = Decimal256Array::from(vec![i256::MIN, i256::from_i128(-7)]).with_precision_and_scale(76, 1).unwrap();
    assert_eq!(column(wide)[1], "-0.7");
}

#[test]
fn dates_and_times() {
    assert_eq!(
        column(Date32Array::from(vec![0, 19_724, -719_528, -719_529, 2_932_897])),
        ["1970-01-01", "2024-01-02", "0000-01-01", "-0001-12-31", "10000-01-01"]
    );
    let moments = vec![1_704_164_645_500_000, -1];
    let naive = TimestampMicrosecondArray::from(moments.clone());
    assert_eq!(column(naive.clone()), ["2024-01-02T03:04:05.500000", "1969-12-31T23:59:59.999999"]);
    assert_eq!(column(naive.with_timezone("Europe/Berlin"))[0], "2024-01-02T03:04:05.500000Z");
    assert_eq!(column(TimestampSecondArray::from(vec![-1])), ["1969-12-31T23:59:59.000000"]);
    assert_eq!(column(TimestampMillisecondArray::from(vec![1])), ["1970-01-01T00:00:00.001000"]);
    assert_eq!(column(TimestampNanosecondArray::from(vec![1])), ["1970-01-01T00:00:00.000000001"]);
    assert_eq!(column(Time64MicrosecondArray::from(vec![0, 86_400_000_000])), ["00:00:00.000000", "24:00:00.000000"]);
    assert_eq!(column(Time32SecondArray::from(vec![3661])), ["01:01:01.000000"]);
    let durations = DurationMicrosecondArray::from(vec![-(838 * 3600 + 59 * 60 + 59) * 1_000_000, 1]);
    assert_eq!(column(durations), ["-838:59:59.000000", "00:00:00.000001"]);
}

#[test]
fn binary_lists_and_dictionaries() {
    assert_eq!(column(BinaryArray::from(vec![Some(&[0, 255, 171][..]), Some(&[]), None])), ["00ffab", "\"\"", ""]);
    let mut numbers = ListBuilder::new(Int32Builder::new());
    numbers.append_value([Some(1), None]);
    numbers.append_value([]);
    numbers.append_null();
    assert_eq!(column(numbers.finish()), ["\"{1,NULL}\"", "{}", ""]);
    let mut texts = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    texts.values().append_value([Some("a b"), Some("null"), Some(""), Some("q\"\\"), None, Some("x")]);
    texts.values().append_null();
    texts.append(true);
    assert_eq!(column(texts.finish()), [r#""{{""a b"",""null"","""",""q\""\\"",NULL,x},NULL}""#]);
    let repeated: DictionaryArray<Int32Type> = [Some("a"), None, Some("b,"), Some("a")].into_iter().collect();
    assert_eq!(column(repeated), ["a", "", "\"b,\"", "a"]);
    assert_eq!(column(DictionaryArray::<Int32Type>::from_iter([None::<&str>, None])), ["", ""]);
}

#[test]
fn what_has_no_exact_text_is_refused() {
    let field = Field::new("s", DataType::Struct(vec![Field::new("a", DataType::Int8, true)].into()), true);
    let error = check(&Schema::new(vec![field])).unwrap_err();
    assert!(error.to_string().starts_with("column \"s\" of type \"Struct("), "{error}");
    let batch = RecordBatch::try_from_iter([("t", Arc::new(Time64MicrosecondArray::from(vec![-1])) as ArrayRef)]);
    let error = csv(&batch.unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "column \"t\": a time of day is outside of 00:00 to 24:00");
}

/// The cells of a file, read `rows` rows at a time through a buffer of few bytes.
fn cells(text: &str, rows: usize) -> std::result::Result<Vec<Vec<Option<String>>>, arrow_schema::ArrowError> {
    struct Drops<'a>(&'a [u8]);
    impl std::io::Read for Drops<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let length = out.len().min(3).min(self.0.len());
            out[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }
    let mut found = Vec::new();
    for batch in CsvReader::new(Drops(text.as_bytes()), rows)? {
        let batch = batch?;
        assert!((1..=rows).contains(&batch.num_rows()));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayRef| {
                let column = column.as_binary::<i64>();
                column.is_valid(row).then(|| text(column.value(row)))
            };
            found.push(batch.columns().iter().map(cell).collect());
        }
    }
    Ok(found)
}

#[test]
fn what_was_written_is_read_across_any_border() {
    let text = "a,\"b\n\"\n1,\n\"\",\"x\"\"y,\n\"\"\"\n,plain text\n";
    for rows in [1, 2, 100] {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            cells(text, rows).unwrap(),
            [[some("1"), None], [some(""), some("x\"y,\n\"")], [None, some("plain text")]]
        );
    }
    assert_eq!(cells("a\n\n\n", 9).unwrap(), [[None], [None]]);
}

#[test]
fn a_file_that_this_encoder_would_not_write_is_refused() {
    for text in [
        "",
        "a",
        "a\n\"x\n",
        "a\nx",
        "a\n\"x\"",
        "a,b\n1",
        "a,b\n1,",
        "a\nx\"y\n",
        "a\n\"x\"y\n",
        "a\n1,2\n",
        "a,b\n1\n",
    ] {
        assert!(cells(text, 9).is_err(), "{text:?}");
    }
}
