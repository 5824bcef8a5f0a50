//! The `stdout` destination: who may write, and what.

use arrow_schema::SchemaRef;
use rivet_plugin_api::{
    BatchWriter, Context, Destination, DestinationCapabilities, DestinationProbe, Error, FormatKind, Result,
    WriteRequest,
};
use rivet_plugin_base::{PartWriter, encode};

use crate::Options;
use crate::pipe::Pipe;
use crate::store::StdoutStore;

/// Writes exports to standard output.
pub struct Stdout;

impl Destination for Stdout {
    type Options = Options;

    const CAPABILITIES: DestinationCapabilities = DestinationCapabilities {
        stream: true,
        parquet: true,
        csv: true,
        arrow: true,
        ..DestinationCapabilities::NONE
    };

    fn open(_options: Options, _context: &Context) -> Result<Self> {
        Ok(Self)
    }

    fn probe(&mut self, _context: &Context) -> Result<DestinationProbe> {
        Pipe::open()?;
        Ok(DestinationProbe { location: Pipe::NAME.to_owned(), warnings: Vec::new() })
    }

    fn begin(&mut self, request: WriteRequest, schema: SchemaRef, context: &Context) -> Result<Box<dyn BatchWriter>> {
        encode::check(&request.format, &schema)?;
        let pipe = Pipe::open()?;
        if request.format.kind != FormatKind::Csv && pipe.is_terminal() {
            let kind = request.format.kind.as_str();
            return Err(Error::config(format!("{kind} is not for a terminal to show"))
                .hint("redirect standard output to a file or a program, or use `format: csv`"));
        }
        let store = StdoutStore::new(pipe, request.hold || request.verify);
        Ok(Box::new(PartWriter::new(store, request, context.cancel().clone())))
    }
}
