//! What must hold before a window counts: its columns, its rows, and their number in the source.

use std::path::Path;

use arrow_schema::Schema;
use rivet_plugin_api::abi::{DestinationHandle, SourceHandle};
use rivet_plugin_api::{Error as ApiError, declared_nullable};

use super::Run;
use super::moving::Signs;
use crate::config::OnSchemaChange;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::inspect::Inspector;
use crate::quality::Quality;
use crate::reading::Reading;
use crate::state::{SchemaChange, SchemaColumn};
use crate::window::Open;

impl Run<'_> {
    /// Closes a window that a killed run had written.
    pub(super) fn finish(&mut self, open: &mut Open<'_>, to: &mut DestinationHandle) -> Result<()> {
        if self.options.reconcile {
            let reading = open.recorded()?.unwrap_or_else(Reading::everything);
            let mut from = self.job.open_source(self.cancel)?;
            let reconciled = self.reconcile(&reading, &mut from);
            // A count that failed says nothing about the rows: the window waits for the next attempt, or run.
            if let Err(e @ Error::Refused(_)) = reconciled {
                self.give_up(open, &e)?;
                return Err(e);
            }
            reconciled?;
        }
        self.summary.quality = self.job.export.quality.as_ref().map(|_| true);
        open.publish_manifest(None, self.summary.retries > 0, to)?;
        self.measure();
        open.commit(None, &self.metrics())
    }

    /// Compares the rows that were written with those that the source counts in the same window.
    pub(super) fn reconcile(&mut self, reading: &Reading, from: &mut SourceHandle) -> Result<()> {
        if !self.options.reconcile {
            return Ok(());
        }
        let (name, exported) = (&self.job.export.name, self.summary.rows);
        if !self.job.source_can().count {
            let kind = &self.job.source.plugin.spec().name;
            tracing::warn!("export \"{name}\" is not reconciled: connector \"{kind}\" does not count rows");
            return Ok(());
        }
        let counted = from.count(&reading.whole(self.job));
        let counted = counted.map_err(|e| e.context(format!("could not count the rows of export \"{name}\"")))?;
        (self.summary.exported, self.summary.source_rows) = (exported, Some(counted));
        if counted == exported {
            return Ok(());
        }
        let text = format!("export \"{name}\" wrote {exported} rows, but the source counts {counted}");
        Err(Error::Refused(ApiError::data(text).hint("rows may have changed meanwhile: run again")))
    }

    /// The rules for the rows of this window. What earlier attempts have shown counts when this one only reads the rest.
    pub(super) fn prepare_quality(&mut self, schema: &Schema, reading: &Reading) -> Result<()> {
        let export = self.job.export;
        let Some(rules) = &export.quality else { return Ok(()) };
        if !reading.is_rest() || self.quality.is_none() {
            let dir = self.state.path().parent().unwrap_or(Path::new("."));
            self.quality = Some(Quality::new(&export.name, rules, schema, dir)?);
        }
        Ok(())
    }

    /// Compares the columns with those of the last run.
    pub(super) fn track_schema(&mut self, schema: &Schema) -> Result<Vec<SchemaColumn>> {
        let name = &self.job.export.name;
        let column = |f: &arrow_schema::FieldRef| SchemaColumn {
            name: f.name().clone(),
            data_type: format!("{:?}", f.data_type()),
            nullable: declared_nullable(f),
        };
        let columns: Vec<SchemaColumn> = schema.fields().iter().map(column).collect();
        let Some(stored) = self.state.stored_schema(name)? else { return Ok(columns) };
        let change = SchemaChange::between(&stored, &columns);
        // Another attempt has nothing new to tell.
        if self.summary.schema_changed.replace(!change.is_empty()).is_none() {
            change.lines(name).iter().for_each(|line| tracing::warn!("{line}"));
            if !change.is_empty() {
                self.feed.tell(&Event::SchemaChanged { changes: change.details() });
            }
        }
        if change.is_empty() || self.job.export.on_schema_change == OnSchemaChange::Warn {
            return Ok(columns);
        }
        let changes = change.details().join("; ");
        let error = ApiError::data(format!("the columns of export \"{name}\" have changed: {changes}"));
        Err(Error::Refused(
            error.hint("adapt the query, or set `on_schema_change: warn` for one run to accept the columns"),
        ))
    }
}

/// Refuses a window of `rows` rows that breaks the rules.
pub(super) fn judge(inspector: &Inspector<'_>, rows: u64, signs: &mut Signs) -> Result<()> {
    let Some(verdict) = inspector.judge(rows)? else { return Ok(()) };
    signs.quality = Some(verdict.issues.is_empty());
    if verdict.issues.is_empty() {
        return Ok(());
    }
    let text = format!("quality checks failed: {}", verdict.issues.join("; "));
    Err(Error::Refused(ApiError::data(text).hint("correct the rows, or change the rules under `quality`")))
}
