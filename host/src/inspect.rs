//! What every batch passes on its way from the source to the destination: eyes that count, and the columns that are
//! added.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use rivet_plugin_api::{Filter, Result};

use crate::clock;
use crate::meta::MetaColumns;
use crate::plan::Job;
use crate::quality::{Observer, Quality, Verdict};
use crate::reading::Watch;

/// What the chunks of one window share.
pub struct Inspector<'a> {
    job: &'a Job<'a>,
    run_id: &'a str,
    quality: Option<&'a Quality>,
    source: SchemaRef,
    files: SchemaRef,
}

impl<'a> Inspector<'a> {
    /// For rows of `source`.
    ///
    /// # Errors
    /// The query has a column that would be added, or one that the row hash is not defined for.
    pub fn new(job: &'a Job<'a>, run_id: &'a str, source: &SchemaRef, quality: Option<&'a Quality>) -> Result<Self> {
        let files = MetaColumns::new(job.export.meta_columns, 0, run_id, source)?.schema().clone();
        Ok(Self { job, run_id, quality, source: source.clone(), files })
    }

    /// The run, as the files name it.
    pub fn run_id(&self) -> &str {
        self.run_id
    }

    /// The columns that come from the source.
    pub fn source(&self) -> &SchemaRef {
        &self.source
    }

    /// The columns of the files.
    pub fn files(&self) -> &SchemaRef {
        &self.files
    }

    /// One attempt at the rows of `filter`.
    pub fn inspect(&self, filter: &Filter) -> Result<Inspection<'a>> {
        Ok(Inspection {
            watch: Watch::new(filter, &self.source),
            observer: self.quality.map(Quality::chunk),
            meta: self.meta()?,
        })
    }

    /// Judges the window, which has `rows` rows, by what was kept of all attempts that succeeded; `None` without rules.
    pub fn judge(&self, rows: u64) -> Result<Option<Verdict>> {
        self.quality.map(|quality| quality.judge(rows)).transpose()
    }

    /// The added columns of files that begin now.
    pub fn meta(&self) -> Result<MetaColumns> {
        let now = clock::now().as_microsecond();
        MetaColumns::new(self.job.export.meta_columns, now, self.run_id, &self.source)
    }
}

/// One attempt at a window or chunk.
pub struct Inspection<'a> {
    watch: Watch,
    observer: Option<Observer<'a>>,
    meta: MetaColumns,
}

impl Inspection<'_> {
    /// Looks at a batch of the source.
    ///
    /// # Errors
    /// The batch does not belong into the window, or there is no room for what has to be remembered of it.
    pub fn see(&mut self, batch: &RecordBatch) -> Result<()> {
        self.watch.see(batch)?;
        self.observer.as_mut().map_or(Ok(()), |observer| observer.see(batch))
    }

    /// The rows as they go into the files.
    pub fn complete(&self, batch: RecordBatch) -> Result<RecordBatch> {
        self.meta.apply(batch)
    }

    /// Both.
    pub fn pass(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        self.see(&batch)?;
        self.complete(batch)
    }

    /// Other files begin.
    pub fn turn_over(&mut self, meta: MetaColumns) {
        self.meta = meta;
    }

    /// The attempt has succeeded: what was seen counts. Answers how many rows had no cursor.
    pub fn keep(self) -> Result<u64> {
        if let Some(observer) = self.observer {
            observer.keep()?;
        }
        Ok(self.watch.nulls())
    }
}
