//! `chunk_dense`: one ordered read whose rows are counted off into the files of one chunk after the other. Every row is
//! numbered once, so that nothing can shift between two chunks.

use arrow_array::RecordBatch;
use rivet_plugin_api::abi::{DestinationHandle, WriterHandle};
use rivet_plugin_api::{Cancel, Filter};

use crate::error::Result;
use crate::event::{Feed, Tally};
use crate::inspect::Inspector;
use crate::pipeline::Moved;
use crate::plan::Job;
use crate::window::Open;
use crate::workers::Begun;

/// Counts the rows of one read off into chunks.
pub struct Dense<'a, 'w> {
    /// The export.
    pub job: &'a Job<'a>,
    /// The window; gets a chunk for every `size` rows.
    pub open: &'a mut Open<'w>,
    /// Where they go.
    pub to: &'a mut DestinationHandle,
    /// Looks at all rows.
    pub inspector: &'a Inspector<'a>,
    /// Whether files are read back.
    pub verify: bool,
    /// Rows of a chunk.
    pub size: u64,
    /// Ends it.
    pub cancel: &'a Cancel,
}

impl Dense<'_, '_> {
    /// Reads everything and tells `feed` of it; `begun` is chunk 0.
    pub fn run(mut self, begun: Begun, feed: &Feed) -> Result<()> {
        let Begun { mut reader, writer } = begun;
        let (throttle, tally) = (self.job.throttle(), feed.attempt());
        let mut inspection = self.inspector.inspect(&Filter::All)?;
        let (mut chunk, mut rows, mut writer) = (0, 0, Some(writer));
        while let Some(mut batch) = reader.next()? {
            let read = batch.num_rows();
            tally.read(read);
            inspection.see(&batch)?;
            while batch.num_rows() > 0 {
                if rows == self.size {
                    self.finish(chunk, rows, writer.take(), &tally)?;
                    (chunk, rows) = (chunk + 1, 0);
                }
                let mut open = if let Some(writer) = writer.take() {
                    writer
                } else {
                    inspection.turn_over(self.inspector.meta()?);
                    self.begin(chunk)?
                };
                let some = split_off(&mut batch, self.size - rows);
                rows += some.num_rows() as u64;
                tally.wrote(open.write(inspection.complete(some)?)?.written);
                writer = Some(open);
            }
            throttle.after(read, self.cancel);
            self.job.threshold.check(feed, self.cancel);
            self.cancel.check()?;
        }
        reader.close()?;
        inspection.keep()?;
        self.finish(chunk, rows, writer, &tally)?;
        tally.keep();
        self.open.end_at_chunk(chunk + 1)
    }

    fn begin(&mut self, chunk: usize) -> Result<WriterHandle> {
        self.open.reach_chunk(chunk)?;
        let request = self.open.request(chunk, self.inspector.run_id(), self.verify);
        let writer = self.to.begin(&request, self.inspector.files(), self.cancel)?;
        self.open.record_begun(chunk)?;
        Ok(writer)
    }

    fn finish(&self, chunk: usize, rows: u64, writer: Option<WriterHandle>, tally: &Tally<'_>) -> Result<()> {
        let Some(writer) = writer else { return Ok(()) };
        let receipt = Moved::new(rows, writer).finish()?;
        self.job.check_validated(&receipt, self.verify)?;
        self.open.record(chunk, &receipt.parts)?;
        tally.landed(chunk, &receipt.parts);
        Ok(())
    }
}

/// The first rows of `batch`, at most `rows` of them, which it loses.
fn split_off(batch: &mut RecordBatch, rows: u64) -> RecordBatch {
    let rows = usize::try_from(rows).unwrap_or(usize::MAX).min(batch.num_rows());
    let first = batch.slice(0, rows);
    *batch = batch.slice(rows, batch.num_rows() - rows);
    first
}
