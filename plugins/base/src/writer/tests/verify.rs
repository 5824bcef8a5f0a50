//! Read-back checks: every damage to a file is found, and every value that an encoder loses.

use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::types::{Float64Type, Int8Type, Int32Type};
use arrow_array::*;
use arrow_buffer::i256;
use arrow_schema::{DataType, Field};

use super::*;

fn record_batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// Few rows with something of each kind in them.
fn small() -> RecordBatch {
    record_batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("other", Arc::new(Int64Array::from(vec![10, 20, 30, 40]))),
        ("name", Arc::new(StringArray::from(vec![Some("a"), Some(""), None, Some("x,\"y\"\n")]))),
        ("score", Arc::new(Float64Array::from(vec![Some(0.0), Some(-0.0), None, Some(1.5)]))),
    ])
}

fn write(world: &Memory, format: &Format, batches: &[RecordBatch]) -> Result<Receipt> {
    let mut writer = PartWriter::new(world.clone(), request(format, None), Cancel::new());
    for batch in batches {
        writer.write(batch.clone())?;
    }
    writer.finish()
}

#[test]
fn every_byte_that_changes_is_found() {
    for format in &FORMATS {
        let world = Memory::default();
        let length = write(&world, format, &[small()]).unwrap().parts[0].bytes as usize;
        let damages = (0..length).flat_map(|position| [Damage::Flip(position), Damage::Cut(position)]);
        for damage in damages.chain([Damage::Grow]) {
            let world = Memory::default();
            world.0.lock().unwrap().damage = Some(damage);
            let error = write(&world, format, &[small()]).expect_err(&format!("{format:?} {damage:?}"));
            assert_eq!((error.category(), error.code_text()), (Category::Data, Some(Error::VALIDATION)), "{damage:?}");
            let name = format!("validation of \"t_1.{}\" failed: ", format.extension());
            assert!(error.to_string().starts_with(&name), "{error}");
            let world = world.0.lock().unwrap();
            assert_eq!((world.temporary, world.parts.len(), world.ended), (0, 0, true));
        }
    }
}

/// What an encoder makes of a batch before it encodes it.
type Change = fn(&RecordBatch) -> RecordBatch;

/// An encoder that encodes something else than it is given.
struct Lossy {
    inner: Box<dyn Encoder>,
    change: Change,
}

impl Encoder for Lossy {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.inner.write(&(self.change)(batch))
    }
    fn written(&self) -> u64 {
        self.inner.written()
    }
    fn buffered(&self) -> u64 {
        self.inner.buffered()
    }
    fn finish(self: Box<Self>) -> Result<()> {
        self.inner.finish()
    }
}

/// A copy of `batch` with column `index` replaced.
fn with(batch: &RecordBatch, index: usize, array: impl Array + 'static) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[index] = Arc::new(array);
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

#[test]
fn what_an_encoder_loses_is_found_though_the_bytes_arrive() {
    let last_row = |batch: &RecordBatch| batch.slice(0, 3);
    let all_rows = |batch: &RecordBatch| batch.slice(0, 0);
    let null = |batch: &RecordBatch| with(batch, 2, StringArray::from(vec![Some("a"), None, None, Some("x,\"y\"\n")]));
    let cut = |batch: &RecordBatch| with(batch, 2, StringArray::from(vec![Some("a"), Some(""), None, Some("x,\"y\"")]));
    let sign = |batch: &RecordBatch| with(batch, 3, Float64Array::from(vec![Some(0.0), Some(0.0), None, Some(1.5)]));
    let swapped_cells = |batch: &RecordBatch| with(batch, 0, Int64Array::from(vec![2, 1, 3, 4]));
    let swapped_columns = |batch: &RecordBatch| {
        let columns = [1, 0, 2, 3].map(|index| Arc::clone(batch.column(index)));
        RecordBatch::try_new(batch.schema(), columns.to_vec()).unwrap()
    };
    let one = |name: &str| format!("column \"{name}\" holds other values than were written");
    let both = "columns \"id\", \"other\" hold other values than were written".to_owned();
    let cases: [(Change, String); 7] = [
        (last_row, "8 rows were written, but the file holds 7".to_owned()),
        (all_rows, "8 rows were written, but the file holds 4".to_owned()),
        (null, one("name")),
        (cut, one("name")),
        (sign, one("score")),
        (swapped_cells, one("id")),
        (swapped_columns, both),
    ];
    for format in &FORMATS {
        for (change, expected) in &cases {
            let world = Memory::default();
            let mut writer = PartWriter::new(world.clone(), request(format, None), Cancel::new());
            writer.write(small()).unwrap();
            let open = &mut writer.attempt.as_mut().unwrap().open;
            let mut part = open.take().unwrap();
            part.encoder = Box::new(Lossy { inner: part.encoder, change: *change });
            *open = Some(part);
            writer.write(small()).unwrap();
            let error = writer.finish().expect_err(expected);
            assert_eq!(error.code_text(), Some(Error::VALIDATION));
            let text = format!("validation of \"t_1.{}\" failed: {expected} (validation)", format.extension());
            assert_eq!(error.to_string(), text);
            assert!(world.0.lock().unwrap().parts.is_empty());
        }
    }
}

/// Columns of every type that CSV holds too.
fn flat() -> Vec<(&'static str, ArrayRef)> {
    let decimal =
        |scale| Decimal128Array::from(vec![Some(i128::MAX / 10), None, Some(-1)]).with_precision_and_scale(38, scale);
    let wide = Decimal256Array::from(vec![Some(i256::from_i128(i128::MIN)), None, Some(i256::ONE)]);
    let nan = f64::from_bits(0x7ff8_0000_dead_beef);
    let (text, bytes) = (vec![Some("é"), None, Some("")], vec![Some(&b"\0\xff"[..]), None, Some(b"")]);
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some([1, 2]), None, Some([0, 0])].into_iter(), 2);
    let repeated: DictionaryArray<Int8Type> = text.iter().copied().collect();
    let mut lists = ListBuilder::new(ListBuilder::new(Int32Builder::new()));
    lists.values().append_value([Some(1), None]);
    lists.values().append_null();
    lists.append(true);
    lists.append(false);
    lists.append(true);
    vec![
        ("bool", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])) as ArrayRef),
        ("i8", Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(0)]))),
        ("i16", Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(0)]))),
        ("i32", Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(0)]))),
        ("i64", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(0)]))),
        ("u8", Arc::new(UInt8Array::from(vec![Some(u8::MAX), None, Some(0)]))),
        ("u16", Arc::new(UInt16Array::from(vec![Some(u16::MAX), None, Some(0)]))),
        ("u32", Arc::new(UInt32Array::from(vec![Some(u32::MAX), None, Some(0)]))),
        ("u64", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0)]))),
        ("f32", Arc::new(Float32Array::from(vec![Some(-0.0), None, Some(f32::from_bits(0xffc0_0001))]))),
        ("f64", Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(nan)]))),
        ("decimal", Arc::new(decimal(10).unwrap())),
        ("decimal up", Arc::new(decimal(-2).unwrap())),
        (
            "decimal small",
            Arc::new(Decimal128Array::from(vec![Some(-9), None, Some(9)]).with_precision_and_scale(4, 2).unwrap()),
        ),
        ("decimal256", Arc::new(wide.with_precision_and_scale(76, 5).unwrap())),
        ("date", Arc::new(Date32Array::from(vec![Some(-719_529), None, Some(2_932_897)]))),
        ("date64", Arc::new(Date64Array::from(vec![Some(-86_400_000), None, Some(0)]))),
        ("time s", Arc::new(Time32SecondArray::from(vec![Some(86_400), None, Some(0)]))),
        ("time ms", Arc::new(Time32MillisecondArray::from(vec![Some(1), None, Some(0)]))),
        ("time us", Arc::new(Time64MicrosecondArray::from(vec![Some(86_400_000_000), None, Some(0)]))),
        ("time ns", Arc::new(Time64NanosecondArray::from(vec![Some(1), None, Some(0)]))),
        ("ts s", Arc::new(TimestampSecondArray::from(vec![Some(-1), None, Some(0)]))),
        ("ts ms", Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None, Some(0)]).with_timezone("UTC"))),
        ("ts us", Arc::new(TimestampMicrosecondArray::from(vec![Some(i64::MIN), None, Some(i64::MAX)]))),
        ("ts zone", Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(0)]).with_timezone("+02:00"))),
        ("ts ns", Arc::new(TimestampNanosecondArray::from(vec![Some(i64::MIN), None, Some(0)]))),
        ("duration", Arc::new(DurationMicrosecondArray::from(vec![Some(-1), None, Some(0)]))),
        ("text", Arc::new(StringArray::from(text.clone()))),
        ("large text", Arc::new(LargeStringArray::from(text.clone()))),
        ("text view", Arc::new(StringViewArray::from(text))),
        ("bytes", Arc::new(BinaryArray::from(bytes.clone()))),
        ("large bytes", Arc::new(LargeBinaryArray::from(bytes.clone()))),
        ("bytes view", Arc::new(BinaryViewArray::from(bytes))),
        ("fixed", Arc::new(fixed.unwrap())),
        ("dictionary", Arc::new(repeated)),
        ("lists", Arc::new(lists.finish())),
        ("null", Arc::new(NullArray::new(3))),
    ]
}

/// Columns that only the typed formats hold.
fn nested() -> Vec<(&'static str, ArrayRef)> {
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2), None]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![None, Some("hidden"), Some("x")]));
    let fields = vec![Field::new("id", DataType::Int32, true), Field::new("name", DataType::Utf8, true)];
    let structs = StructArray::new(fields.into(), vec![ids, names], Some(vec![true, false, true].into()));
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(1);
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    let pairs = FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(
        [Some(vec![Some(0.5), None]), None, Some(vec![Some(-0.0), Some(1.0)])],
        2,
    );
    let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(7)]), None, Some(vec![])]);
    vec![
        ("struct", Arc::new(structs) as ArrayRef),
        ("map", Arc::new(map.finish())),
        ("pair", Arc::new(pairs)),
        ("large list", Arc::new(large)),
    ]
}

#[test]
fn every_type_passes() {
    for format in &FORMATS {
        let mut columns = flat();
        if format.kind != FormatKind::Csv {
            columns.extend(nested());
        }
        // Parquet has no negative scales.
        columns.retain(|(name, _)| format.kind != FormatKind::Parquet || *name != "decimal up");
        let whole = record_batch(columns);
        // Alone as well, so that one that is not read back as it was does not hide another.
        for (field, column) in whole.schema_ref().fields().iter().zip(whole.columns()) {
            let alone = RecordBatch::try_from_iter_with_nullable([(field.name(), Arc::clone(column), true)]).unwrap();
            encode::check(format, alone.schema_ref()).unwrap();
            let outcome = write(&Memory::default(), format, &[alone.clone(), alone.slice(1, 2), alone.slice(2, 1)]);
            let receipt = outcome.unwrap_or_else(|e| panic!("{format:?} {}: {e}", field.name()));
            assert_eq!(receipt.parts[0].validated_rows, Some(6));
        }
        let receipt = write(&Memory::default(), format, &[whole.slice(1, 2), whole]).unwrap();
        assert_eq!(receipt.parts[0].validated_rows, Some(5));
    }
}

#[test]
fn parts_are_checked_one_by_one() {
    for format in &FORMATS {
        let receipt = run(&Memory::default(), request(format, Some(10)), 3).unwrap();
        assert!(receipt.parts.iter().all(|part| part.validated_rows == Some(1000)));
        let unasked = WriteRequest { verify: false, ..request(format, None) };
        let world = Memory::default();
        world.0.lock().unwrap().damage = Some(Damage::Cut(0));
        assert_eq!(run(&world, unasked, 1).unwrap().parts[0].validated_rows, None);
    }
}
