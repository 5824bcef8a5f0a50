//! Batches between processes, as Arrow IPC: what is sent are the buffers themselves, and what has arrived stays where it
//! is. Nothing is compressed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamEncoder;
use arrow_schema::{Schema, SchemaRef};
use rivet_plugin_api::{Error, Result};

/// Writes the batches of one stream.
pub struct Encoder(StreamEncoder);

impl Encoder {
    /// Of batches with this schema.
    pub fn new(schema: &Schema) -> Result<Self> {
        Ok(Self(StreamEncoder::try_new(schema)?))
    }

    /// A batch, preceded by whatever dictionaries it needs.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<Buffer>> {
        Ok(self.0.encode(batch)?)
    }

    /// A schema alone.
    pub fn schema(schema: &Schema) -> Result<Vec<Buffer>> {
        Ok(StreamEncoder::try_new(schema)?.finish()?)
    }
}

/// What to send of encoded buffers.
pub fn slices(buffers: &[Buffer]) -> Vec<&[u8]> {
    buffers.iter().map(Buffer::as_slice).collect()
}

/// Reads the batches of one stream. Everything is checked, contents too: the other side may have lost its mind.
#[derive(Default)]
pub struct Decoder(StreamDecoder);

impl Decoder {
    /// A schema alone.
    pub fn schema(bytes: Vec<u8>) -> Result<SchemaRef> {
        let mut decoder = StreamDecoder::new();
        checked(|| {
            let mut bytes = Buffer::from_vec(bytes);
            while !bytes.is_empty() {
                decoder.decode(&mut bytes)?;
            }
            Ok(decoder.schema().map(|schema| Arc::clone(&schema)))
        })?
        .ok_or_else(|| Error::internal("a schema was promised and is not there"))
    }

    /// The batch in `bytes`, whose buffers it keeps.
    pub fn batch(&mut self, bytes: Vec<u8>) -> Result<RecordBatch> {
        let batch = checked(|| {
            let mut bytes = Buffer::from_vec(bytes);
            while !bytes.is_empty() {
                if let Some(batch) = self.0.decode(&mut bytes)? {
                    return Ok(Some(batch));
                }
            }
            // A batch without a byte of data is only complete when something comes behind it. Where that is consumed, the
            // data was cut short.
            let mut behind = Buffer::from_vec(vec![0_u8]);
            let batch = self.0.decode(&mut behind)?;
            Ok(batch.filter(|_| !behind.is_empty()))
        })?;
        batch.ok_or_else(|| Error::internal("a batch was promised and is not there"))
    }
}

/// arrow asserts some of what it is given.
fn checked<T>(decode: impl FnOnce() -> std::result::Result<T, arrow_schema::ArrowError>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|e| Error::internal(format!("malformed batch: {e}"))),
        Err(_) => Err(Error::internal("malformed batch: its structure is not that of its schema")),
    }
}

#[cfg(test)]
mod tests;
