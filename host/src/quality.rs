//! The rules under `quality`: bounds of rows and NULLs, and columns without repetitions. Workers show every batch, and
//! before anything is committed the whole is judged.
//!
//! Rows count when the attempt that read them has succeeded, so a chunk that is repeated counts once.

mod distinct;
mod key;
mod spill;
mod table;
mod tally;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::Schema;
use rivet_plugin_api::suggest::did_you_mean;
use rivet_plugin_api::{Error, Result};

use self::distinct::Keys;
use self::key::Key;
use self::spill::Spill;
use self::tally::Tally;
use self::values::{Secrets, Width, width};
use crate::config;
use crate::{environment, error};

/// The most bytes of keys that all workers and columns hold in memory while they read. Judging takes half as many more.
const BUDGET: usize = 64 << 20;

/// What an export must satisfy, and what has been seen of it.
#[derive(Debug)]
pub struct Quality {
    rules: config::Quality,
    /// Columns whose NULLs are counted.
    counted: Vec<Column>,
    /// Columns of [`Width::Narrow`] that must not repeat a value.
    narrow: Vec<Column>,
    /// Those of [`Width::Wide`].
    wide: Vec<Column>,
    secrets: Secrets,
    spill: Arc<Spill>,
    budget: usize,
    /// Observers at work, which share the budget.
    observers: AtomicUsize,
    kept: Mutex<Seen>,
}

/// A column of every batch.
#[derive(Clone, Debug)]
struct Column {
    index: usize,
    name: String,
}

/// What some rows have shown. Keys are in the order of the columns.
#[derive(Debug)]
struct Seen {
    tally: Tally,
    narrow: Vec<Keys<u64>>,
    wide: Vec<Keys<u128>>,
}

/// The outcome.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Rows that were judged.
    pub rows: u64,
    /// What is wrong, each with its numbers. The result is accepted when there is nothing.
    pub issues: Vec<String>,
}

impl Quality {
    /// Prepares the rules of `export` for a result with the columns of `schema`. Values that do not fit in memory go to
    /// a file without a name in the directory `TMPDIR`, or in `dir` when that is not set.
    ///
    /// # Errors
    /// A rule names a column that the result does not have, or has twice, or whose values cannot be compared.
    pub fn new(export: &str, rules: &config::Quality, schema: &Schema, dir: &Path) -> error::Result<Self> {
        let dir = environment("TMPDIR").map_or_else(|| dir.to_path_buf(), PathBuf::from);
        let new = Self::within(BUDGET, rules, schema, dir);
        new.map_err(|e| error::Error::Usage(e.context(format!("`quality` of export \"{export}\""))))
    }

    fn within(budget: usize, rules: &config::Quality, schema: &Schema, dir: PathBuf) -> Result<Self> {
        let tally = Tally::new(rules);
        let counted = tally.nulls.keys().map(|name| Column::find(name, schema)).collect::<Result<Vec<_>>>()?;
        let (mut narrow, mut wide) = (Vec::new(), Vec::new());
        for column in counted.iter().filter(|column| rules.unique_columns.contains(&column.name)) {
            match column.width(schema)? {
                Width::Narrow => narrow.push(column.clone()),
                Width::Wide => wide.push(column.clone()),
            }
        }
        let kept = Mutex::new(Seen::new(tally, narrow.len(), wide.len()));
        let (secrets, spill) = (Secrets::new(), Spill::new(dir));
        let (rules, observers) = (rules.clone(), AtomicUsize::new(0));
        Ok(Self { rules, counted, narrow, wide, secrets, spill, budget, observers, kept })
    }

    /// Looks at one attempt to read a chunk, or a window that is not split.
    pub fn chunk(&self) -> Observer<'_> {
        let at_work = AtWork::new(&self.observers);
        let seen = Seen::new(Tally::new(&self.rules), self.narrow.len(), self.wide.len());
        Observer { quality: self, seen, _at_work: at_work }
    }

    /// Judges everything that was kept of a window of `rows` rows. Rules that are about the number of rows alone do not
    /// need all of them to be seen. Waits for no observer: call it when there is none left.
    ///
    /// # Errors
    /// Values cannot be read back from the temporary file, or not every row was seen that had to be. The result must not
    /// be published then either.
    pub fn judge(&self, rows: u64) -> Result<Verdict> {
        let (table, mut kept) = (self.budget / 2, self.lock());
        let Seen { tally, narrow, wide } = &mut *kept;
        if self.rules.is_of_values() && tally.rows != rows {
            return Err(Error::internal(format!("{} of {rows} rows were seen by the quality checks", tally.rows)));
        }
        let mut issues = tally.issues(rows, &self.rules);
        let mut repeated = BTreeMap::new();
        for (column, keys) in self.narrow.iter().zip(narrow) {
            repeated.insert(column.name.as_str(), keys.repeated(table, &self.spill)?);
        }
        for (column, keys) in self.wide.iter().zip(wide) {
            repeated.insert(column.name.as_str(), keys.repeated(table, &self.spill)?);
        }
        issues.extend(repeated.into_iter().filter_map(|(column, repeated)| tally.repetitions(column, repeated)));
        Ok(Verdict { rows, issues })
    }

    /// Bytes that one column may hold, here and in every observer.
    fn share(&self) -> usize {
        let holders = (self.narrow.len() + self.wide.len()) * (self.observers.load(Ordering::Relaxed) + 1);
        (self.budget / holders.max(1)).max(self.budget / 1024)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn new(tally: Tally, narrow: usize, wide: usize) -> Self {
        let narrow = iter::repeat_with(Keys::default).take(narrow).collect();
        Self { tally, narrow, wide: iter::repeat_with(Keys::default).take(wide).collect() }
    }
}

impl Column {
    fn find(name: &str, schema: &Schema) -> Result<Self> {
        let mut places = schema.fields().iter().enumerate().filter(|(_, field)| field.name() == name);
        match (places.next(), places.next()) {
            (Some((index, _)), None) => Ok(Self { index, name: name.to_owned() }),
            (Some(_), Some(_)) => Err(Error::config(format!("column \"{name}\" occurs twice in the result"))
                .hint("give the columns different names with AS in the query")),
            (None, _) => {
                let names = schema.fields().iter().map(|field| field.name().as_str());
                Err(Error::config(format!("the query returns no column \"{name}\"")).hint(did_you_mean(
                    name,
                    names,
                    "its columns are",
                )))
            }
        }
    }

    fn width(&self, schema: &Schema) -> Result<Width> {
        let data_type = schema.field(self.index).data_type();
        width(data_type).ok_or_else(|| {
            Error::config(format!("column \"{}\" is {data_type}, whose values cannot be compared", self.name))
                .hint("remove it from `unique_columns`, or cast it to text in the query")
        })
    }

    fn of<'a>(&self, batch: &'a RecordBatch) -> Result<&'a ArrayRef> {
        let column = batch.columns().get(self.index);
        column.ok_or_else(|| Error::internal(format!("a batch has no column \"{}\"", self.name)))
    }
}

/// One attempt. Dropping it forgets what it has seen.
#[derive(Debug)]
pub struct Observer<'a> {
    quality: &'a Quality,
    seen: Seen,
    _at_work: AtWork<'a>,
}

impl Observer<'_> {
    /// Looks at the next batch.
    ///
    /// # Errors
    /// The temporary file cannot be written, for example because the disk is full. The attempt must be given up.
    pub fn see(&mut self, batch: &RecordBatch) -> Result<()> {
        let Quality { counted, narrow, wide, secrets, spill, .. } = self.quality;
        let (share, tally) = (self.quality.share(), &mut self.seen.tally);
        tally.rows += batch.num_rows() as u64;
        for (column, nulls) in counted.iter().zip(tally.nulls.values_mut()) {
            *nulls += column.of(batch)?.logical_null_count() as u64;
        }
        for (column, keys) in narrow.iter().zip(&mut self.seen.narrow) {
            keys.set_limit(share, spill)?;
            secrets.narrow(column.of(batch)?, |key| keys.push(key, spill))?;
        }
        for (column, keys) in wide.iter().zip(&mut self.seen.wide) {
            keys.set_limit(share, spill)?;
            secrets.wide(column.of(batch)?, |key| keys.push(key, spill))?;
        }
        Ok(())
    }

    /// Counts what was seen.
    ///
    /// # Errors
    /// As for [`see`](Self::see). Nothing is counted then.
    pub fn keep(self) -> Result<()> {
        let Self { quality, seen, _at_work } = self;
        let (share, mut kept) = (quality.share(), quality.lock());
        let kept = &mut *kept;
        // All that can fail comes before the first change that counts.
        make_room(&mut kept.narrow, &seen.narrow, share, &quality.spill)?;
        make_room(&mut kept.wide, &seen.wide, share, &quality.spill)?;
        kept.tally.add(&seen.tally);
        kept.narrow.iter_mut().zip(seen.narrow).for_each(|(kept, seen)| kept.adopt(seen));
        kept.wide.iter_mut().zip(seen.wide).for_each(|(kept, seen)| kept.adopt(seen));
        Ok(())
    }
}

fn make_room<K: Key>(kept: &mut [Keys<K>], seen: &[Keys<K>], share: usize, spill: &Arc<Spill>) -> Result<()> {
    kept.iter_mut().zip(seen).try_for_each(|(kept, seen)| {
        kept.set_limit(share, spill)?;
        kept.prepare(seen, spill)
    })
}

/// Counts an observer while it lives.
#[derive(Debug)]
struct AtWork<'a>(&'a AtomicUsize);

impl<'a> AtWork<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
