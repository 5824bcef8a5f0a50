//! Arrow IPC streams: the batches as they are, buffers compressed one by one.

use std::fs::File;
use std::io::BufReader;

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, Schema};
use rivet_plugin_api::{Compression, Error, Format, Result, WriteRequest};

use super::{Encoder, Sink, no_level, unique_names, zstd_level};
use counter::Counter;

pub(super) struct ArrowEncoder(StreamWriter<Counter>);

pub(super) fn check(format: &Format, schema: &Schema) -> Result<()> {
    unique_names(schema)?;
    options(format).map(drop)
}

pub(super) fn count(file: File) -> Result<u64> {
    let mut rows = 0;
    for batch in StreamReader::try_new(BufReader::new(file), None).map_err(unreadable)? {
        rows += batch.map_err(unreadable)?.num_rows() as u64;
    }
    Ok(rows)
}

fn unreadable(e: ArrowError) -> Error {
    Error::data(format!("the written Arrow stream cannot be read back: {e}"))
}

fn options(format: &Format) -> Result<IpcWriteOptions> {
    let (codec, level) = match format.compression {
        Compression::Zstd => (Some(CompressionType::ZSTD), Some(zstd_level(format)?)),
        Compression::Lz4 => (Some(CompressionType::LZ4_FRAME), None),
        Compression::None => (None, None),
        other @ (Compression::Snappy | Compression::Gzip) => {
            return Err(Error::config(format!("Arrow files cannot be compressed with \"{}\"", other.as_str()))
                .hint("choose \"zstd\", \"lz4\" or \"none\""));
        }
    };
    if format.compression != Compression::Zstd {
        no_level(format)?;
    }
    Ok(IpcWriteOptions::default().try_with_compression(codec)?.try_with_compression_level(level)?)
}

impl ArrowEncoder {
    pub(super) fn new(sink: Sink, request: &WriteRequest, schema: &Schema) -> Result<Self> {
        let mut metadata = schema.metadata().clone();
        metadata.extend(request.metadata.iter().map(|(k, v)| (k.clone(), v.clone())));
        let schema = Schema::new_with_metadata(schema.fields().clone(), metadata);
        Ok(Self(StreamWriter::try_new_with_options(Counter::new(sink), &schema, options(&request.format)?)?))
    }
}

impl Encoder for ArrowEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    fn written(&self) -> u64 {
        self.0.get_ref().bytes()
    }

    fn buffered(&self) -> u64 {
        0
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(self.0.finish()?)
    }
}

/// Counts what the stream writer does not count itself.
mod counter {
    use std::io::{self, Write};

    use super::Sink;

    pub(super) struct Counter {
        sink: Sink,
        bytes: u64,
    }

    impl Counter {
        pub(super) fn new(sink: Sink) -> Self {
            Self { sink, bytes: 0 }
        }

        pub(super) fn bytes(&self) -> u64 {
            self.bytes
        }
    }

    impl Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let written = self.sink.write(bytes)?;
            self.bytes += written as u64;
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.sink.flush()
        }
    }
}
