//! A source whose batches arrow 58 makes and hands over as the contract's own structs. The other calls are the SDK's.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{
    Array as _, ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use rivet_plugin_api::abi::export::{Export, plugin, source_spec, source_table};
use rivet_plugin_api::abi::{
    RV_END, RV_OK, RvArrowArray, RvArrowSchema, RvCancel, RvClose, RvDestination, RvError, RvPlugin, RvSource, RvStr,
};
use rivet_plugin_api::{
    BatchReader, Column, Context, DescribeRequest, Description, Deserialize, Error, JsonSchema, Probe, ReadRequest,
    Result, Source, SourceCapabilities, Spec,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: i64 = 1000;

/// The options under `source:`.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "rivet_plugin_api::serde", deny_unknown_fields)]
#[schemars(crate = "rivet_plugin_api::schemars")]
struct Options {
    /// How many rows there are.
    rows: i64,
}

/// How many rows the source has: the one that is open at a time.
static ROWS: AtomicI64 = AtomicI64::new(0);

struct Words;

impl Source for Words {
    type Options = Options;
    const CAPABILITIES: SourceCapabilities = SourceCapabilities::NONE;

    fn open(options: Options, _: &Context) -> Result<Self> {
        ROWS.store(options.rows, Ordering::Relaxed);
        Ok(Self)
    }

    fn probe(&mut self, _: &Context) -> Result<Probe> {
        Ok(Probe { server: "arrow 58".into(), ..Probe::default() })
    }

    fn describe(&mut self, _: &DescribeRequest, _: &Context) -> Result<Description> {
        let column = |name: &str| Column { name: name.to_owned(), ..Column::default() };
        Ok(Description { columns: ["n", "word", "price", "at"].map(column).into() })
    }

    fn read(&mut self, _: &ReadRequest, _: &Context) -> Result<Box<dyn BatchReader>> {
        Err(Error::internal("the table has a call of its own"))
    }
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, false),
        Field::new("word", DataType::Utf8, true),
        Field::new("price", DataType::Decimal128(12, 2), false),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
    ]))
}

fn batch(from: i64, to: i64) -> RecordBatch {
    let words = (from..to).map(|n| (n % 7 != 0).then(|| format!("word {n}")));
    let prices = Decimal128Array::from_iter_values((from..to).map(|n| i128::from(n) * 101));
    let instants = TimestampMicrosecondArray::from_iter_values((from..to).map(|n| n * 1_000_003));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(from..to)),
        Arc::new(words.collect::<StringArray>()),
        Arc::new(prices.with_precision_and_scale(12, 2).expect("fits")),
        Arc::new(instants.with_timezone("UTC")),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are those of the schema")
}

extern "C" fn read(
    _: *mut c_void,
    _: RvStr,
    _: *const RvCancel,
    reader: *mut *mut c_void,
    out: *mut RvArrowSchema,
    _: *mut RvError,
) -> i32 {
    let schema = FFI_ArrowSchema::try_from(schema().as_ref()).expect("a schema of plain types");
    // SAFETY: the host passes a place for each, and both structs are those of the C Data Interface.
    unsafe {
        out.cast::<FFI_ArrowSchema>().write(schema);
        reader.write(Box::into_raw(Box::new(0_i64)).cast());
    }
    RV_OK
}

extern "C" fn next_batch(reader: *mut c_void, out: *mut RvArrowArray, _: *mut RvError) -> i32 {
    // SAFETY: the host passes what `read` returned, on one thread at a time.
    let sent = unsafe { &mut *reader.cast::<i64>() };
    let to = (*sent + BATCH).min(ROWS.load(Ordering::Relaxed));
    if to <= *sent {
        return RV_END;
    }
    let data = StructArray::from(batch(*sent, to)).into_data();
    *sent = to;
    // SAFETY: the host passes a place for it.
    unsafe { out.cast::<FFI_ArrowArray>().write(FFI_ArrowArray::new(&data)) };
    RV_OK
}

extern "C" fn close_reader(reader: *mut c_void, _: *mut RvError) -> i32 {
    // SAFETY: the host gives back, once, what `read` returned.
    drop(unsafe { Box::from_raw(reader.cast::<i64>()) });
    RV_OK
}

static TABLE: RvSource =
    RvSource { read, next_batch, close_reader: RvClose(Some(close_reader)), ..*source_table::<Words>() };

struct Arrow58;

impl Export for Arrow58 {
    const NAME: &'static str = "arrow58";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const MARKER: &'static [u8] = &RIVET_MARKER;
    const SOURCE: Option<&'static RvSource> = Some(&TABLE);
    const DESTINATION: Option<&'static RvDestination> = None;

    fn spec() -> Spec {
        Spec {
            name: Self::NAME.to_owned(),
            version: Self::VERSION.to_owned(),
            source: Some(source_spec::<Words>()),
            ..Spec::default()
        }
    }
}

static PLUGIN: RvPlugin = plugin::<Arrow58>();

rivet_plugin_api::export_marker!("arrow58", "source", []);

/// The one symbol of the plug-in ABI.
#[unsafe(no_mangle)]
pub extern "C" fn rivet_plugin_entry() -> *const RvPlugin {
    &raw const PLUGIN
}
