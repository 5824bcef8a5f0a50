//! What the border costs: nanoseconds a batch for batches that exist already, so that nothing else is measured.
//!
//! cargo run --release -p rivet-plugin-api --features host --example overhead
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints, and ends where it fails")]

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rivet_plugin_api::abi::{Plugin, ReaderHandle, WriterHandle};
use rivet_plugin_api::arrow_array::{Int64Array, RecordBatch, StringArray};
use rivet_plugin_api::arrow_schema::SchemaRef;
use rivet_plugin_api::{
    BatchReader, BatchWriter, Cancel, Context, DescribeRequest, Description, Deserialize, Destination,
    DestinationCapabilities, DestinationProbe, JsonSchema, Probe, Progress, ReadRequest, Receipt, Result, Source,
    SourceCapabilities, WriteRequest, arrow_array, export_connector, reader_of, serde_json,
};

const COLUMNS: usize = 10;
const ROWS: usize = 8192;
const BATCHES: u32 = 200;
const ROUNDS: usize = 1000;

/// Five columns of numbers, five of texts.
fn batch() -> &'static RecordBatch {
    static BATCH: OnceLock<RecordBatch> = OnceLock::new();
    BATCH.get_or_init(|| {
        let columns = (0..COLUMNS).map(|column| -> (String, arrow_array::ArrayRef) {
            let name = format!("c{column}");
            if column % 2 == 0 {
                (name, Arc::new(Int64Array::from_iter_values(0..ROWS as i64)))
            } else {
                (name, Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("text {row}")))))
            }
        });
        RecordBatch::try_from_iter(columns).unwrap()
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "rivet_plugin_api::serde")]
#[schemars(crate = "rivet_plugin_api::schemars")]
struct NoOptions {}

/// Hands out the same batch for ever.
struct Fountain;

impl Source for Fountain {
    type Options = NoOptions;
    const CAPABILITIES: SourceCapabilities = SourceCapabilities::NONE;

    fn open(_: NoOptions, _: &Context) -> Result<Self> {
        Ok(Self)
    }

    fn probe(&mut self, _: &Context) -> Result<Probe> {
        Ok(Probe::default())
    }

    fn describe(&mut self, _: &DescribeRequest, _: &Context) -> Result<Description> {
        Ok(Description::of(&batch().schema()))
    }

    fn read(&mut self, _: &ReadRequest, _: &Context) -> Result<Box<dyn BatchReader>> {
        Ok(reader_of(batch().schema(), std::iter::repeat_with(|| Ok(batch().clone()))))
    }
}

/// Forgets what it is given.
struct Drain;

impl Destination for Drain {
    type Options = NoOptions;
    const CAPABILITIES: DestinationCapabilities = DestinationCapabilities::NONE;

    fn open(_: NoOptions, _: &Context) -> Result<Self> {
        Ok(Self)
    }

    fn probe(&mut self, _: &Context) -> Result<DestinationProbe> {
        Ok(DestinationProbe::default())
    }

    fn begin(&mut self, _: WriteRequest, _: SchemaRef, _: &Context) -> Result<Box<dyn BatchWriter>> {
        Ok(Box::new(Self))
    }
}

impl BatchWriter for Drain {
    fn write(&mut self, batch: RecordBatch) -> Result<Progress> {
        drop(batch);
        Ok(Progress::default())
    }

    fn finish(&mut self) -> Result<Receipt> {
        Ok(Receipt::default())
    }

    fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}

export_connector!("overhead", source: Fountain, destination: Drain);

/// The fastest of some rounds, in nanoseconds a batch: what disturbs only makes it slower.
fn measure(what: &str, mut once: impl FnMut()) {
    let round = |once: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..BATCHES).for_each(|_| once());
        start.elapsed() / BATCHES
    };
    let best = (0..ROUNDS).map(|_| round(&mut once)).min().unwrap_or_default();
    println!("{what:<56} {:>6} ns", best.as_nanos());
}

fn opened(plugin: &Plugin) -> (ReaderHandle, WriterHandle) {
    let (none, cancel) = (serde_json::json!({}), Cancel::new());
    let mut source = plugin.open_source(&none, &cancel).unwrap();
    let mut destination = plugin.open_destination(&none, &cancel).unwrap();
    let reader = source.read(&ReadRequest::default(), &cancel).unwrap();
    let writer = destination.begin(&WriteRequest::default(), &batch().schema(), &cancel).unwrap();
    (reader, writer)
}

fn main() {
    let (mut reader, mut writer) = opened(&Plugin::linked(&PLUGIN).unwrap());
    println!("{COLUMNS} columns x {ROWS} rows, {ROUNDS} rounds of {BATCHES} batches, the fastest round:");
    measure("the batch alone: clone, drop", || drop(std::hint::black_box(batch().clone())));
    measure("source to host: next_batch, vet, import, drop", || drop(std::hint::black_box(reader.next().unwrap())));
    measure("host to destination: export, write, import, drop", || {
        writer.write(batch().clone()).unwrap();
    });
    measure("source to host to destination", || {
        let batch = reader.next().unwrap().unwrap();
        writer.write(batch).unwrap();
    });
    reader.close().unwrap();
    writer.abort().unwrap();
}
