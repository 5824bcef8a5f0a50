//! The destination half: it counts what it is given and keeps nothing.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use rivet_plugin_api::{
    BatchWriter, Context, Destination, DestinationCapabilities, DestinationProbe, Part, PartStat, Progress, PutRequest,
    Receipt, Result, WriteRequest,
};

use crate::options::{self, Options};

/// Swallows batches, and fails as its options say.
pub struct FaultDestination {
    options: Options,
    received: Arc<Mutex<Vec<String>>>,
}

impl Destination for FaultDestination {
    type Options = Options;
    const CAPABILITIES: DestinationCapabilities =
        DestinationCapabilities { stat: true, remove: true, put: true, parquet: true, ..DestinationCapabilities::NONE };

    fn open(options: Options, context: &Context) -> Result<Self> {
        options.strike("open", context)?;
        Ok(Self { options, received: Arc::default() })
    }

    fn probe(&mut self, context: &Context) -> Result<DestinationProbe> {
        self.options.strike("probe", context)?;
        let warnings = std::mem::take(&mut *self.received.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(DestinationProbe { location: "nowhere".to_owned(), warnings })
    }

    fn begin(&mut self, request: WriteRequest, _: SchemaRef, context: &Context) -> Result<Box<dyn BatchWriter>> {
        self.options.strike("begin", context)?;
        let (options, received) = (self.options.clone(), Arc::clone(&self.received));
        Ok(Box::new(Writer { name: request.part_name(0, false), rows: 0, options, received, context: context.clone() }))
    }

    fn stat(&mut self, _: &str, context: &Context) -> Result<Option<PartStat>> {
        self.options.strike("stat", context).map(|()| None)
    }

    fn remove(&mut self, _: &str, context: &Context) -> Result<()> {
        self.options.strike("remove", context)
    }

    fn put(&mut self, request: PutRequest, context: &Context) -> Result<Part> {
        self.options.strike("put", context)?;
        Ok(Part { name: request.name, location: "nowhere".to_owned(), ..Part::default() })
    }
}

impl Drop for FaultDestination {
    fn drop(&mut self) {
        self.options.panic("close");
        self.options.misbehave("close");
    }
}

struct Writer {
    name: String,
    rows: u64,
    options: Options,
    received: Arc<Mutex<Vec<String>>>,
    context: Context,
}

impl BatchWriter for Writer {
    fn write(&mut self, batch: RecordBatch) -> Result<Progress> {
        self.options.strike("write", &self.context)?;
        self.options.dawdle(&self.context)?;
        self.rows += batch.num_rows() as u64;
        self.received.lock().unwrap_or_else(PoisonError::into_inner).extend(options::addresses(&batch));
        Ok(Progress { buffered: 0, written: self.rows })
    }

    fn finish(&mut self) -> Result<Receipt> {
        self.options.strike("finish", &self.context)?;
        let rows = self.rows.saturating_sub(self.options.lose);
        let part = Part { name: self.name.clone(), location: "nowhere".to_owned(), rows, ..Part::default() };
        Ok(Receipt { parts: if self.rows == 0 { Vec::new() } else { vec![part] } })
    }

    fn abort(&mut self) -> Result<()> {
        self.options.strike("abort", &self.context)
    }
}
