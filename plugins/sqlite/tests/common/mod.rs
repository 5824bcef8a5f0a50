//! What the tests of the source share: a database file of their own, and reading a request whole.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rivet_plugin_api::arrow_array::RecordBatch;
use rivet_plugin_api::arrow_array::cast::AsArray;
use rivet_plugin_api::arrow_array::types::Int64Type;
use rivet_plugin_api::{Context, DescribeRequest, Error, Filter, Mapping, ReadRequest, Source};
use rivet_plugin_sqlite::{Options, Sqlite};
use rusqlite::Connection;
use tempfile::TempDir;

/// A database made by `sql`, and its file.
pub struct Database(pub TempDir);

impl Database {
    pub fn new(sql: &str) -> Self {
        let database = Self(TempDir::new().unwrap());
        database.connect().execute_batch(sql).unwrap();
        database
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("test.db")
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    pub fn source(&self) -> Sqlite {
        open(&self.path()).unwrap()
    }

    pub fn read(&self, request: &ReadRequest) -> Result<Vec<RecordBatch>, Error> {
        let mut reader = self.source().read(request, &Context::default())?;
        let mut batches = Vec::new();
        while let Some(batch) = reader.next()? {
            assert!(batch.num_rows() > 0);
            assert_eq!(batch.schema(), reader.schema());
            batches.push(batch);
        }
        assert!(reader.next()?.is_none());
        reader.close()?;
        Ok(batches)
    }

    pub fn one(&self, query: &str) -> RecordBatch {
        let mut batches = self.read(&all(query)).unwrap();
        assert_eq!(batches.len(), 1);
        batches.remove(0)
    }

    pub fn error(&self, query: &str) -> Error {
        self.read(&all(query)).unwrap_err()
    }

    pub fn integers(&self, request: &ReadRequest) -> Vec<i64> {
        let batches = self.read(request).unwrap();
        batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
    }

    pub fn types(&self, query: &str, mapping: Mapping) -> Vec<String> {
        let request = DescribeRequest { query: query.into(), mapping, ..DescribeRequest::default() };
        let description = self.source().describe(&request, &Context::default()).unwrap();
        description.columns.into_iter().map(|c| c.arrow_type).collect()
    }
}

pub fn open(path: &Path) -> Result<Sqlite, Error> {
    Sqlite::open(Options { path: Some(path.to_owned()), url: None }, &Context::default())
}

pub fn all(query: &str) -> ReadRequest {
    ReadRequest { query: query.into(), ..ReadRequest::default() }
}

pub fn filtered(query: &str, filter: Filter) -> ReadRequest {
    ReadRequest { filter, ..all(query) }
}

pub fn columns(entries: &[(&str, &str)]) -> Mapping {
    let columns = entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Mapping { columns, types: BTreeMap::new() }
}
