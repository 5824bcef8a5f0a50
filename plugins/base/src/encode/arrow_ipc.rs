//! Arrow IPC: the batches as they are, buffers compressed one by one. Both layouts are written from front to back.

use std::fs::File;
use std::io::BufReader;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_ipc::CompressionType;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, Schema};
use rivet_plugin_api::{ArrowLayout, Compression, Error, Format, Result, WriteRequest};

use super::{Encoder, Sink, no_level, unique_names, zstd_level};
use counter::Counter;

enum ArrowEncoder {
    Stream(StreamWriter<Counter>),
    File(FileWriter<Counter>),
}

pub(super) fn check(format: &Format, schema: &Schema) -> Result<()> {
    unique_names(schema)?;
    options(format).map(drop)
}

pub(super) fn read(layout: ArrowLayout, file: File) -> std::result::Result<Box<dyn RecordBatchReader>, ArrowError> {
    let file = BufReader::new(file);
    Ok(match layout {
        ArrowLayout::Stream => Box::new(StreamReader::try_new(file, None)?),
        ArrowLayout::File => Box::new(FileReader::try_new(file, None)?),
    })
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

pub(super) fn open(sink: Sink, request: &WriteRequest, schema: &Schema) -> Result<Box<dyn Encoder>> {
    let mut metadata = schema.metadata().clone();
    metadata.extend(request.metadata.iter().map(|(k, v)| (k.clone(), v.clone())));
    let schema = Schema::new_with_metadata(schema.fields().clone(), metadata);
    let (counter, options) = (Counter::new(sink), options(&request.format)?);
    Ok(Box::new(match request.format.arrow_layout {
        ArrowLayout::Stream => ArrowEncoder::Stream(StreamWriter::try_new_with_options(counter, &schema, options)?),
        ArrowLayout::File => ArrowEncoder::File(FileWriter::try_new_with_options(counter, &schema, options)?),
    }))
}

impl Encoder for ArrowEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Stream(writer) => writer.write(batch)?,
            Self::File(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        match self {
            Self::Stream(writer) => writer.get_ref().bytes(),
            Self::File(writer) => writer.get_ref().bytes(),
        }
    }

    fn buffered(&self) -> u64 {
        0
    }

    fn finish(self: Box<Self>) -> Result<()> {
        match *self {
            Self::Stream(mut writer) => writer.finish()?,
            Self::File(mut writer) => writer.finish()?,
        }
        Ok(())
    }
}

/// Counts what the writers do not count themselves.
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
